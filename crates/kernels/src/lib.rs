//! The hot loops of training. Over 99 % of a trial's arithmetic is in the two layers that touch genes: the encoder's
//! first and the decoder's last. This crate owns their weights and moments, multiplies them with the sparse cells,
//! takes the loss (squared error, or the negative binomial of counts) and its gradients, and applies Adam while the
//! updated rows are in cache, so that no gradient matrix is ever written. Everything runs on the caller's thread, in one
//! fixed order of sums.
//!
//! Must not live here: models, KL terms, schedules, random numbers, clocks, threads, and anything of ours (this crate
//! imports no other crate of the workspace). `unsafe` lives in `simd` alone.
#![deny(unsafe_code)]

mod adam;
mod batch;
mod buffer;
pub mod counts;
mod error;
mod gram;
mod isa;
mod layers;
mod matrix;
mod residual;
#[allow(unsafe_code, reason = "the one place for intrinsics and raw pointers")]
mod simd;
mod state;
mod weights;

pub use adam::{Adam, adam_update};
pub use error::KernelError;
pub use isa::Isa;
pub use layers::GeneLayers;
pub use matrix::{CsrView, PreparedMatrix};
pub use state::{GeneLayersInit, GeneLayersState, Moments};
