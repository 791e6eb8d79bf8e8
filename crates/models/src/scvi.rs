//! scVI: Lopez et al. 2018, "Deep generative modeling for single-cell transcriptomics", Nature Methods 15, with the net
//! and the defaults of scvi-tools' `SCVI` (one batch, observed library size, gene-wise dispersion).
//!
//! ```text
//! inference     q(z|x) = N(μ(ln(1 + x)), σ²(ln(1 + x)))
//! prior         p(z)   = N(0, 1)
//! generation    h = max(0, norm(z·W + b)) …,   ρ = softmax(h·V + c) over genes,   L = Σ_g x_g
//!               x_g ~ NB(mean L·ρ_g, inverse dispersion θ_g = exp(r_g))
//! loss          −Σ_g log NB(x_g; L·ρ_g, θ_g) + β·KL(q(z|x) ‖ p(z)),   mean over the cells of the batch
//!               log NB(x; μ, θ) = x log(μ/(θ+μ)) + θ log(θ/(θ+μ)) + lnΓ(x+θ) − lnΓ(θ) − lnΓ(x+1)
//! ```
//!
//! β rises linearly over the whole run, step by step (scvi-tools: once an epoch, over 400). ρ, V, c and r are the engine's
//! (`engine::counts`).

use candle_core::{Result, Tensor};
use domain::config::ScviSpec;

use crate::gaussian::{EncoderShape, GaussianEncoder};
use crate::latent::{Encoded, Forward, LatentModel, Noise};
use crate::net::NetBuilder;
use crate::normed::{NoNoise, NormedStack, Pass, Scale};
use crate::penalty::{Objective, Place};

/// scVI's inner net.
pub(crate) struct Scvi {
    encoder: GaussianEncoder,
    decoder: NormedStack,
    objective: Objective,
}

impl Scvi {
    pub(crate) fn new(spec: &ScviSpec, genes: usize, builder: &mut NetBuilder) -> Result<Self> {
        let latent_dim = spec.latent_dim as usize;
        let shape = EncoderShape { genes, widths: &spec.encoder, latent_dim, dropout: spec.dropout };
        let encoder = GaussianEncoder::new(&shape, builder)?;
        let widths: Vec<usize> =
            std::iter::once(latent_dim).chain(spec.decoder.iter().map(|width| *width as usize)).collect();
        let decoder = NormedStack::new("decoder", 0, &widths, Scale::Learned, 0.0, builder)?;
        let ScviSpec { beta, beta_schedule, free_bits, .. } = *spec;
        let objective = Objective { beta, beta_schedule, free_bits };
        Ok(Self { encoder, decoder, objective })
    }
}

impl LatentModel for Scvi {
    fn forward(&self, first: &Tensor, noise: &dyn Noise, place: Place) -> Result<Forward> {
        let q = self.encoder.inference(first, noise, Pass::Train)?;
        let hidden = self.decoder.forward(&q.sample(noise)?, noise, Pass::Train)?;
        let penalty = self.objective.penalty(place, &q.kl()?, None)?;
        Ok(Forward { hidden, penalty: Some(penalty) })
    }

    fn encode(&self, first: &Tensor, noise: &dyn Noise) -> Result<Encoded> {
        self.encoder.inference(first, noise, Pass::Evaluate)?.encoded()
    }

    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decoder.forward(z, &NoNoise, Pass::Evaluate)
    }

    fn objective(&self) -> Objective {
        self.objective
    }

    fn remember(&self) {
        self.encoder.remember();
        self.decoder.remember();
    }
}
