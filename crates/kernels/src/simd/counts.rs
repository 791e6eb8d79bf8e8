//! The element-wise loops of a likelihood of counts: exponentials, logarithms, sums over a gene's cells. No products here.
//!
//! Written on plain `f32` without fused multiply-adds, in loops that the compiler turns into the vectors of the set it
//! compiles for: so every instruction set gives the same bits. exp and ln are Cephes's polynomials (Moshier 1989),
//! within 2 units in the last place.

use super::dispatch;
use super::lanes::Lanes;
use crate::Isa;
use crate::buffer::PAD;

/// A gene's sums over its cells as if all its counts were 0, not yet multiplied by θ.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ZeroSums {
    /// Σ ln(1 + μ/θ).
    pub(crate) log_ratio: f64,
    /// Σ ln(1 + μ/θ) − μ/(θ + μ).
    pub(crate) slope: f64,
}

/// `most[j] = max(most[j], row[j])`.
pub(crate) fn raise(isa: Isa, row: &[f32], most: &mut [f32]) {
    assert_eq!(row.len(), most.len(), "one maximum for each column");
    dispatch!(isa, raise_kernel(row: &[f32], most: &mut [f32]));
}

/// `sum[j] += exp(row[j] − most[j])`.
pub(crate) fn add_exponentials(isa: Isa, row: &[f32], most: &[f32], sum: &mut [f32]) {
    assert!(row.len() == most.len() && row.len() == sum.len(), "one sum for each column");
    dispatch!(isa, exponentials_kernel(row: &[f32], most: &[f32], sum: &mut [f32]));
}

/// One gene's cells as if all its counts were 0: turns ln μ − `offset` in `mean` into μ, writes ∂/∂ln μ of
/// θ ln(1 + μ/θ) to `slope`. Rows are whole vectors of [`PAD`].
pub(crate) fn zero_counts(
    isa: Isa,
    mean: &mut [f32],
    offset: &[f32],
    theta: f32,
    slope: &mut [f32],
) -> ZeroSums {
    let len = mean.len();
    assert!(len.is_multiple_of(PAD) && offset.len() == len && slope.len() == len, "whole rows of one length");
    let mut sums = ZeroSums::default();
    let out = &mut sums;
    dispatch!(isa, zero_kernel(mean: &mut [f32], offset: &[f32], theta: f32, slope: &mut [f32], out: &mut ZeroSums));
    sums
}

/// `slope[j] = (slope[j] − mean[j] · share[j]) · scale`.
pub(crate) fn subtract_share(isa: Isa, slope: &mut [f32], mean: &[f32], share: &[f32], scale: f32) {
    assert!(slope.len() == mean.len() && slope.len() == share.len(), "rows of one length");
    dispatch!(isa, share_kernel(slope: &mut [f32], mean: &[f32], share: &[f32], scale: f32));
}

/// # Safety
/// The processor has `L`'s instructions.
#[inline(always)]
unsafe fn raise_kernel<L: Lanes>(row: &[f32], most: &mut [f32]) {
    for (most, &value) in most.iter_mut().zip(row) {
        *most = if value <= *most { *most } else { value };
    }
}

/// # Safety
/// The processor has `L`'s instructions.
#[inline(always)]
unsafe fn exponentials_kernel<L: Lanes>(row: &[f32], most: &[f32], sum: &mut [f32]) {
    for ((sum, &value), &most) in sum.iter_mut().zip(row).zip(most) {
        *sum += exp(value - most);
    }
}

/// # Safety
/// The processor has `L`'s instructions.
#[inline(always)]
unsafe fn zero_kernel<L: Lanes>(
    mean: &mut [f32],
    offset: &[f32],
    theta: f32,
    slope: &mut [f32],
    out: &mut ZeroSums,
) {
    let per_theta = 1.0 / theta;
    let (mut log_ratios, mut slopes) = ([0.0_f32; PAD], [0.0_f32; PAD]);
    let rows = mean.chunks_exact_mut(PAD).zip(offset.chunks_exact(PAD)).zip(slope.chunks_exact_mut(PAD));
    for ((mean, offset), slope) in rows {
        for j in 0..PAD {
            let mu = exp(mean[j] + offset[j]);
            let ratio = mu * per_theta;
            let log_ratio = log_1p(ratio);
            let inverse = 1.0 / (1.0 + ratio);
            mean[j] = mu;
            slope[j] = mu * inverse;
            log_ratios[j] += log_ratio;
            slopes[j] += log_ratio - ratio * inverse;
        }
    }
    out.log_ratio = log_ratios.iter().map(|part| f64::from(*part)).sum();
    out.slope = slopes.iter().map(|part| f64::from(*part)).sum();
}

