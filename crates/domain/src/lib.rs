//! The vocabulary of latentsweep: what a sweep, a config, a trial, an outcome and a metric are, and what they are
//! called. Everything else in the workspace speaks in these types.
//!
//! Must not live here: I/O, clocks, random numbers, anything asynchronous, and knowledge of how a thing is stored,
//! sent, trained or drawn.
#![forbid(unsafe_code)]

pub mod canonical;
pub mod config;
mod counts;
pub mod data;
pub mod embedding;
pub mod grid;
pub mod ids;
pub mod metric;
pub mod outcome;
pub mod params;
pub mod schedule;
pub mod trial;

pub use config::{Config, EvaluationSpec, ModelKind, ModelSpec, NetSpec, Preset, Reconstruction, TrainSpec};
pub use data::DataSpec;
pub use ids::{ConfigId, Fingerprint, SweepName, TrialId};
pub use metric::{Direction, Metric, MetricName};
pub use outcome::{EpochRecord, FailureKind, Outcome, OutcomeStatus};
pub use schedule::Schedule;
pub use trial::{Trial, TrialState};

/// Version of the random streams and of everything else that decides a trial's numbers apart from its config, seed
/// and data. It is part of a trial's identity: change it whenever equal inputs would give other numbers than before.
pub const RNG_VERSION: u32 = 1;
