//! A vector against a block of rows: what biases need. Cheap beside `matmul`, but too dear for scalar code.

use super::dispatch;
use super::lanes::Lanes;
use crate::Isa;
use crate::buffer::PAD;

/// Whether `count` rows of `width` entries, `stride` apart, lie within `len` entries, in whole vectors.
fn fits(len: usize, count: usize, stride: usize, width: usize) -> bool {
    width.is_multiple_of(PAD) && width <= stride && (count == 0 || (count - 1) * stride + width <= len)
}

/// `sum[j] += Σ_r factors[r] · rows[r, j]`.
pub(crate) fn add_weighted_rows(isa: Isa, factors: &[f32], rows: &[f32], stride: usize, sum: &mut [f32]) {
    assert!(fits(rows.len(), factors.len(), stride, sum.len()), "the rows are there");
    dispatch!(isa, weighted_kernel(factors: &[f32], rows: &[f32], stride: usize, sum: &mut [f32]));
}

/// `out[r, j] += factors[r] · line[j]`.
pub(crate) fn add_outer(isa: Isa, factors: &[f32], line: &[f32], out: &mut [f32], stride: usize) {
    assert!(fits(out.len(), factors.len(), stride, line.len()), "the rows are there");
    dispatch!(isa, outer_kernel(factors: &[f32], line: &[f32], out: &mut [f32], stride: usize));
}

/// `out[r] = Σ_j rows[r, j] · line[j]`.
pub(crate) fn row_dots(isa: Isa, rows: &[f32], stride: usize, line: &[f32], out: &mut [f32]) {
    assert!(fits(rows.len(), out.len(), stride, line.len()), "the rows are there");
    dispatch!(isa, dots_kernel(rows: &[f32], stride: usize, line: &[f32], out: &mut [f32]));
}

/// # Safety
/// The processor has `L`'s instructions, and the check of [`add_weighted_rows`] holds.
#[inline(always)]
unsafe fn weighted_kernel<L: Lanes>(factors: &[f32], rows: &[f32], stride: usize, sum: &mut [f32]) {
    for column in (0..sum.len()).step_by(L::N) {
        // SAFETY: `fits` saw `sum.len()` entries, a multiple of N, in every row.
        unsafe {
            let at = sum.as_mut_ptr().add(column);
            let mut total = L::load(at);
            for (r, &factor) in factors.iter().enumerate() {
                let row = L::load(rows.as_ptr().add(r * stride + column));
                total = L::mul_add(L::splat(factor), row, total);
            }
            L::store(at, total);
        }
    }
}

/// # Safety
/// The processor has `L`'s instructions, and the check of [`add_outer`] holds.
#[inline(always)]
unsafe fn outer_kernel<L: Lanes>(factors: &[f32], line: &[f32], out: &mut [f32], stride: usize) {
    for (r, &factor) in factors.iter().enumerate() {
        for column in (0..line.len()).step_by(L::N) {
            // SAFETY: `fits` saw `line.len()` entries, a multiple of N, in every row.
            unsafe {
                let at = out.as_mut_ptr().add(r * stride + column);
                let term = L::mul_add(L::splat(factor), L::load(line.as_ptr().add(column)), L::load(at));
                L::store(at, term);
            }
        }
    }
}

/// # Safety
/// The processor has `L`'s instructions, and the check of [`row_dots`] holds.
#[inline(always)]
unsafe fn dots_kernel<L: Lanes>(rows: &[f32], stride: usize, line: &[f32], out: &mut [f32]) {
    for (r, dot) in out.iter_mut().enumerate() {
        // SAFETY: `fits` saw `line.len()` entries, a multiple of N, in every row; `parts` holds one vector.
        unsafe {
            let mut total = L::splat(0.0);
            for column in (0..line.len()).step_by(L::N) {
                let row = L::load(rows.as_ptr().add(r * stride + column));
                total = L::mul_add(row, L::load(line.as_ptr().add(column)), total);
            }
            let mut parts = [0.0_f32; PAD];
            L::store(parts.as_mut_ptr(), total);
            *dot = parts[..L::N].iter().sum();
        }
    }
}
