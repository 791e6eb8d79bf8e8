//! What a restart forgets: sessions, deadlines of leases, back-off, progress, drain. Changed only by [`Touch`]es that
//! `decide` asked for, so that deciding stays pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

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

/// Times of epochs that a median is taken of: enough to be robust, few enough to follow a change of load.
const REMEMBERED_EPOCHS: usize = 31;

/// When a live lease came forward last, and how fast it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advance {
    epoch: u32,
    phase: String,
    since_ms: u64,
    epoch_ms: VecDeque<u64>,
}

impl Advance {
    /// A lease that begins now.
    pub(crate) fn begin(now_ms: u64) -> Self {
        Self { epoch: 0, phase: String::new(), since_ms: now_ms, epoch_ms: VecDeque::new() }
    }

    fn note(&mut self, progress: &Progress, now_ms: u64) {
        if self.epoch == progress.epoch && self.phase == progress.phase {
            return;
        }
        let epochs = u64::from(progress.epoch.saturating_sub(self.epoch));
        if self.epoch > 0 && epochs > 0 && self.phase == progress.phase {
            if self.epoch_ms.len() == REMEMBERED_EPOCHS {
                self.epoch_ms.pop_front();
            }
            self.epoch_ms.push_back(now_ms.saturating_sub(self.since_ms) / epochs);
        }
        self.epoch = progress.epoch;
        self.phase.clone_from(&progress.phase);
        self.since_ms = now_ms;
    }

    /// How long nothing was heard of but that it lives.
    pub(crate) const fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms)
    }

    /// How long it may be idle: `least_ms` or many times its median epoch, whichever is more. Fetching a data set, the
    /// first epoch and the scoring say nothing until they are over and have no median: they get more.
    pub(crate) fn limit_ms(&self, least_ms: u64) -> u64 {
        /// An epoch this many times slower than usual is no slow epoch.
        const MEDIANS: u64 = 20;
        /// An hour for what cannot be measured where ten minutes are the least.
        const UNMEASURED: u64 = 6;
        let mut sorted: Vec<u64> = self.epoch_ms.iter().copied().collect();
        sorted.sort_unstable();
        match sorted.get(sorted.len() / 2) {
            Some(median) if self.phase == "train" => least_ms.max(median.saturating_mul(MEDIANS)),
            Some(median) => least_ms.saturating_mul(UNMEASURED).max(median.saturating_mul(MEDIANS)),
            None => least_ms.saturating_mul(UNMEASURED),
        }
    }
}

/// An order to stop a trial that its worker has not obeyed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StopOrder {
    /// When it was given first.
    pub(crate) since_ms: u64,
    /// Whether people were told that it is not obeyed.
    pub(crate) is_noted: bool,
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
        /// Now.
        at_ms: u64,
    },
    /// A leased trial is so far.
    Progressed {
        /// The trial.
        trial: TrialId,
        /// How far.
        progress: Progress,
        /// Now.
        at_ms: u64,
    },
    /// A worker was told to stop a trial.
    ToldToStop {
        /// Its session.
        session: SessionId,
        /// The trial.
        trial: TrialId,
        /// Now.
        at_ms: u64,
    },
    /// A worker no longer says that it runs a trial which it was told to stop.
    Obeyed {
        /// Its session.
        session: SessionId,
        /// The trial.
        trial: TrialId,
    },
    /// People were told that a worker does not obey.
    DisobedienceNoted {
        /// Its session.
        session: SessionId,
        /// The trial.
        trial: TrialId,
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
    /// There is no room to begin new work, or there is again.
    HeldUp {
        /// There is none.
        is_on: bool,
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
    pub(crate) advances: BTreeMap<TrialId, Advance>,
    pub(crate) stop_orders: BTreeMap<(SessionId, TrialId), StopOrder>,
    pub(crate) active: BTreeSet<SweepName>,
    pub(crate) is_held_up: bool,
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
                self.stop_orders.retain(|(holder, _), _| holder != session);
            }
            Touch::Heard { session, at_ms } => {
                if let Some(known) = self.sessions.get_mut(session) {
                    known.heard_ms = *at_ms;
                }
            }
            Touch::LeaseExtended { trial, until_ms, at_ms } => {
                self.deadlines.insert(*trial, *until_ms);
                self.advances.entry(*trial).or_insert_with(|| Advance::begin(*at_ms));
            }
            Touch::Progressed { trial, progress, at_ms } => {
                self.advances.entry(*trial).or_insert_with(|| Advance::begin(*at_ms)).note(progress, *at_ms);
                self.progress.insert(*trial, progress.clone());
            }
            Touch::ToldToStop { session, trial, at_ms } => {
                let order = StopOrder { since_ms: *at_ms, is_noted: false };
                self.stop_orders.entry((*session, *trial)).or_insert(order);
            }
            Touch::Obeyed { session, trial } => {
                self.stop_orders.remove(&(*session, *trial));
            }
            Touch::DisobedienceNoted { session, trial } => {
                if let Some(order) = self.stop_orders.get_mut(&(*session, *trial)) {
                    order.is_noted = true;
                }
            }
            Touch::HeldBack { trial, until_ms } => {
                self.held_back.insert(*trial, *until_ms);
            }
            Touch::SweepActivated { sweep } => {
                self.active.insert(sweep.clone());
            }
            Touch::HeldUp { is_on } => self.is_held_up = *is_on,
            Touch::DrainBegun => self.is_draining = true,
        }
    }

    /// Forgets what only a live lease has.
    pub(crate) fn lease_ended(&mut self, trial: &TrialId) {
        self.deadlines.remove(trial);
        self.progress.remove(trial);
        self.advances.remove(trial);
    }
}
