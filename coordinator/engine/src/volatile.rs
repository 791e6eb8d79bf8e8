//! What a restart forgets: sessions, deadlines of leases, back-off, progress, drain. Changed only by [`Touch`]es that
//! `decide` asked for, so that deciding stays pure.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::SessionId;
use domain::{SweepName, TrialId};

use crate::input::WorkerInfo;

/// One registered worker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who it is.
    pub worker: WorkerInfo,
    /// When it was heard of last, monotonic ms.
    pub heard_ms: u64,
}

/// How far a leased trial is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u32,
    /// Epochs in all; 0 for a model without.
    pub epochs: u32,
    /// Loss per cell of the last epoch.
    pub loss_per_cell: Option<f64>,
    /// `data`, `train` or `evaluate`.
    pub phase: String,
}

/// One volatile change.
#[derive(Debug, Clone, PartialEq)]
pub enum Touch {
    /// A session begins.
    SessionOpened {
        /// Its id.
        session: SessionId,
        /// Its worker.
        worker: WorkerInfo,
        /// Now.
        at_ms: u64,
    },
    /// A session ends.
    SessionClosed {
        /// Its id.
        session: SessionId,
    },
    /// A session was heard of.
    Heard {
        /// Its id.
        session: SessionId,
        /// Now.
        at_ms: u64,
    },
    /// A lease lives until then.
    LeaseExtended {
        /// Its trial.
        trial: TrialId,
        /// Monotonic ms.
        until_ms: u64,
    },
    /// A leased trial is so far.
    Progressed {
        /// The trial.
        trial: TrialId,
        /// How far.
        progress: Progress,
    },
    /// A failed trial is not leased again before then.
    HeldBack {
        /// The trial.
        trial: TrialId,
        /// Monotonic ms.
        until_ms: u64,
    },
    /// A sweep was submitted since the start.
    SweepActivated {
        /// The sweep.
        sweep: SweepName,
    },
    /// No new leases from now on.
    DrainBegun,
}

/// The volatile half of the state.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Volatile {
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) deadlines: BTreeMap<TrialId, u64>,
    pub(crate) held_back: BTreeMap<TrialId, u64>,
    pub(crate) progress: BTreeMap<TrialId, Progress>,
    pub(crate) active: BTreeSet<SweepName>,
    pub(crate) is_draining: bool,
}

impl Volatile {
    pub(crate) fn touch(&mut self, touch: &Touch) {
        match touch {
            Touch::SessionOpened { session, worker, at_ms } => {
                self.sessions.insert(*session, Session { worker: worker.clone(), heard_ms: *at_ms });
            }
            Touch::SessionClosed { session } => {
                self.sessions.remove(session);
            }
            Touch::Heard { session, at_ms } => {
                if let Some(known) = self.sessions.get_mut(session) {
                    known.heard_ms = *at_ms;
                }
            }
            Touch::LeaseExtended { trial, until_ms } => {
                self.deadlines.insert(*trial, *until_ms);
            }
            Touch::Progressed { trial, progress } => {
                self.progress.insert(*trial, progress.clone());
            }
            Touch::HeldBack { trial, until_ms } => {
                self.held_back.insert(*trial, *until_ms);
            }
            Touch::SweepActivated { sweep } => {
                self.active.insert(sweep.clone());
            }
            Touch::DrainBegun => self.is_draining = true,
        }
    }

    /// Forgets what only a live lease has.
    pub(crate) fn lease_ended(&mut self, trial: &TrialId) {
        self.deadlines.remove(trial);
        self.progress.remove(trial);
    }
}
