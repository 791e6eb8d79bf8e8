//! β-VSC: Tonolini, Jensen & Murray-Smith 2019, "Variational Sparse Coding": a VAE whose posterior and prior put a
//! spike at 0 beside the Gaussian slab.
//!
//! ```text
//! inference     q(z|x) = Π_j γ_j N(λμ_j, σ_j^2λ) + (1 − γ_j) δ(z_j),   λ = 1 unless it is warmed up
//! gate          γ = exp(−max(0, −v))  (the study's: γ = 1 for v > 0)   or   γ = 1 / (1 + exp(−v))
//! prior         p(z)   = Π_j α N(0, 1) + (1 − α) δ(z_j)
//! generation    z = T(η − 1 + γ)·(λμ + σ^λ·ε),  ε ~ N(0, 1),  η ~ U(0, 1),  x̂ = g(z)
//!               T is the step function, relaxed to sigmoid(c·(…)) in training
//! loss          Σ_g (x_g − x̂_g)² + β·(KL_slab + KL_spike)
//!               KL_slab  = Σ_j γ_j·½ (μ_j² + σ_j² − 1 − log σ_j²)   of the λ-slab where λ < 1
//!               KL_spike = Σ_j γ_j log(γ_j/α) + (1 − γ_j) log((1 − γ_j)/(1 − α))
//! ```
//!
//! λ is the paper's spike warm-up. At λ = 0 the slab is N(0, 1) whatever the cell, so that a cell can only be told by
//! which dimensions are in use; as λ grows to 1 the values begin to speak. The authors' code scales μ and log σ² by λ
//! where it samples and keeps both whole in the KL; here the KL is that of the posterior which is sampled, so that the
//! loss is a bound at every λ. c rises by its own schedule (sharper gates later), β by that of `penalty`. All three stand
//! at their full values in the evaluation.

use candle_core::{DType, Result, Tensor};
use candle_nn::ops::sigmoid;
use domain::config::{BetaVscSpec, Encode, Gate};

use crate::latent::{Encoded, Forward, Gates, LatentModel, Noise, gaussian_kl, reparametrise};
use crate::net::{Mlp, NetBuilder, NetBuilderInput, Trunk, relu};
use crate::penalty::{Objective, Place};

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
    /// The spike head's output.
    v: Tensor,
}

/// KL of each cell and dimension.
struct Divergence {
    /// KL_slab + KL_spike.
    both: Tensor,
    /// KL_spike.
    spike: Tensor,
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
        Ok(Posterior { mu: self.mu.forward(&h)?, log_var: self.log_var.forward(&h)?, gamma, v })
    }

    /// q with the slab N(λμ, σ^2λ).
    fn warmed_up(&self, q: Posterior, place: Place) -> Result<Posterior> {
        if self.spec.lambda_schedule.is_constant() {
            return Ok(q);
        }
        let lambda = place.weight(&self.spec.lambda_schedule, 0.0, 1.0);
        Ok(Posterior { mu: (q.mu * lambda)?, log_var: (q.log_var * lambda)?, ..q })
    }

    /// Steepness of the relaxed gate.
    fn steepness(&self, place: Place) -> f64 {
        let full = self.spec.c;
        place.weight(&self.spec.c_schedule, self.spec.c_start.unwrap_or(full), full)
    }

    /// η − 1 + γ, which is positive with probability γ.
    fn threshold(q: &Posterior, noise: &dyn Noise) -> Result<Tensor> {
        let (cells, dims) = q.mu.dims2()?;
        (noise.eta(cells, dims)? - 1.0)? + &q.gamma
    }

    /// A draw from the slab: μ + σ·ε.
    fn slab(q: &Posterior, noise: &dyn Noise) -> Result<Tensor> {
        let (cells, dims) = q.mu.dims2()?;
        reparametrise(&q.mu, &q.log_var, &noise.epsilon(cells, dims)?)
    }

    /// z with the relaxed gate, which lets gradients reach γ.
    fn relaxed_sample(&self, q: &Posterior, noise: &dyn Noise, place: Place) -> Result<Tensor> {
        let gate = sigmoid(&(Self::threshold(q, noise)? * self.steepness(place))?)?;
        Self::slab(q, noise)? * gate
    }

    /// Where γ is 1 and stays there: no gradient reaches v.
    fn pinned(&self, q: &Posterior) -> Result<Tensor> {
        let pinned = match self.spec.gate {
            Gate::ExpRelu => q.v.ge(0.0)?,
            Gate::Sigmoid => q.gamma.ge(1.0)?,
        };
        pinned.to_dtype(DType::F32)
    }
}

/// KL(q(z|x) ‖ p(z)) of each cell and dimension under the prior's `alpha`.
fn divergence(q: &Posterior, alpha: f64) -> Result<Divergence> {
    let gamma = q.gamma.clamp(GATE_MARGIN as f32, (1.0 - GATE_MARGIN) as f32)?;
    let off = gamma.affine(-1.0, 1.0)?;
    let slab = (&gamma * gaussian_kl(&q.mu, &q.log_var)?)?;
    let spike_on = (&gamma * (&gamma / alpha)?.log()?)?;
    let spike_off = (&off * (&off / (1.0 - alpha))?.log()?)?;
    let spike = (&spike_on.detach() + &spike_off.detach())?;
    Ok(Divergence { both: ((slab + spike_on)? + spike_off)?, spike })
}

/// `values` where `threshold` > 0, exactly 0 elsewhere.
fn keep_where(values: &Tensor, threshold: &Tensor) -> Result<Tensor> {
    threshold.gt(0.0)?.where_cond(values, &values.zeros_like()?)
}

