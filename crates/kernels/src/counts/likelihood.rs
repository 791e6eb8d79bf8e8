//! The negative binomial of one count, in f64, taken apart into what every count has and what only a count above 0 adds:
//! over nine in ten counts are 0, and their part needs neither Γ nor ψ.
//!
//! ```text
//! −log NB(x; μ, θ) = θ ln(1 + μ/θ)                                            every count
//!                  + x ln((θ + μ)/μ) − [ln Γ(x + θ) − ln Γ(θ)] + ln Γ(x + 1)   counts above 0
//! ∂/∂ln μ          = θμ/(θ + μ)                          − xθ/(θ + μ)
//! ∂/∂ln θ          = θ [ln(1 + μ/θ) − μ/(θ + μ)]         + xθ/(θ + μ) − θ [ψ(x + θ) − ψ(θ)]
//! ```

use super::gamma::{digamma_rise, ln_rising};

/// A loss and its derivatives by ln μ and ln θ.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NbTerms {
    /// −log NB(x; μ, θ), or a part of it.
    pub nll: f64,
    /// Its derivative by ln μ.
    pub by_log_mean: f64,
    /// Its derivative by ln θ.
    pub by_log_dispersion: f64,
}

/// −log NB(x; μ, θ) with mean μ = exp(`log_mean`) and inverse dispersion θ = exp(`log_dispersion`), and its derivatives.
/// `x` ≥ 0; the loss is within 1e-13 of the largest of its terms and 1.
#[must_use]
pub fn negative_binomial(x: f64, log_mean: f64, log_dispersion: f64) -> NbTerms {
    let zero = zero_terms(log_mean, log_dispersion);
    if x == 0.0 {
        return zero;
    }
    let more = positive_terms(x, log_mean, log_dispersion.exp());
    NbTerms {
        nll: zero.nll + more.nll,
        by_log_mean: zero.by_log_mean + more.by_log_mean,
        by_log_dispersion: zero.by_log_dispersion + more.by_log_dispersion,
    }
}

/// What every count has: the whole of a count of 0.
fn zero_terms(log_mean: f64, log_dispersion: f64) -> NbTerms {
    let theta = log_dispersion.exp();
    // μ/θ from the difference of the logarithms: neither needs to be within range.
    let ratio = (log_mean - log_dispersion).exp();
    let log_ratio = ratio.ln_1p();
    let share = if ratio.is_infinite() { 1.0 } else { ratio / (1.0 + ratio) };
    NbTerms {
        nll: theta * log_ratio,
        by_log_mean: theta * share,
        by_log_dispersion: theta * (log_ratio - share),
    }
}

/// What a count x > 0 adds.
pub(super) fn positive_terms(x: f64, log_mean: f64, theta: f64) -> NbTerms {
    let mu = log_mean.exp();
    let towards_theta = x * theta / (theta + mu);
    NbTerms {
        nll: x * ((theta + mu).ln() - log_mean) - ln_rising(theta, x) + ln_rising(1.0, x),
        by_log_mean: -towards_theta,
        by_log_dispersion: towards_theta - theta * digamma_rise(theta, x),
    }
}
