//! The heart of the coordinator as a pure state machine: who may run which trial, and which result counts.
//!
//! ```text
//! decide(&State, now_ms, Input) -> Decision { events, touches, effects, reply }
//! State::apply(&mut self, &Event)    durable: the live path and replay after a crash are this one function
//! State::touch(&mut self, &Touch)    volatile: deadlines, sessions, progress; gone after a restart
//! ```
//!
//! Must not live here: clocks, random numbers, I/O, tokio, tonic, any database. Time and chance are arguments.
#![forbid(unsafe_code)]

mod decide;
pub mod decision;
pub mod event;
pub mod input;
pub mod invariants;
pub mod retry;
pub mod state;
pub mod volatile;

pub use decide::decide;
pub use decision::{Decision, Directive, Effect, LeaseGrant, Rejection, Reply, SubmitReceipt};
pub use event::{EVENT_VERSION, Event};
pub use input::{Input, LeaseKey, RunningTrial, WorkerInfo};
pub use state::{Mode, Record, Settings, State, Sweep, SweepCounts, TrialEntry};
pub use volatile::{Progress, Session, Touch};

/// Most trials of one sweep: an order of magnitude above any study seen, and small enough to list in one message.
pub const MAX_TRIALS_PER_SWEEP: usize = 100_000;

/// Most sessions at once: five times the largest launch planned for.
pub const MAX_SESSIONS: usize = 10_000;

/// Most trials that one worker may run at once: more than any machine has cores.
pub const MAX_SLOTS: u32 = 1024;

/// Most new leases in one answer; a worker with more slots asks again.
pub const MAX_GRANTS_PER_CALL: usize = 64;

/// Longest worker name, in bytes.
pub const MAX_WORKER_NAME_BYTES: usize = 256;
