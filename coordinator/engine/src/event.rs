//! The record: what has been decided, in order. Events are a promise: fields are only added (with a default), a
//! meaning is never changed; anything else is a new version.

use domain::ids::LeaseNonce;
use domain::outcome::CheckpointRef;
use domain::{FailureKind, Outcome, SweepName, Trial, TrialId, TrialState};
use serde::{Deserialize, Serialize};

/// Version of the events below, stored with each of them. 2: sweeps rest and go on, trials are retried, a failed attempt
/// may leave a checkpoint.
pub const EVENT_VERSION: u32 = 2;

/// One decided fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a trial carries its config; events are applied one by one and not held in bulk"
)]
pub enum Event {
    /// A trial is known from now on; it waits until a sweep wants it.
    TrialAdded {
        /// The trial.
        trial: Trial,
    },
    /// A sweep consists of exactly these trials, in this order, from now on.
    SweepSubmitted {
        /// Its name.
        sweep: SweepName,
        /// What the store keeps about it; opaque here.
        about: String,
        /// Its trials, all added before.
        trials: Vec<TrialId>,
    },
    /// A trial that had not ended will not run (again).
    TrialCancelled {
        /// The trial.
        trial: TrialId,
    },
    /// A cancelled trial is wanted again.
    TrialRevived {
        /// The trial.
        trial: TrialId,
    },
    /// A trial that had failed or was poisoned runs again, with its failures forgiven: a person said so.
    TrialRetried {
        /// The trial.
        trial: TrialId,
    },
    /// Trials of a sweep are not handed out until it is resumed.
    SweepPaused {
        /// The sweep.
        sweep: SweepName,
    },
    /// Trials of a paused sweep are handed out again.
    SweepResumed {
        /// The sweep.
        sweep: SweepName,
    },
    /// A worker holds a trial.
    LeaseGranted {
        /// The trial.
        trial: TrialId,
        /// One more than its last attempt.
        attempt: u32,
        /// Proof of holding it.
        nonce: LeaseNonce,
        /// The worker's name.
        worker: String,
    },
    /// An attempt ended without an outcome.
    AttemptFailed {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// Why.
        kind: FailureKind,
        /// Words for people (hostile: from a worker).
        message: String,
        /// The worker's name.
        worker: String,
        /// Where the trial stands now: `pending`, `failed` or `poisoned`.
        next: TrialState,
        /// Where the next attempt begins; absent: at the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<CheckpointRef>,
    },
    /// A trial ended with this outcome, for good.
    OutcomeAccepted {
        /// The trial.
        trial: TrialId,
        /// The attempt it comes from.
        attempt: u32,
        /// Name of the worker that brought it.
        worker: String,
        /// The outcome.
        outcome: Box<Outcome>,
    },
}

impl Event {
    /// Its name in the store.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::TrialAdded { .. } => "trial-added",
            Self::SweepSubmitted { .. } => "sweep-submitted",
            Self::TrialCancelled { .. } => "trial-cancelled",
            Self::TrialRevived { .. } => "trial-revived",
            Self::TrialRetried { .. } => "trial-retried",
            Self::SweepPaused { .. } => "sweep-paused",
            Self::SweepResumed { .. } => "sweep-resumed",
            Self::LeaseGranted { .. } => "lease-granted",
            Self::AttemptFailed { .. } => "attempt-failed",
            Self::OutcomeAccepted { .. } => "outcome-accepted",
        }
    }
}
