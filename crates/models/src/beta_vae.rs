//! β-VAE: Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework",
//! on the VAE of Kingma & Welling 2013.
//!
//! ```text
//! inference     q(z|x) = N(μ(x), σ²(x))
//! prior         p(z)   = N(0, 1)
//! generation    x̂ = g(z),  z = μ + σ·ε,  ε ~ N(0, 1)
//! loss          Σ_g (x_g − x̂_g)² + β·KL(q(z|x) ‖ p(z)),   KL = ½ Σ_j (μ_j² + σ_j² − 1 − log σ_j²)
//! ```
//!
//! A squared error is −2 log p(x|z) of a Gaussian with variance 1: β = 2 is that VAE's evidence bound. β's schedule and
//! free bits are in `penalty`.

use candle_core::{Result, Tensor};
use domain::config::{BetaVaeSpec, Encode};

use crate::latent::{Encoded, Forward, LatentModel, Noise, gaussian_kl, reparametrise};
use crate::net::{Mlp, NetBuilder, NetBuilderInput, Trunk};
use crate::penalty::{Objective, Place};

/// The β-VAE's inner net.
pub(crate) struct BetaVae {
    trunk: Trunk,
    mu: Mlp,
    log_var: Mlp,
    decoder: Mlp,
    objective: Objective,
    encode: Encode,
}

/// q(z|x) of some cells.
struct Posterior {
    mu: Tensor,
    log_var: Tensor,
}

impl BetaVae {
    pub(crate) fn new(spec: &BetaVaeSpec, genes: usize, builder: &mut NetBuilder) -> Result<Self> {
        let trunk = Trunk::new(&NetBuilderInput { spec: &spec.net, genes }, builder)?;
        let mu = Mlp::head("mu", trunk.width(), &spec.net, builder)?;
        let log_var = Mlp::head("log_var", trunk.width(), &spec.net, builder)?;
        let decoder = Mlp::decoder(&spec.net, builder)?;
        let BetaVaeSpec { beta, beta_schedule, free_bits, encode, .. } = *spec;
        Ok(Self {
            trunk,
            mu,
            log_var,
            decoder,
            objective: Objective { beta, beta_schedule, free_bits },
            encode,
        })
    }

    /// q(z|x) = N(μ(x), σ²(x)).
    fn inference(&self, first: &Tensor) -> Result<Posterior> {
        let h = self.trunk.forward(first)?;
        Ok(Posterior { mu: self.mu.forward(&h)?, log_var: self.log_var.forward(&h)? })
    }

    /// z ~ q(z|x).
    fn sample(&self, q: &Posterior, noise: &dyn Noise) -> Result<Tensor> {
        let (cells, dims) = q.mu.dims2()?;
        reparametrise(&q.mu, &q.log_var, &noise.epsilon(cells, dims)?)
    }

    /// KL(q(z|x) ‖ N(0, 1)) of each cell and dimension.
    fn kl(&self, q: &Posterior) -> Result<Tensor> {
        gaussian_kl(&q.mu, &q.log_var)
    }
}

impl LatentModel for BetaVae {
    fn forward(&self, first: &Tensor, noise: &dyn Noise, place: Place) -> Result<Forward> {
        let q = self.inference(first)?;
        let z = self.sample(&q, noise)?;
        let penalty = self.objective.penalty(place, &self.kl(&q)?, None)?;
        Ok(Forward { hidden: self.decode(&z)?, penalty: Some(penalty) })
    }

    fn encode(&self, first: &Tensor, noise: &dyn Noise) -> Result<Encoded> {
        let q = self.inference(first)?;
        let code = match self.encode {
            Encode::Sample => self.sample(&q, noise)?,
            // The others need a gate; no checked config has them here.
            Encode::Mean | Encode::Mu | Encode::Thresholded => q.mu.clone(),
        };
        Ok(Encoded { kl: Some(self.kl(&q)?), mean: q.mu, code, gates: None })
    }

    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decoder.forward(z)
    }

    fn objective(&self) -> Objective {
        self.objective
    }
}
