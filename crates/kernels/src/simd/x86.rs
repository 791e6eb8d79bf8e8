//! [`Lanes`] for AVX2 with FMA and for AVX-512 F. Only intrinsics here.

use std::arch::x86_64::*;

use super::lanes::Lanes;

/// AVX2 and FMA: eight entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2;

/// AVX-512 F: sixteen entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512;

impl Lanes for Avx2 {
    const N: usize = 8;
    const ACCUMULATORS: usize = 12;
    type V = __m256;

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch never faults, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        // SAFETY: the caller promises the instruction set.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> __m256 {
        // SAFETY: the caller promises the instruction set and eight valid entries.
        unsafe { _mm256_loadu_ps(at) }
    }

    #[inline(always)]
    unsafe fn store(at: *mut f32, x: __m256) {
        // SAFETY: the caller promises the instruction set and eight entries to write.
        unsafe { _mm256_storeu_ps(at, x) }
    }

    #[inline(always)]
    unsafe fn add(x: __m256, y: __m256) -> __m256 {
        // SAFETY: the caller promises the instruction set.
        unsafe { _mm256_add_ps(x, y) }
    }

    #[inline(always)]
    unsafe fn mul(x: __m256, y: __m256) -> __m256 {
        // SAFETY: the caller promises the instruction set.
        unsafe { _mm256_mul_ps(x, y) }
    }

    #[inline(always)]
    unsafe fn div(x: __m256, y: __m256) -> __m256 {
        // SAFETY: the caller promises the instruction set.
        unsafe {
            let guess = _mm256_rcp_ps(y);
            // One Newton step squares the guess's relative error.
            let miss = _mm256_fnmadd_ps(y, guess, _mm256_set1_ps(1.0));
            _mm256_mul_ps(x, _mm256_fmadd_ps(guess, miss, guess))
        }
    }

    #[inline(always)]
    unsafe fn sqrt(x: __m256) -> __m256 {
        // SAFETY: the caller promises the instruction set.
        unsafe {
            // The floor keeps 0 · ∞ away; operand order lets NaN through.
            let x = _mm256_max_ps(_mm256_set1_ps(f32::MIN_POSITIVE), x);
            let guess = _mm256_rsqrt_ps(x);
            let root = _mm256_mul_ps(x, guess);
            // One Newton step on the root squares the guess's relative error.
            let miss = _mm256_fnmadd_ps(root, guess, _mm256_set1_ps(1.0));
            _mm256_fmadd_ps(_mm256_mul_ps(root, _mm256_set1_ps(0.5)), miss, root)
        }
    }

    #[inline(always)]
    unsafe fn mul_add(x: __m256, y: __m256, z: __m256) -> __m256 {
        // SAFETY: the caller promises the instruction set.
        unsafe { _mm256_fmadd_ps(x, y, z) }
    }
}

impl Lanes for Avx512 {
    const N: usize = 16;
    const ACCUMULATORS: usize = 24;
    type V = __m512;

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch never faults, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: the caller promises the instruction set.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> __m512 {
        // SAFETY: the caller promises the instruction set and sixteen valid entries.
        unsafe { _mm512_loadu_ps(at) }
    }

    #[inline(always)]
    unsafe fn store(at: *mut f32, x: __m512) {
        // SAFETY: the caller promises the instruction set and sixteen entries to write.
        unsafe { _mm512_storeu_ps(at, x) }
    }

    #[inline(always)]
    unsafe fn add(x: __m512, y: __m512) -> __m512 {
        // SAFETY: the caller promises the instruction set.
        unsafe { _mm512_add_ps(x, y) }
    }

    #[inline(always)]
    unsafe fn mul(x: __m512, y: __m512) -> __m512 {
        // SAFETY: the caller promises the instruction set.
        unsafe { _mm512_mul_ps(x, y) }
    }

    #[inline(always)]
    unsafe fn div(x: __m512, y: __m512) -> __m512 {
        // SAFETY: the caller promises the instruction set.
        unsafe {
            let guess = _mm512_rcp14_ps(y);
            // One Newton step squares the guess's relative error.
            let miss = _mm512_fnmadd_ps(y, guess, _mm512_set1_ps(1.0));
            _mm512_mul_ps(x, _mm512_fmadd_ps(guess, miss, guess))
        }
    }

    #[inline(always)]
    unsafe fn sqrt(x: __m512) -> __m512 {
        // SAFETY: the caller promises the instruction set.
        unsafe {
            // The floor keeps 0 · ∞ away; operand order lets NaN through.
            let x = _mm512_max_ps(_mm512_set1_ps(f32::MIN_POSITIVE), x);
            let guess = _mm512_rsqrt14_ps(x);
            let root = _mm512_mul_ps(x, guess);
            // One Newton step on the root squares the guess's relative error.
            let miss = _mm512_fnmadd_ps(root, guess, _mm512_set1_ps(1.0));
            _mm512_fmadd_ps(_mm512_mul_ps(root, _mm512_set1_ps(0.5)), miss, root)
        }
    }

    #[inline(always)]
    unsafe fn mul_add(x: __m512, y: __m512, z: __m512) -> __m512 {
        // SAFETY: the caller promises the instruction set.
        unsafe { _mm512_fmadd_ps(x, y, z) }
    }
}
