//! Whole-system tests: one binary, one module a theme.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed: helpers may, too")]

mod bad_input;
mod crashes;
mod disk;
mod docs;
mod faults;
mod hostile;
mod house;
mod inspect;
mod network;
mod orders;
mod scores;
mod secure;
mod study;
mod sweeps;
mod wire;
