//! The encoder that scVI and LDVAE share: log-counts to a Gaussian posterior.
//!
//! ```text
//! h       = dropout(max(0, norm(ln(1 + x)·W1 + b1))) …
//! q(z|x)  = N(μ, σ²),   μ = h·Wμ + bμ,   σ² = exp(h·Wσ + bσ) + 10⁻⁴
//! p(z)    = N(0, 1)
//! ```
//!
//! Must not live here: the decoders, the likelihood.

use candle_core::{Result, Tensor, Var};
use domain::config::Activation;

use crate::latent::{Encoded, Noise};
use crate::net::{Linear, NetBuilder};
use crate::normed::{NormedStack, Pass, Scale, Tail};

/// Smallest variance of the posterior, as scvi-tools has it.
const LEAST_VARIANCE: f64 = 1e-4;

/// Widths of the encoder.
pub(crate) struct EncoderShape<'a> {
    pub(crate) genes: usize,
    pub(crate) widths: &'a [u32],
    pub(crate) latent_dim: usize,
    pub(crate) dropout: f64,
}

/// From X̃·W1 to q(z|x).
pub(crate) struct GaussianEncoder {
    first_bias: Var,
    first: Tail,
    rest: NormedStack,
    mu: Linear,
    log_var: Linear,
}

/// q(z|x) of some cells.
pub(crate) struct Posterior {
    pub(crate) mu: Tensor,
    pub(crate) variance: Tensor,
}

impl GaussianEncoder {
    pub(crate) fn new(shape: &EncoderShape<'_>, builder: &mut NetBuilder) -> Result<Self> {
        let widths: Vec<usize> = shape.widths.iter().map(|width| *width as usize).collect();
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let head = |name: &str, builder: &mut NetBuilder| {
            builder.linear(name, last, shape.latent_dim, Activation::None)
        };
        Ok(Self {
            first_bias: builder.param("encoder.0.bias", first, shape.genes)?,
            first: Tail::new("encoder.0", first, Scale::Learned, shape.dropout, builder)?,
            rest: NormedStack::new("encoder", 1, &widths, Scale::Learned, shape.dropout, builder)?,
            mu: head("mu.0", builder)?,
            log_var: head("log_var.0", builder)?,
        })
    }

    /// `first` is X̃·W1 without bias.
    pub(crate) fn inference(&self, first: &Tensor, noise: &dyn Noise, pass: Pass) -> Result<Posterior> {
        let h = self.first.forward(&first.broadcast_add(&self.first_bias)?, noise, pass)?;
        let h = self.rest.forward(&h, noise, pass)?;
        let variance = (self.log_var.forward(&h)?.exp()? + LEAST_VARIANCE)?;
        Ok(Posterior { mu: self.mu.forward(&h)?, variance })
    }

    pub(crate) fn remember(&self) {
        self.first.remember();
        self.rest.remember();
    }
}

impl Posterior {
    /// z = μ + σ·ε.
    pub(crate) fn sample(&self, noise: &dyn Noise) -> Result<Tensor> {
        let (cells, dims) = self.mu.dims2()?;
        &self.mu + (self.variance.sqrt()? * noise.epsilon(cells, dims)?)?
    }

    /// KL(q(z|x) ‖ N(0, 1)) of each cell and dimension.
    pub(crate) fn kl(&self) -> Result<Tensor> {
        ((self.mu.sqr()? + &self.variance)? - (self.variance.log()? + 1.0)?)? * 0.5
    }

    /// The mean is the code.
    pub(crate) fn encoded(self) -> Result<Encoded> {
        Ok(Encoded { kl: Some(self.kl()?), code: self.mu.clone(), mean: self.mu, gates: None })
    }
}
