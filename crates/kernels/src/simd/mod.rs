//! The kernels proper: loops over plain slices, each written once over [`lanes::Lanes`] and compiled for every
//! instruction set. The functions exported from here are safe: they check shapes before any pointer moves.
//!
//! Must not live here: what the products mean (that is `gram`, `residual` and `counts`).

mod adam;
mod counts;
mod lanes;
mod matmul;
mod rows;
mod sparse;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use adam::{AdamScalars, adam};
pub(crate) use counts::{add_exponentials, raise, subtract_share, zero_counts};
pub(crate) use matmul::{Operand, gram_upper, matmul};
pub(crate) use rows::{add_outer, add_weighted_rows, row_dots};
pub(crate) use sparse::{SparseProduct, sparse_product};

/// Runs `$kernel::<L>($args)` with the `L` of an instruction set, inside a function compiled for it.
///
/// Expands to a `match` on the set, so the caller pays one predictable branch per call of a kernel.
macro_rules! dispatch {
    ($isa:expr, $kernel:ident($($arg:ident: $type:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
        unsafe fn avx512($($arg: $type),*) {
            // SAFETY: the wrapper's own contract.
            unsafe { $kernel::<$crate::simd::x86::Avx512>($($arg),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2($($arg: $type),*) {
            // SAFETY: the wrapper's own contract.
            unsafe { $kernel::<$crate::simd::x86::Avx2>($($arg),*) }
        }
        match $isa.checked().unwrap_or($crate::Isa::Portable) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `checked` saw the instruction set in this processor; the caller's checks cover the rest.
            $crate::Isa::Avx512 => unsafe { avx512($($arg),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            $crate::Isa::Avx2 => unsafe { avx2($($arg),*) },
            // SAFETY: the portable set is everywhere; the caller's checks cover the rest.
            _ => unsafe { $kernel::<$crate::simd::lanes::Portable>($($arg),*) },
        }
    }};
}
pub(crate) use dispatch;
