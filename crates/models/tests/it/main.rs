//! Tests of the training from outside, in one binary.

mod common;
mod ends;
mod engines;
mod parity;
mod pbmc3k;
mod repeat;
