//! β-VSC: Tonolini, Jensen & Murray-Smith 2019, "Variational Sparse Coding": a VAE whose posterior and prior put a
//! spike at 0 beside the Gaussian slab.
//!
//! ```text
//! inference     q(z|x) = Π_j γ_j N(μ_j, σ_j²) + (1 − γ_j) δ(z_j)
//! gate          γ = exp(−max(0, −v))  (the study's: γ = 1 for v > 0)   or   γ = 1 / (1 + exp(−v))
//! prior         p(z)   = Π_j α N(0, 1) + (1 − α) δ(z_j)
//! generation    z = T(η − 1 + γ)·(μ + σ·ε),  ε ~ N(0, 1),  η ~ U(0, 1),  x̂ = g(z)
//!               T is the step function, relaxed to sigmoid(c·(…)) in training
//! loss          Σ_g (x_g − x̂_g)² + β·(KL_slab + KL_spike)
//!               KL_slab  = Σ_j γ_j·½ (μ_j² + σ_j² − 1 − log σ_j²)
//!               KL_spike = Σ_j γ_j log(γ_j/α) + (1 − γ_j) log((1 − γ_j)/(1 − α))
//! ```

use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;
use domain::config::{BetaVscSpec, Encode, Gate};

use crate::latent::{Encoded, Forward, LatentModel, Noise, gaussian_kl, reparametrise};
use crate::net::{Mlp, NetBuilder, NetBuilderInput, Trunk, relu};

/// γ in the KL terms stays this far from 0 and 1, where log γ or log(1 − γ) is not finite. No gradient beyond.
const GATE_MARGIN: f64 = 1e-6;

/// The β-VSC's inner net.
pub(crate) struct BetaVsc {
    trunk: Trunk,
    mu: Mlp,
    log_var: Mlp,
    spike: Mlp,
    decoder: Mlp,
    spec: BetaVscSpec,
}

/// q(z|x) of some cells.
struct Posterior {
    mu: Tensor,
    log_var: Tensor,
    gamma: Tensor,
}

impl BetaVsc {
    pub(crate) fn new(spec: &BetaVscSpec, genes: usize, builder: &mut NetBuilder) -> Result<Self> {
        let trunk = Trunk::new(&NetBuilderInput { spec: &spec.net, genes }, builder)?;
        let mu = Mlp::head("mu", trunk.width(), &spec.net, builder)?;
        let log_var = Mlp::head("log_var", trunk.width(), &spec.net, builder)?;
        let spike = Mlp::head("spike", trunk.width(), &spec.net, builder)?;
        let decoder = Mlp::decoder(&spec.net, builder)?;
        Ok(Self { trunk, mu, log_var, spike, decoder, spec: spec.clone() })
    }

    /// q(z|x): μ, log σ² and the probability γ that a dimension is in use.
    fn inference(&self, first: &Tensor) -> Result<Posterior> {
        let h = self.trunk.forward(first)?;
        let v = self.spike.forward(&h)?;
        let gamma = match self.spec.gate {
            Gate::ExpRelu => relu(&v.neg()?)?.neg()?.exp()?,
            Gate::Sigmoid => sigmoid(&v)?,
        };
        Ok(Posterior { mu: self.mu.forward(&h)?, log_var: self.log_var.forward(&h)?, gamma })
    }

    /// μ + σ·ε and η − 1 + γ, which is positive with probability γ.
    fn draw(&self, q: &Posterior, noise: &dyn Noise) -> Result<(Tensor, Tensor)> {
        let (cells, dims) = q.mu.dims2()?;
        let slab = reparametrise(&q.mu, &q.log_var, &noise.epsilon(cells, dims)?)?;
        let threshold = ((noise.eta(cells, dims)? - 1.0)? + &q.gamma)?;
        Ok((slab, threshold))
    }

    /// z with the relaxed gate, which lets gradients reach γ.
    fn relaxed_sample(&self, q: &Posterior, noise: &dyn Noise) -> Result<Tensor> {
        let (slab, threshold) = self.draw(q, noise)?;
        slab * sigmoid(&(threshold * self.spec.c)?)?
    }

    /// z ~ q(z|x): the gate is 0 or 1.
    fn hard_sample(&self, q: &Posterior, noise: &dyn Noise) -> Result<Tensor> {
        let (slab, threshold) = self.draw(q, noise)?;
        keep_where(&slab, &threshold)
    }

    /// KL_slab + KL_spike of each cell and dimension.
    fn kl(&self, q: &Posterior) -> Result<Tensor> {
        let alpha = self.spec.alpha;
        let gamma = q.gamma.clamp(GATE_MARGIN as f32, (1.0 - GATE_MARGIN) as f32)?;
        let off = gamma.affine(-1.0, 1.0)?;
        let slab = (&gamma * gaussian_kl(&q.mu, &q.log_var)?)?;
        let spike_on = (&gamma * (&gamma / alpha)?.log()?)?;
        let spike_off = (&off * (&off / (1.0 - alpha))?.log()?)?;
        (slab + spike_on)? + spike_off
    }
}

/// `values` where `threshold` > 0, exactly 0 elsewhere.
fn keep_where(values: &Tensor, threshold: &Tensor) -> Result<Tensor> {
    threshold.gt(0.0)?.where_cond(values, &values.zeros_like()?)
}

impl LatentModel for BetaVsc {
    fn forward(&self, first: &Tensor, noise: &dyn Noise) -> Result<Forward> {
        let q = self.inference(first)?;
        let z = self.relaxed_sample(&q, noise)?;
        Ok(Forward { hidden: self.decode(&z)?, kl_sum: Some(self.kl(&q)?.sum_all()?) })
    }

    fn encode(&self, first: &Tensor, noise: &dyn Noise) -> Result<Encoded> {
        let q = self.inference(first)?;
        let mean = (&q.gamma * &q.mu)?;
        let code = match self.spec.encode {
            Encode::Mean => mean.clone(),
            Encode::Sample => self.hard_sample(&q, noise)?,
            Encode::Mu => q.mu.clone(),
            Encode::Thresholded => keep_where(&q.mu, &(&q.gamma - 0.5)?)?,
        };
        Ok(Encoded { mean, code, kl: Some(self.kl(&q)?), gate: Some(q.gamma) })
    }

    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decoder.forward(z)
    }

    fn beta(&self) -> f64 {
        self.spec.beta
    }
}