impl LatentModel for BetaVsc {
    fn forward(&self, first: &Tensor, noise: &dyn Noise, place: Place) -> Result<Forward> {
        let q = self.warmed_up(self.inference(first)?, place)?;
        let z = self.relaxed_sample(&q, noise, place)?;
        let Divergence { both, spike } = divergence(&q, self.spec.alpha)?;
        let penalty = self.objective().penalty(place, &both, Some(&spike))?;
        Ok(Forward { hidden: self.decode(&z)?, penalty: Some(penalty) })
    }

    fn encode(&self, first: &Tensor, noise: &dyn Noise) -> Result<Encoded> {
        let q = self.inference(first)?;
        let mean = (&q.gamma * &q.mu)?;
        let threshold = Self::threshold(&q, noise)?;
        let code = match self.spec.encode {
            Encode::Mean => mean.clone(),
            Encode::Sample => keep_where(&Self::slab(&q, noise)?, &threshold)?,
            Encode::Mu => q.mu.clone(),
            Encode::Thresholded => keep_where(&q.mu, &(&q.gamma - 0.5)?)?,
        };
        let Divergence { both, spike: kl_spike } = divergence(&q, self.spec.alpha)?;
        let pinned = self.pinned(&q)?;
        let gates = Gates { gamma: q.gamma, kl_spike, threshold, pinned };
        Ok(Encoded { mean, code, kl: Some(both), gates: Some(gates) })
    }

    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decoder.forward(z)
    }

    fn objective(&self) -> Objective {
        let BetaVscSpec { beta, beta_schedule, free_bits, .. } = self.spec;
        Objective { beta, beta_schedule, free_bits }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Result, Tensor};

    use super::{Divergence, Posterior, divergence};
    use crate::latent::gaussian_kl;
    use crate::net::values;
    use crate::streams::Streams;

    const DRAWS: usize = 200_000;

    fn row(values: &[f32]) -> Result<Tensor> {
        Tensor::from_slice(values, (1, values.len()), &Device::Cpu)
    }

    /// Mean and standard error of `DRAWS` values of `draw(ε, η)`.
    fn monte_carlo(part: u64, draw: impl Fn(f64, f64) -> f64) -> (f64, f64) {
        let streams = Streams::new(20);
        let epsilon = streams.open("monte carlo epsilon", part).normals(DRAWS);
        let eta = streams.open("monte carlo eta", part).uniforms(DRAWS);
        let drawn: Vec<f64> =
            epsilon.iter().zip(&eta).map(|(e, u)| draw(f64::from(*e), f64::from(*u))).collect();
        let n = DRAWS as f64;
        let mean = drawn.iter().sum::<f64>() / n;
        let variance = drawn.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, (variance / n).sqrt())
    }

    /// log N(z; μ, σ²) − log N(z; 0, 1).
    fn log_ratio(z: f64, mu: f64, log_var: f64) -> f64 {
        -0.5 * (log_var + (z - mu).powi(2) / log_var.exp()) + 0.5 * z * z
    }

    /// Within five standard errors of the mean of log q(z) − log p(z) over draws from q (and 1e-6 for f32).
    #[test]
    fn kl_terms_are_the_mean_log_ratio_of_draws() -> Result<()> {
        let cases = [
            (0.0, 0.0, 0.5, 0.5),
            (1.5, -1.0, 0.9, 0.5),
            (-0.7, 0.8, 0.2, 0.3),
            (2.0, -3.0, 0.05, 0.9),
            (0.3, -0.2, 0.999, 0.01),
        ];
        for (part, (mu, log_var, gamma, alpha)) in (0..).zip(cases) {
            let (mu, log_var, gamma): (f32, f32, f32) = (mu, log_var, gamma);
            let q = Posterior {
                mu: row(&[mu])?,
                log_var: row(&[log_var])?,
                gamma: row(&[gamma])?,
                v: row(&[0.0])?,
            };
            let Divergence { both, spike } = divergence(&q, alpha)?;
            let (found, found_spike) = (f64::from(values(&both)?[0]), f64::from(values(&spike)?[0]));
            let (mu, log_var, gamma) = (f64::from(mu), f64::from(log_var), f64::from(gamma));

            let slab = |epsilon: f64| mu + (0.5 * log_var).exp() * epsilon;
            let is_on = |eta: f64| eta - 1.0 + gamma > 0.0;
            let which =
                |eta| if is_on(eta) { (gamma / alpha).ln() } else { ((1.0 - gamma) / (1.0 - alpha)).ln() };
            let value = |epsilon, eta| if is_on(eta) { log_ratio(slab(epsilon), mu, log_var) } else { 0.0 };
            let case = format!("μ {mu}, log σ² {log_var}, γ {gamma}, α {alpha}");
            let (mean, error) = monte_carlo(part, |epsilon, eta| which(eta) + value(epsilon, eta));
            assert!((found - mean).abs() < 5.0 * error + 1e-6, "{case}: {found}, drawn {mean} ± {error}");
            let (mean, error) = monte_carlo(part, |_, eta| which(eta));
            assert!(
                (found_spike - mean).abs() < 5.0 * error + 1e-6,
                "{case}: spike {found_spike}, {mean} ± {error}"
            );

            let gaussian = f64::from(values(&gaussian_kl(&q.mu, &q.log_var)?)?[0]);
            let (mean, error) = monte_carlo(part, |epsilon, _| log_ratio(slab(epsilon), mu, log_var));
            assert!(
                (gaussian - mean).abs() < 5.0 * error + 1e-6,
                "{case}: slab {gaussian}, {mean} ± {error}"
            );
        }
        Ok(())
    }
}
