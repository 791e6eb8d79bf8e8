//! What follows from an input: facts to record, volatile changes, things to tell, and the answer.

use domain::ids::{ArtifactHash, LeaseNonce, SessionId};
use domain::outcome::CheckpointRef;
use domain::{FailureKind, SweepName, Trial, TrialId, TrialState};

use crate::event::Event;
use crate::volatile::Touch;

/// Everything that follows from one input. Events are made durable and applied first, then touches, then effects are
/// performed and the reply is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Facts to record and apply, in order.
    pub events: Vec<Event>,
    /// Volatile changes, applied after the events.
    pub touches: Vec<Touch>,
    /// What the outside should hear.
    pub effects: Vec<Effect>,
    /// The answer.
    pub reply: Result<Reply, Rejection>,
}

impl Decision {
    /// Nothing but an answer.
    #[must_use]
    pub(crate) const fn answer(reply: Result<Reply, Rejection>) -> Self {
        Self { events: Vec::new(), touches: Vec::new(), effects: Vec::new(), reply }
    }
}

/// What the outside should hear: the runtime logs it and shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A worker has registered.
    WorkerJoined {
        /// Its name.
        worker: String,
    },
    /// A worker has left, has ended or has not been heard of for long.
    WorkerLeft {
        /// Its name.
        worker: String,
    },
    /// A trial has ended.
    TrialEnded {
        /// The trial.
        trial: TrialId,
        /// How.
        state: TrialState,
    },
    /// An attempt has ended without an outcome.
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
    },
    /// No trial begins at this checkpoint any more: its file may go.
    CheckpointObsolete {
        /// The file.
        hash: ArtifactHash,
    },
    /// A worker was told to stop a trial and still says that it runs it: it gets no new ones.
    WorkerDisobeys {
        /// Its name.
        worker: String,
        /// The trial.
        trial: TrialId,
    },
}

/// One trial handed to one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseGrant {
    /// What to run.
    pub trial: Trial,
    /// From 1.
    pub attempt: u32,
    /// Proof of holding it.
    pub nonce: LeaseNonce,
    /// Where to begin; `None`: at the start.
    pub checkpoint: Option<CheckpointRef>,
}

/// What a worker must do with a trial that it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// Stop it and drop it: a person does not want it any more.
    Cancel,
    /// Stop it and drop it: another attempt holds the trial, or it has ended.
    Superseded,
}

/// What a submission came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmitReceipt {
    /// Trials of the sweep.
    pub trials: u64,
    /// Of these, ended already.
    pub ended: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To `SubmitSweep`.
    Submitted(SubmitReceipt),
    /// To `CancelSweep`: so many trials were cancelled.
    Cancelled(u64),
    /// To `Register`.
    Registered {
        /// The session.
        session: SessionId,
        /// How often to send a heartbeat.
        heartbeat_ms: u64,
        /// How long a lease lives without one.
        lease_ttl_ms: u64,
    },
    /// To `LeaseTrials`.
    Leases {
        /// All live leases of the worker, old ones first.
        leases: Vec<LeaseGrant>,
        /// When to ask again where there are fewer than wanted; else 0.
        retry_after_ms: u64,
        /// Nothing is left to do and the coordinator serves only until that is so.
        finished: bool,
    },
    /// To `Heartbeat`.
    Heartbeat {
        /// Only trials that must not go on.
        directives: Vec<(TrialId, Directive)>,
        /// Take no new trials, end or give back what runs, then leave.
        drain: bool,
    },
    /// To `RetryFailed`: so many trials run again.
    Retried(u64),
    /// To `FindCheckpoint`.
    Checkpoint(CheckpointRef),
    /// To everything else: it is recorded, now or before.
    Acknowledged,
}

/// Why an input changes nothing. Never an assertion: a remote peer may say anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The coordinator restarted or forgot the worker.
    #[error("unknown session: register again")]
    UnknownSession,
    /// Another live worker has this name.
    #[error("a live worker is called {name:?} already: start this one under another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A registration that cannot be served.
    #[error("registration refused: {problem}")]
    BadRegistration {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// All sessions are taken.
    #[error("{limit} workers are registered, which is the limit: try again later")]
    TooManyWorkers {
        /// The limit.
        limit: usize,
    },
    /// No such trial.
    #[error("no trial {trial} is known here: drop it")]
    UnknownTrial {
        /// The trial.
        trial: TrialId,
    },
    /// Another attempt took the trial over, or the nonce is not the lease's.
    #[error(
        "attempt {attempt} of trial {trial} does not hold its lease (the last attempt is {last}): drop it"
    )]
    Superseded {
        /// The trial.
        trial: TrialId,
        /// What the message said.
        attempt: u32,
        /// The last attempt.
        last: u32,
    },
    /// The trial has ended otherwise.
    #[error("trial {trial} has ended: {}; drop it", state.name())]
    Ended {
        /// The trial.
        trial: TrialId,
        /// How.
        state: TrialState,
    },
    /// The trial begins at the start.
    #[error("trial {trial} has no checkpoint: begin at the start")]
    NoCheckpoint {
        /// The trial.
        trial: TrialId,
    },
    /// No such sweep.
    #[error("no sweep is called {sweep}")]
    UnknownSweep {
        /// The name.
        sweep: SweepName,
    },
    /// The coordinator's disk is full.
    #[error("the coordinator's disk is short of space: free some, then submit again")]
    NoRoom,
    /// A sweep that cannot be kept.
    #[error("a sweep has 1 to {limit} trials, this one has {found}")]
    BadSweepSize {
        /// The limit.
        limit: usize,
        /// Its size.
        found: usize,
    },
}

impl Rejection {
    /// Its name in the metadata of an error status, for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnknownSession => "unknown-session",
            Self::NameTaken { .. } => "name-taken",
            Self::BadRegistration { .. } => "bad-registration",
            Self::TooManyWorkers { .. } => "too-many-workers",
            Self::UnknownTrial { .. } => "unknown-trial",
            Self::Superseded { .. } => "superseded",
            Self::Ended { .. } => "ended",
            Self::NoCheckpoint { .. } => "no-checkpoint",
            Self::UnknownSweep { .. } => "unknown-sweep",
            Self::NoRoom => "no-room",
            Self::BadSweepSize { .. } => "bad-sweep-size",
        }
    }
}
