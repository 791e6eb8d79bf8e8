//! The coordinator's core from outside: one conformance suite over both stores, and the whole ring over loopback with
//! a real gRPC client.

mod fixture;
mod ring;
mod runtime;
mod store;
