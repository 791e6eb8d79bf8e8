//! The coordinator: keeps sweeps, leases trials to workers, answers people.
//!
//! `cli` speaks with the person, `access` guards the port, `rpc` speaks with the wire, `runtime` owns the engine, `store` keeps the record,
//! `leaderboard` and `report` read it. Must not live here: training, candle, decisions about leases (they are
//! `sweep-engine`'s).
#![forbid(unsafe_code)]

pub mod access;
pub mod artifacts;
pub mod cli;
pub mod clock;
pub mod config;
pub mod datasets;
pub mod error;
pub mod failpoint;
pub mod leaderboard;
#[cfg(feature = "local-workers")]
pub mod local_workers;
pub mod report;
pub mod rpc;
pub mod runtime;
pub mod store;
