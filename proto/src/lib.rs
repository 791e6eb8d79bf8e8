//! The wire of latentsweep: `sweep.v1`, generated from `proto/sweep/v1/*.proto`, the conversion between its messages
//! and the types of `domain`, and how a client dials: join token, pinned CA, TLS.
//!
//! Must not live here: sessions, leases, stores, anything that decides.
#![forbid(unsafe_code)]

/// The generated messages and services.
#[allow(
    missing_docs,
    clippy::all,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("sweep.v1");
}

pub mod convert;
pub mod dial;
pub mod join;
pub mod pin;

/// Version of the protocol: a coordinator refuses a worker of another one.
pub const PROTOCOL: u32 = 1;

/// Largest message either side decodes. An outcome of 100,000 epochs is under 6 MB; data sets and artifacts go in
/// chunks.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of one chunk of a data set or an artifact.
pub const CHUNK_BYTES: usize = 512 * 1024;
