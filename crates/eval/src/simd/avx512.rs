//! Sixteen floats in one AVX-512 register. Only this file may name these instructions.

use std::arch::x86_64::*;

use super::{Chunk, Kernel, LANES, Lanes, assert_gatherable};

/// Exists only where the processor has AVX-512 F.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The proof that this processor has AVX-512 F, if it does.
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }

    /// Runs `kernel` compiled for AVX-512 F.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` was made by `detect` only, so the processor has AVX-512 F.
        unsafe { run(self, kernel) }
    }
}

#[target_feature(enable = "avx512f")]
fn run<K: Kernel>(lanes: Avx512, kernel: K) -> K::Output {
    kernel.run(lanes)
}

impl Lanes for Avx512 {
    type Floats = __m512;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: `self` exists only where the processor has AVX-512 F.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &Chunk) -> __m512 {
        // SAFETY: `self` exists only where the processor has AVX-512 F; the chunk holds 16 floats.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, floats: __m512, into: &mut Chunk) {
        // SAFETY: `self` exists only where the processor has AVX-512 F; the chunk holds 16 floats.
        unsafe { _mm512_storeu_ps(into.as_mut_ptr(), floats) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the processor has AVX-512 F.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the processor has AVX-512 F.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the processor has AVX-512 F.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the processor has AVX-512 F.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` exists only where the processor has AVX-512 F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn sub_product(self, c: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the processor has AVX-512 F.
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn gather(self, table: &[f32], indices: &[u32; LANES]) -> __m512 {
        let last = assert_gatherable(table);
        // SAFETY: `self` exists only where the processor has AVX-512 F; there are 16 indices, and the unsigned minimum
        // keeps each between 0 and the last of the table, which fits an i32.
        unsafe {
            let indices = _mm512_loadu_si512(indices.as_ptr().cast());
            let inside = _mm512_min_epu32(indices, _mm512_set1_epi32(last));
            _mm512_i32gather_ps::<4>(inside, table.as_ptr())
        }
    }
}
