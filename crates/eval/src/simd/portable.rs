//! Sixteen floats in plain Rust, for every processor; on ARM the compiler makes NEON of it.

use super::{Chunk, LANES, Lanes, assert_gatherable};

/// Needs nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

/// a · b + c. Where the build's target has no fused instruction, f64 holds the product exactly and only the sum may be
/// rounded twice; the C library's exact function would be fifty times slower.
#[inline(always)]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
        a.mul_add(b, c)
    } else {
        (f64::from(a) * f64::from(b) + f64::from(c)) as f32
    }
}

impl Lanes for Portable {
    type Floats = Chunk;

    #[inline(always)]
    fn splat(self, value: f32) -> Chunk {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &Chunk) -> Chunk {
        *from
    }

    #[inline(always)]
    fn store(self, floats: Chunk, into: &mut Chunk) {
        *into = floats;
    }

    #[inline(always)]
    fn add(self, a: Chunk, b: Chunk) -> Chunk {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn sub(self, a: Chunk, b: Chunk) -> Chunk {
        std::array::from_fn(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    fn mul(self, a: Chunk, b: Chunk) -> Chunk {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    fn div(self, a: Chunk, b: Chunk) -> Chunk {
        std::array::from_fn(|lane| a[lane] / b[lane])
    }

    #[inline(always)]
    fn mul_add(self, a: Chunk, b: Chunk, c: Chunk) -> Chunk {
        std::array::from_fn(|lane| fused(a[lane], b[lane], c[lane]))
    }

    #[inline(always)]
    fn sub_product(self, c: Chunk, a: Chunk, b: Chunk) -> Chunk {
        std::array::from_fn(|lane| fused(-a[lane], b[lane], c[lane]))
    }

    #[inline(always)]
    fn gather(self, table: &[f32], indices: &[u32; LANES]) -> Chunk {
        let last = assert_gatherable(table) as usize;
        std::array::from_fn(|lane| table[(indices[lane] as usize).min(last)])
    }
}
