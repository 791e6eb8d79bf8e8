//! Whole-system tests: one binary, one module a theme.

mod bad_input;
mod docs;
mod faults;
mod house;
mod network;
mod study;
mod sweeps;
