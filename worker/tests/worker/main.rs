//! The worker against a coordinator made for these tests: real sockets, real files, real threads, and either training
//! that does as it is told or, for bit equality and signals, the real thing. Waits on conditions, never on time.
#![allow(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]

mod checkpoints;
mod coordinator;
mod datasets;
mod processes;
mod results;
mod trainer;
mod training;
mod world;
