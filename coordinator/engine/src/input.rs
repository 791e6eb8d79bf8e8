//! What may happen to the coordinator, as values. Randomness arrives here: ids and nonces are drawn by the caller.

use domain::ids::{LeaseNonce, SessionId};
use domain::outcome::CheckpointRef;
use domain::{FailureKind, Outcome, SweepName, Trial, TrialId};

/// Which lease a worker's message is about. All three must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseKey {
    /// The trial.
    pub trial: TrialId,
    /// From 1.
    pub attempt: u32,
    /// Proof of holding it.
    pub nonce: LeaseNonce,
}

/// Who a worker says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Unique among live workers; 1 to [`crate::MAX_WORKER_NAME_BYTES`] bytes.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Trials that it runs at once, 1 to [`crate::MAX_SLOTS`].
    pub slots: u32,
    /// Its version.
    pub version: String,
    /// `cpu` or the name of a GPU.
    pub device: String,
    /// Instruction set of its kernels.
    pub isa: String,
}

/// What a heartbeat says about one trial.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningTrial {
    /// The lease it runs under.
    pub key: LeaseKey,
    /// Epochs done.
    pub epoch: u32,
    /// Epochs in all; 0 for a model without.
    pub epochs: u32,
    /// Loss per cell of the last epoch, finite.
    pub loss_per_cell: Option<f64>,
    /// `data`, `train` or `evaluate`.
    pub phase: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A person asked for a sweep, or for the same one with a changed grid.
    SubmitSweep {
        /// Its name.
        sweep: SweepName,
        /// What the store keeps about it; opaque here.
        about: String,
        /// Its trials in order; repeats are dropped.
        trials: Vec<Trial>,
    },
    /// A person wants the rest of a sweep not to run.
    CancelSweep {
        /// Its name.
        sweep: SweepName,
    },
    /// A person wants no more trials of a sweep handed out for now; what runs goes on.
    PauseSweep {
        /// Its name.
        sweep: SweepName,
    },
    /// A person wants a paused sweep to go on.
    ResumeSweep {
        /// Its name.
        sweep: SweepName,
    },
    /// A person wants the failed and poisoned trials of a sweep to run again.
    RetryFailed {
        /// Its name.
        sweep: SweepName,
    },
    /// A worker process introduces itself.
    Register {
        /// Who it is.
        worker: WorkerInfo,
        /// A fresh random id for its session.
        session: SessionId,
    },
    /// Somebody says who they are: answered `Acknowledged` when the session is known.
    Identify {
        /// The session.
        session: SessionId,
    },
    /// A worker wants to hold `want` leases in all.
    LeaseTrials {
        /// Its session.
        session: SessionId,
        /// At most its slots.
        want: u32,
        /// Fresh random nonces; at most as many new leases are granted.
        nonces: Vec<LeaseNonce>,
    },
    /// A worker lives and says what it runs.
    Heartbeat {
        /// Its session.
        session: SessionId,
        /// Its trials.
        running: Vec<RunningTrial>,
    },
    /// A trial ended with an outcome.
    ReportOutcome {
        /// The worker's session.
        session: SessionId,
        /// The lease.
        key: LeaseKey,
        /// The outcome, checked.
        outcome: Box<Outcome>,
    },
    /// A trial did not end with an outcome.
    ReportFailure {
        /// The worker's session.
        session: SessionId,
        /// The lease.
        key: LeaseKey,
        /// Why.
        kind: FailureKind,
        /// Words for people.
        message: String,
        /// Where the trial stood, where it is given back: kept outside, checked to be there.
        checkpoint: Option<CheckpointRef>,
    },
    /// The holder of a lease wants the trial's checkpoint.
    FindCheckpoint {
        /// The worker's session.
        session: SessionId,
        /// The lease.
        key: LeaseKey,
    },
    /// A worker goes; what it holds is given back.
    Leave {
        /// Its session.
        session: SessionId,
    },
    /// The process of the worker of this name has ended (seen by who started it): its leases are free at once.
    WorkerGone {
        /// The worker's name.
        worker: String,
    },
    /// Whether there is room to begin new work. Without it no leases are given and no sweeps taken; results are.
    Hold {
        /// There is none.
        is_on: bool,
    },
    /// No new leases from now on; workers are told to finish or give back, then leave.
    Drain,
    /// Time has passed.
    Tick,
}
