//! Deep autoencoder (Hinton & Salakhutdinov 2006), with the nets of the study "Variational autoencoders for
//! single-cell transcriptomics data".
//!
//! ```text
//! z = f(x),  x̂ = g(z),  loss = Σ_g (x_g − x̂_g)²
//! ```

use candle_core::{Result, Tensor};
use domain::config::{Activation, AeSpec};

use crate::latent::{Encoded, Forward, LatentModel, Noise};
use crate::net::{Mlp, NetBuilder, NetBuilderInput, Trunk, relu};
use crate::penalty::{Objective, Place};

/// The autoencoder's inner net.
pub(crate) struct Ae {
    trunk: Trunk,
    code: Mlp,
    decoder: Mlp,
    latent_activation: Activation,
}

impl Ae {
    pub(crate) fn new(spec: &AeSpec, genes: usize, builder: &mut NetBuilder) -> Result<Self> {
        let trunk = Trunk::new(&NetBuilderInput { spec: &spec.net, genes }, builder)?;
        let code = Mlp::head("code", trunk.width(), &spec.net, builder)?;
        let decoder = Mlp::decoder(&spec.net, builder)?;
        Ok(Self { trunk, code, decoder, latent_activation: spec.latent_activation })
    }

    /// z = f(x).
    fn code(&self, first: &Tensor) -> Result<Tensor> {
        let z = self.code.forward(&self.trunk.forward(first)?)?;
        match self.latent_activation {
            Activation::None => Ok(z),
            Activation::Relu => relu(&z),
        }
    }
}

impl LatentModel for Ae {
    fn forward(&self, first: &Tensor, _noise: &dyn Noise, _place: Place) -> Result<Forward> {
        Ok(Forward { hidden: self.decode(&self.code(first)?)?, penalty: None })
    }

    fn encode(&self, first: &Tensor, _noise: &dyn Noise) -> Result<Encoded> {
        let z = self.code(first)?;
        Ok(Encoded { mean: z.clone(), code: z, kl: None, gates: None })
    }

    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decoder.forward(z)
    }

    fn objective(&self) -> Objective {
        Objective::default()
    }
}
