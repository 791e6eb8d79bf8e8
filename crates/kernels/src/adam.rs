//! Adam as PyTorch's: hyperparameters, and the update of a plain slice. The fused update of the gene layers uses the
//! same kernel from `layers`.

use crate::Isa;
use crate::simd::{self, AdamScalars};

/// Hyperparameters of Adam (Kingma and Ba 2015, algorithm 1, with both bias corrections; `eps` is added to the
/// corrected root, as PyTorch does).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Step size, positive; 1e-3 is usual.
    pub learning_rate: f64,
    /// Decay of the mean gradient, in 0..1.
    pub beta1: f64,
    /// Decay of the mean squared gradient, in 0..1.
    pub beta2: f64,
    /// Added to the root, positive.
    pub eps: f64,
}

impl Adam {
    /// The constants of step `t`, which counts from 1.
    pub(crate) fn scalars(&self, t: u64) -> AdamScalars {
        let t = t.max(1) as f64;
        AdamScalars {
            beta1: self.beta1 as f32,
            one_minus_beta1: (1.0 - self.beta1) as f32,
            beta2: self.beta2 as f32,
            one_minus_beta2: (1.0 - self.beta2) as f32,
            minus_rate: (-self.learning_rate / (1.0 - self.beta1.powf(t))) as f32,
            root_scale: (1.0 / (1.0 - self.beta2.powf(t)).sqrt()) as f32,
            eps: self.eps as f32,
        }
    }
}

/// One step of Adam on a tensor given as plain slices: weights, gradient, first and second moment. `t` counts steps
/// from 1. An `isa` that this processor lacks falls back to the portable code.
///
/// # Panics
/// When the four slices differ in length.
pub fn adam_update(
    weights: &mut [f32],
    grads: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    adam: &Adam,
    t: u64,
    isa: Isa,
) {
    simd::adam(isa, weights, grads, m, v, &adam.scalars(t));
}
