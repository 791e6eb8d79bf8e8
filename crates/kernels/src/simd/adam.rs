//! Adam over contiguous entries: one read and one write of weight and moments.

use super::dispatch;
use super::lanes::Lanes;
use crate::Isa;

/// Adam's constants for one step, both bias corrections folded in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamScalars {
    pub(crate) beta1: f32,
    pub(crate) one_minus_beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) one_minus_beta2: f32,
    /// −learning rate / (1 − β1ᵗ).
    pub(crate) minus_rate: f32,
    /// 1 / √(1 − β2ᵗ).
    pub(crate) root_scale: f32,
    pub(crate) eps: f32,
}

/// One step of Adam; all slices have one length.
pub(crate) fn adam(
    isa: Isa,
    weights: &mut [f32],
    grads: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    scalars: &AdamScalars,
) {
    let len = weights.len();
    assert!(
        grads.len() == len && first.len() == len && second.len() == len,
        "Adam's four slices have one length"
    );
    dispatch!(isa, kernel(weights: &mut [f32], grads: &[f32], first: &mut [f32], second: &mut [f32], scalars: &AdamScalars));
}

/// # Safety
/// The processor has `L`'s instructions; all slices have the length of `weights`.
#[inline(always)]
unsafe fn kernel<L: Lanes>(
    weights: &mut [f32],
    grads: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    scalars: &AdamScalars,
) {
    let whole = weights.len() / L::N * L::N;
    let (w, g, m, v) = (weights.as_mut_ptr(), grads.as_ptr(), first.as_mut_ptr(), second.as_mut_ptr());
    let mut i = 0;
    while i < whole {
        // SAFETY: `i + N <= whole <= len` of every slice; the caller promises the instructions.
        unsafe {
            let update = entry::<L>(
                [L::load(w.add(i)), L::load(g.add(i)), L::load(m.add(i)), L::load(v.add(i))],
                scalars,
            );
            L::store(w.add(i), update[0]);
            L::store(m.add(i), update[1]);
            L::store(v.add(i), update[2]);
        }
        i += L::N;
    }
    tail(&mut weights[whole..], &grads[whole..], &mut first[whole..], &mut second[whole..], scalars);
}

/// One vector: `[weight, gradient, first, second]` -> `[weight, first, second]`.
///
/// # Safety
/// The processor has `L`'s instructions.
#[inline(always)]
unsafe fn entry<L: Lanes>([w, g, m, v]: [L::V; 4], scalars: &AdamScalars) -> [L::V; 3] {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let m = L::mul_add(L::splat(scalars.beta1), m, L::mul(L::splat(scalars.one_minus_beta1), g));
        let v =
            L::mul_add(L::splat(scalars.beta2), v, L::mul(L::splat(scalars.one_minus_beta2), L::mul(g, g)));
        let denominator = L::mul_add(L::sqrt(v), L::splat(scalars.root_scale), L::splat(scalars.eps));
        let w = L::add(w, L::div(L::mul(L::splat(scalars.minus_rate), m), denominator));
        [w, m, v]
    }
}

fn tail(weights: &mut [f32], grads: &[f32], first: &mut [f32], second: &mut [f32], scalars: &AdamScalars) {
    for (((w, &g), m), v) in weights.iter_mut().zip(grads).zip(first).zip(second) {
        *m = scalars.beta1 * *m + scalars.one_minus_beta1 * g;
        *v = scalars.beta2 * *v + scalars.one_minus_beta2 * (g * g);
        *w += scalars.minus_rate * *m / (v.sqrt() * scalars.root_scale + scalars.eps);
    }
}
