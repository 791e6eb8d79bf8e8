//! DCA: Eraslan, Simon, Mircea, Mueller & Theis 2019, "Single-cell RNA-seq denoising using a deep count autoencoder",
//! Nature Communications 10, with the net of its code and its loss `nb` (one dispersion a gene).
//!
//! ```text
//! size          s = Σ_g x_g / median over cells
//! input         ln(1 + x_g/s), centred and divided by the gene's deviation
//! encoder       h = max(0, norm(x̃·W1 + b1)) …,   z = h·W + b             the code, linear
//! decoder       max(0, norm(z)), then max(0, norm(·W + b)) …
//! generation    x_g ~ NB(mean s·exp(h·v_g + c_g), inverse dispersion θ_g = exp(r_g))
//! loss          −Σ_g log NB(x_g; μ_g, θ_g),   mean over the cells of the batch
//! ```
//!
//! A norm has a shift and no scale. Different from its code: Adam instead of RMSprop, no clipping of means, dispersions
//! and gradients, this project's initial weights.

use candle_core::{Result, Tensor, Var};
use domain::config::{Activation, DcaSpec};

use crate::latent::{Encoded, Forward, LatentModel, Noise};
use crate::net::{Linear, NetBuilder};
use crate::normed::{NoNoise, NormedStack, Pass, Scale, Tail};
use crate::penalty::{Objective, Place};

/// DCA's inner net.
pub(crate) struct Dca {
    first_bias: Var,
    first: Tail,
    rest: NormedStack,
    code: Linear,
    code_tail: Tail,
    decoder: NormedStack,
}

impl Dca {
    pub(crate) fn new(spec: &DcaSpec, genes: usize, builder: &mut NetBuilder) -> Result<Self> {
        let encoder: Vec<usize> = spec.encoder.iter().map(|width| *width as usize).collect();
        let latent_dim = spec.latent_dim as usize;
        let decoder: Vec<usize> =
            std::iter::once(latent_dim).chain(spec.decoder.iter().map(|width| *width as usize)).collect();
        let (first, last) = (encoder[0], encoder[encoder.len() - 1]);
        Ok(Self {
            first_bias: builder.param("encoder.0.bias", first, genes)?,
            first: Tail::new("encoder.0", first, Scale::One, spec.dropout, builder)?,
            rest: NormedStack::new("encoder", 1, &encoder, Scale::One, spec.dropout, builder)?,
            code: builder.linear("code.0", last, latent_dim, Activation::None)?,
            code_tail: Tail::new("code.0", latent_dim, Scale::One, spec.dropout, builder)?,
            decoder: NormedStack::new("decoder", 0, &decoder, Scale::One, spec.dropout, builder)?,
        })
    }

    fn code(&self, first: &Tensor, noise: &dyn Noise, pass: Pass) -> Result<Tensor> {
        let h = self.first.forward(&first.broadcast_add(&self.first_bias)?, noise, pass)?;
        self.code.forward(&self.rest.forward(&h, noise, pass)?)
    }

    fn hidden(&self, z: &Tensor, noise: &dyn Noise, pass: Pass) -> Result<Tensor> {
        self.decoder.forward(&self.code_tail.forward(z, noise, pass)?, noise, pass)
    }
}

impl LatentModel for Dca {
    fn forward(&self, first: &Tensor, noise: &dyn Noise, _place: Place) -> Result<Forward> {
        let z = self.code(first, noise, Pass::Train)?;
        Ok(Forward { hidden: self.hidden(&z, noise, Pass::Train)?, penalty: None })
    }

    fn encode(&self, first: &Tensor, noise: &dyn Noise) -> Result<Encoded> {
        let z = self.code(first, noise, Pass::Evaluate)?;
        Ok(Encoded { mean: z.clone(), code: z, kl: None, gates: None })
    }

    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.hidden(z, &NoNoise, Pass::Evaluate)
    }

    fn objective(&self) -> Objective {
        Objective::default()
    }

    fn remember(&self) {
        self.first.remember();
        self.rest.remember();
        self.code_tail.remember();
        self.decoder.remember();
    }
}
