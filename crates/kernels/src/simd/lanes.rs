//! The few vector operations the kernels are written in, one implementation per instruction set. No loops here.

/// A vector of `N` `f32`. Every function is `inline(always)`, so that it melts into the `#[target_feature]` function
/// that the `dispatch!` macro wraps around a kernel.
///
/// # Safety
/// All functions: the processor has the implementation's instruction set. `load` and `store`: `N` valid `f32` from `at`
/// on (no alignment needed).
pub(crate) trait Lanes: Copy {
    /// Entries of a vector.
    const N: usize;
    /// Vectors of accumulators that fit in registers beside operands.
    const ACCUMULATORS: usize;
    /// The vector.
    type V: Copy;

    /// Asks for the cache line of `at` in the second level of cache; may do nothing.
    unsafe fn prefetch(at: *const f32);
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(at: *const f32) -> Self::V;
    unsafe fn store(at: *mut f32, x: Self::V);
    unsafe fn add(x: Self::V, y: Self::V) -> Self::V;
    unsafe fn mul(x: Self::V, y: Self::V) -> Self::V;
    /// √x within 3 units in the last place for positive normal x; below 1e-18 for smaller x, 0 included.
    unsafe fn sqrt(x: Self::V) -> Self::V;
    /// `x / y` within 3 units in the last place, for normal y whose reciprocal is normal.
    unsafe fn div(x: Self::V, y: Self::V) -> Self::V;
    /// `x * y + z`; one rounding where the set has a fused instruction, two where it has none.
    unsafe fn mul_add(x: Self::V, y: Self::V, z: Self::V) -> Self::V;
}

/// Four entries in plain Rust: one SSE or NEON register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Lanes for Portable {
    const N: usize = 4;
    const ACCUMULATORS: usize = 8;
    type V = [f32; 4];

    #[inline(always)]
    unsafe fn prefetch(_at: *const f32) {}

    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 4] {
        [x; 4]
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> [f32; 4] {
        // SAFETY: the caller promises four valid entries; `read_unaligned` asks for no alignment.
        unsafe { at.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(at: *mut f32, x: [f32; 4]) {
        // SAFETY: as for `load`, and the caller may write there.
        unsafe { at.cast::<[f32; 4]>().write_unaligned(x) }
    }

    #[inline(always)]
    unsafe fn add(x: [f32; 4], y: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| x[i] + y[i])
    }

    #[inline(always)]
    unsafe fn mul(x: [f32; 4], y: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| x[i] * y[i])
    }

    #[inline(always)]
    unsafe fn div(x: [f32; 4], y: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| x[i] / y[i])
    }

    #[inline(always)]
    unsafe fn sqrt(x: [f32; 4]) -> [f32; 4] {
        x.map(f32::sqrt)
    }

    #[inline(always)]
    unsafe fn mul_add(x: [f32; 4], y: [f32; 4], z: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| x[i] * y[i] + z[i])
    }
}
