//! Tests of the training from outside, in one binary.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails its test, as it should")]

mod common;
mod ends;
mod engines;
mod parity;
mod pbmc3k;
mod repeat;
