//! The coordinator's core from outside: one conformance suite over both stores, and the whole ring over loopback with
//! a real gRPC client.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod checkpoints;
mod fixture;
mod guarded;
mod hostile;
mod ring;
mod runtime;
mod store;