/// # Safety
/// The processor has `L`'s instructions.
#[inline(always)]
unsafe fn share_kernel<L: Lanes>(slope: &mut [f32], mean: &[f32], share: &[f32], scale: f32) {
    for ((slope, &mean), &share) in slope.iter_mut().zip(mean).zip(share) {
        *slope = (*slope - mean * share) * scale;
    }
}

/// ln 2 in two parts: a whole number times the first is exact.
const LN_2_HEAD: f32 = 355.0 / 512.0;
const LN_2_TAIL: f32 = -2.121_944_4e-4;

/// eˣ, between e⁻⁶⁰ and e⁸⁸; what is no number stays so. A mean below e⁻⁶⁰ is none, and what follows from it would be
/// too small for a normal `f32`, which slows processors down.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5·2²³: adding it rounds to a whole number and leaves that in the low bits
    let x = if x < -60.0 { -60.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let power = shifted - SHIFT;
    let r = x - power * LN_2_HEAD - power * LN_2_TAIL;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_65;
    p = p * r + 0.5;
    let value = p * r * r + r + 1.0;
    value * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// ln(1 + x) for x ≥ 0.
#[inline(always)]
fn log_1p(x: f32) -> f32 {
    const HALF_ROOT: u32 = 0x3f35_04f3; // √½: the mantissa's range is √½ to √2
    let whole = 1.0 + x;
    // What the addition lost: ln(1 + x) = ln(whole) + (x − (whole − 1))/whole + …
    let lost = (x - (whole - 1.0)) / whole;
    let bits = whole.to_bits().wrapping_sub(HALF_ROOT);
    let power = ((bits as i32) >> 23) as f32;
    let f = f32::from_bits((bits & 0x007f_ffff) + HALF_ROOT) - 1.0;
    let z = f * f;
    let mut p = 7.037_683_6e-2;
    p = p * f - 0.115_146_1;
    p = p * f + 0.116_769_987;
    p = p * f - 0.124_201_41;
    p = p * f + 0.142_493_23;
    p = p * f - 0.166_680_58;
    p = p * f + 0.200_007_15;
    p = p * f - 0.249_999_94;
    p = p * f + 0.333_333_3;
    let value = p * f * z + power * LN_2_TAIL - 0.5 * z;
    let value = f + value + power * LN_2_HEAD;
    value + lost
}

#[cfg(test)]
mod tests {
    use super::{exp, log_1p};

    /// Largest distance from f64's own functions, in units of f32's last place of the result.
    fn worst(from: f32, to: f32, found: impl Fn(f32) -> f32, expected: impl Fn(f64) -> f64) -> f64 {
        let steps = 200_000;
        let at = |step: i32| from + (to - from) * (step as f32 / steps as f32);
        (0..=steps).map(at).fold(0.0, |worst: f64, x| {
            let right = expected(f64::from(x));
            let unit = f64::from(f32::EPSILON) * right.abs().max(f64::from(f32::MIN_POSITIVE));
            worst.max((f64::from(found(x)) - right).abs() / unit)
        })
    }

    #[test]
    fn exp_and_log_1p_are_right_to_a_few_last_places() {
        let exps = [worst(-60.0, 88.0, exp, f64::exp), worst(-1.0, 1.0, exp, f64::exp)];
        assert!(exps.iter().all(|worst| *worst < 2.0), "{exps:?}");
        let ranges = [(0.0, 1e-6), (0.0, 1e-3), (0.0, 1.0), (0.0, 100.0), (0.0, 1e30)];
        let logs = ranges.map(|(from, to)| worst(from, to, log_1p, f64::ln_1p));
        assert!(logs.iter().all(|worst| *worst < 2.0), "{logs:?}");
    }

    #[test]
    fn ends_and_no_numbers() {
        assert!(exp(f32::NAN).is_nan() && log_1p(f32::NAN).is_nan());
        assert!(exp(-1e30) > 0.0 && exp(-1e30) < 1e-26);
        assert!(exp(1e30).is_finite() && exp(0.0) == 1.0 && log_1p(0.0) == 0.0);
    }
}
