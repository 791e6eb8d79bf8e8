//! Sixteen floats in two AVX registers. Only this file may name these instructions.

use std::arch::x86_64::*;

use super::{Chunk, Kernel, LANES, Lanes, assert_gatherable};

/// Exists only where the processor has AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The proof that this processor has AVX2 and FMA, if it does.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// Runs `kernel` compiled for AVX2 and FMA.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` was made by `detect` only, so the processor has AVX2 and FMA.
        unsafe { run(self, kernel) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn run<K: Kernel>(lanes: Avx2, kernel: K) -> K::Output {
    kernel.run(lanes)
}

/// The first eight floats and the other eight.
type Floats = (__m256, __m256);

impl Lanes for Avx2 {
    type Floats = Floats;

    #[inline(always)]
    fn splat(self, value: f32) -> Floats {
        // SAFETY: `self` exists only where the processor has AVX2 and FMA.
        unsafe { (_mm256_set1_ps(value), _mm256_set1_ps(value)) }
    }

    #[inline(always)]
    fn load(self, from: &Chunk) -> Floats {
        // SAFETY: `self` exists only where the processor has AVX2 and FMA; 8 of the 16 floats follow either pointer.
        unsafe { (_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from[8..].as_ptr())) }
    }

    #[inline(always)]
    fn add(self, a: Floats, b: Floats) -> Floats {
        // SAFETY: `self` exists only where the processor has AVX2 and FMA.
        unsafe { (_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn sub(self, a: Floats, b: Floats) -> Floats {
        // SAFETY: `self` exists only where the processor has AVX2 and FMA.
        unsafe { (_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn mul(self, a: Floats, b: Floats) -> Floats {
        // SAFETY: `self` exists only where the processor has AVX2 and FMA.
        unsafe { (_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn div(self, a: Floats, b: Floats) -> Floats {
        // SAFETY: `self` exists only where the processor has AVX2 and FMA.
        unsafe { (_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn mul_add(self, a: Floats, b: Floats, c: Floats) -> Floats {
        // SAFETY: `self` exists only where the processor has AVX2 and FMA.
        unsafe { (_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)) }
    }

    #[inline(always)]
    fn sub_product(self, c: Floats, a: Floats, b: Floats) -> Floats {
        // SAFETY: `self` exists only where the processor has AVX2 and FMA.
        unsafe { (_mm256_fnmadd_ps(a.0, b.0, c.0), _mm256_fnmadd_ps(a.1, b.1, c.1)) }
    }

    #[inline(always)]
    fn store(self, floats: Floats, into: &mut Chunk) {
        // SAFETY: `self` exists only where the processor has AVX2 and FMA; 8 of the 16 floats follow either pointer.
        unsafe {
            _mm256_storeu_ps(into.as_mut_ptr(), floats.0);
            _mm256_storeu_ps(into[8..].as_mut_ptr(), floats.1);
        }
    }

    #[inline(always)]
    fn gather(self, table: &[f32], indices: &[u32; LANES]) -> Floats {
        let last = assert_gatherable(table);
        // SAFETY: `self` exists only where the processor has AVX2 and FMA; 8 of the 16 indices follow either pointer,
        // and the unsigned minimum keeps each between 0 and the last of the table, which fits an i32.
        unsafe {
            let last = _mm256_set1_epi32(last);
            let first = _mm256_min_epu32(_mm256_loadu_si256(indices.as_ptr().cast()), last);
            let other = _mm256_min_epu32(_mm256_loadu_si256(indices[8..].as_ptr().cast()), last);
            (_mm256_i32gather_ps::<4>(table.as_ptr(), first), _mm256_i32gather_ps::<4>(table.as_ptr(), other))
        }
    }
}
