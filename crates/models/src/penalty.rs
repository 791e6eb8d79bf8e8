//! What the variational models add to the reconstruction error, step by step: β's schedule, free bits, and the KL terms
//! as numbers.
//!
//! ```text
//! penalty(t)    β_t · Σ_j max(B·λ_free, Σ_b KL_bj)      b: the cells of the batch, B of them; j: latent dimensions
//! β_t           β · share(t)                            domain::schedule: constant, warm-up, cyclical
//! ```
//!
//! Warm-up: Sønderby et al. 2016, "Ladder Variational Autoencoders"; Bowman et al. 2016. Cyclical annealing: Fu et al.
//! 2019, "Cyclical Annealing Schedule". Free bits: Kingma et al. 2016, "Improving Variational Inference with Inverse
//! Autoregressive Flow", equation 15 with one group a dimension: the mean KL over the batch, and no gradient below
//! λ_free (here in nat).
//!
//! Must not live here: what a KL term is (each model's file has its own).

use candle_core::{Result, Tensor};
use domain::Schedule;

use crate::net::read;

/// Where in the run a step stands; the schedules follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Steps done before it.
    pub(crate) step: u64,
    /// Steps of the whole run.
    pub(crate) steps: u64,
}

impl Place {
    /// A weight that goes from `start` to `full` by `schedule`.
    pub(crate) fn weight(&self, schedule: &Schedule, start: f64, full: f64) -> f64 {
        schedule.value(start, full, self.step, self.steps)
    }
}

/// How a model weighs its KL terms; all 0 for a model without.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Objective {
    /// β when the schedule has run its course.
    pub(crate) beta: f64,
    pub(crate) beta_schedule: Schedule,
    /// Nat a dimension.
    pub(crate) free_bits: f64,
}

/// KL terms of a batch.
pub(crate) struct Penalty {
    /// What the loss is increased by: a scalar with its graph.
    pub(crate) weighted: Tensor,
    /// Its value.
    pub(crate) value: f64,
    /// KL summed over dimensions and cells, neither weighted nor freed.
    pub(crate) kl: f64,
    /// The spike's part of it; 0 for a model without.
    pub(crate) kl_spike: f64,
}

impl Objective {
    /// Whether the penalty is β·KL at every step.
    pub(crate) fn is_plain(&self) -> bool {
        self.beta_schedule.is_constant() && self.free_bits == 0.0
    }

    /// β·KL. A KL that overflowed counts even where β is 0: the model is then no longer one.
    pub(crate) fn full_penalty(&self, kl: f64) -> f64 {
        weigh(self.beta, kl)
    }

    /// The penalty of a batch with the KL of each cell and dimension, `spike` of it the spike's.
    pub(crate) fn penalty(&self, place: Place, kl: &Tensor, spike: Option<&Tensor>) -> Result<Penalty> {
        let beta = place.weight(&self.beta_schedule, 0.0, self.beta);
        let kl_sum = kl.sum_all()?;
        let kl_value = f64::from(kl_sum.to_scalar::<f32>()?);
        let kl_spike = spike.map_or(Ok(0.0), sum_f64)?;
        let (counted, counted_value) = if self.free_bits > 0.0 {
            let counted = freed(kl, self.free_bits)?;
            let value = f64::from(counted.to_scalar::<f32>()?);
            (counted, value)
        } else {
            (kl_sum, kl_value)
        };
        // max() would hide a KL that is not a number.
        let value = if kl_value.is_finite() { weigh(beta, counted_value) } else { f64::NAN };
        Ok(Penalty { weighted: (counted * beta)?, value, kl: kl_value, kl_spike })
    }
}

fn weigh(beta: f64, kl: f64) -> f64 {
    if beta == 0.0 && kl.is_finite() { 0.0 } else { beta * kl }
}

/// Σ_j max(B·free, Σ_b KL_bj); a dimension below the bound has no gradient.
fn freed(kl: &Tensor, free_bits: f64) -> Result<Tensor> {
    let bound = free_bits * kl.dim(0)? as f64;
    let of_dims = kl.sum(0)?;
    let counts = of_dims.gt(bound)?;
    let bounds = of_dims.zeros_like()?.affine(1.0, bound)?;
    counts.where_cond(&of_dims, &bounds)?.sum_all()
}

/// Sum of all values in f64.
pub(crate) fn sum_f64(tensor: &Tensor) -> Result<f64> {
    read(tensor, |values| values.iter().map(|value| f64::from(*value)).sum())
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Result, Tensor, Var};
    use domain::Schedule;

    use super::{Objective, Place};
    use crate::net::values;

    const START: Place = Place { step: 0, steps: 4 };

    fn two_dimensions() -> Result<Var> {
        // Column sums 3 and 0.5 over two cells: means 1.5 and 0.25.
        Var::from_vec(vec![1.0_f32, 0.125, 2.0, 0.375], (2, 2), &Device::Cpu)
    }

    #[test]
    fn a_plain_penalty_is_beta_times_kl() -> Result<()> {
        let kl = two_dimensions()?;
        let objective = Objective { beta: 3.0, ..Objective::default() };
        let penalty = objective.penalty(START, &kl, None)?;
        assert!(objective.is_plain());
        assert_eq!((penalty.value, penalty.kl, penalty.kl_spike), (10.5, 3.5, 0.0));
        assert_eq!(objective.full_penalty(penalty.kl), penalty.value);
        let grads = penalty.weighted.backward()?;
        assert_eq!(values(grads.get(&kl).unwrap())?, [3.0; 4]);
        Ok(())
    }

    #[test]
    fn a_dimension_below_its_free_bits_costs_the_bound_and_has_no_gradient() -> Result<()> {
        let kl = two_dimensions()?;
        let objective = Objective { beta: 2.0, free_bits: 0.5, ..Objective::default() };
        let penalty = objective.penalty(START, &kl, None)?;
        // 2·(max(1, 3) + max(1, 0.5)); the KL itself is not freed
        assert_eq!((penalty.value, penalty.kl), (8.0, 3.5));
        assert_eq!(penalty.weighted.to_scalar::<f32>()?, 8.0);
        let grads = penalty.weighted.backward()?;
        assert_eq!(values(grads.get(&kl).unwrap())?, [2.0, 0.0, 2.0, 0.0]);
        Ok(())
    }

    #[test]
    fn beta_rises_step_by_step() -> Result<()> {
        let kl = two_dimensions()?;
        let beta_schedule = Schedule::Warmup { warmup: 0.5 };
        let objective = Objective { beta: 4.0, beta_schedule, free_bits: 0.0 };
        let found: Vec<f64> = (0..4)
            .map(|step| Ok(objective.penalty(Place { step, steps: 4 }, &kl, None)?.value))
            .collect::<Result<_>>()?;
        assert_eq!(found, [0.0, 7.0, 14.0, 14.0]);
        Ok(())
    }

    #[test]
    fn a_kl_that_overflowed_is_seen_whatever_its_weight() -> Result<()> {
        for wrong in [f32::INFINITY, f32::NAN] {
            let kl = Tensor::from_vec(vec![1.0, wrong], (1, 2), &Device::Cpu)?;
            for (beta, free_bits) in [(0.0, 0.0), (2.0, 0.0), (0.0, 1.0), (2.0, 1.0)] {
                let objective = Objective { beta, free_bits, ..Objective::default() };
                assert!(
                    !objective.penalty(START, &kl, None)?.value.is_finite(),
                    "{wrong} {beta} {free_bits}"
                );
            }
        }
        Ok(())
    }
}
