//! LDVAE: Svensson, Gayoso, Yosef & Pachter 2020, "Interpretable factor models of single-cell RNA-seq via variational
//! autoencoders", Bioinformatics 36, with the net and the defaults of scvi-tools' `LinearSCVI`.
//!
//! ```text
//! inference     q(z|x) = N(μ(ln(1 + x)), σ²(ln(1 + x)))                          as scVI
//! prior         p(z)   = N(0, 1)
//! generation    ρ = softmax(norm(z·V)) over genes, no bias,   L = Σ_g x_g
//!               x_g ~ NB(mean L·ρ_g, inverse dispersion θ_g = exp(r_g))
//! loss          −Σ_g log NB(x_g; L·ρ_g, θ_g) + β·KL(q(z|x) ‖ p(z)),   mean over the cells of the batch
//! ```
//!
//! The decoder is linear: a gene's loadings are its row of V, divided by its running deviation, times its scale. The
//! norm is over each gene's logits. Different from `LinearSCVI`: L is the observed size (there it is a latent variable
//! by default).

use candle_core::{Result, Tensor};
use domain::config::LdvaeSpec;

use crate::gaussian::{EncoderShape, GaussianEncoder};
use crate::latent::{Encoded, Forward, LatentModel, Noise};
use crate::net::NetBuilder;
use crate::normed::Pass;
use crate::penalty::{Objective, Place};

/// LDVAE's inner net: an encoder. H is z.
pub(crate) struct Ldvae {
    encoder: GaussianEncoder,
    objective: Objective,
}

impl Ldvae {
    pub(crate) fn new(spec: &LdvaeSpec, genes: usize, builder: &mut NetBuilder) -> Result<Self> {
        let latent_dim = spec.latent_dim as usize;
        let shape = EncoderShape { genes, widths: &spec.encoder, latent_dim, dropout: spec.dropout };
        let encoder = GaussianEncoder::new(&shape, builder)?;
        let LdvaeSpec { beta, beta_schedule, free_bits, .. } = *spec;
        let objective = Objective { beta, beta_schedule, free_bits };
        Ok(Self { encoder, objective })
    }
}

impl LatentModel for Ldvae {
    fn forward(&self, first: &Tensor, noise: &dyn Noise, place: Place) -> Result<Forward> {
        let q = self.encoder.inference(first, noise, Pass::Train)?;
        let penalty = self.objective.penalty(place, &q.kl()?, None)?;
        Ok(Forward { hidden: q.sample(noise)?, penalty: Some(penalty) })
    }

    fn encode(&self, first: &Tensor, noise: &dyn Noise) -> Result<Encoded> {
        self.encoder.inference(first, noise, Pass::Evaluate)?.encoded()
    }

    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        Ok(z.clone())
    }

    fn objective(&self) -> Objective {
        self.objective
    }

    fn remember(&self) {
        self.encoder.remember();
    }
}
