//! Tests of the training from outside, in one binary.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails its test, as it should")]

mod annealing;
mod common;
mod counts;
mod ends;
mod engines;
mod held_out;
mod parity;
mod pbmc3k;
mod pbmc3k_counts;
mod repeat;
