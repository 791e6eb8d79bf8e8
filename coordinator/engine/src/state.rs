//! The state: a durable record, changed by events alone, and a volatile half that a restart forgets.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{LeaseNonce, SessionId};
use domain::outcome::CheckpointRef;
use domain::{FailureKind, SweepName, Trial, TrialId, TrialState};

use crate::event::Event;
use crate::input::LeaseKey;
use crate::volatile::{Advance, Progress, Session, Touch, Volatile};

/// Until when the coordinator serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For ever, every sweep of the state folder.
    Serve,
    /// Until the sweeps that were submitted since its start have ended; others rest.
    UntilDone,
}

/// What does not change while the coordinator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How often workers send a heartbeat.
    pub heartbeat_ms: u64,
    /// How long a lease lives without one.
    pub lease_ttl_ms: u64,
    /// How long a trial may go without an epoch, at least; and how long a worker may take to stop one.
    pub no_progress_ms: u64,
    /// Until when it serves.
    pub mode: Mode,
}

/// A sweep and its trials in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Its name.
    pub name: SweepName,
    /// Its trials by ordinal.
    pub trials: Vec<TrialId>,
    /// Whether a person wants its trials not to be handed out for now.
    pub is_paused: bool,
}

/// Who holds or held the last lease of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Proof.
    pub nonce: LeaseNonce,
    /// The worker's name.
    pub worker: String,
}

/// A trial and its history as far as decisions need it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialEntry {
    /// What it is.
    pub trial: Trial,
    /// Where it stands.
    pub state: TrialState,
    /// Attempts begun; only grows.
    pub attempts: u32,
    /// Holder of attempt number `attempts`; the live lease exactly when `state` is `Leased`.
    pub last: Option<Holding>,
    /// Failures by kind, `Returned` not counted.
    pub failures: BTreeMap<FailureKind, u32>,
    /// Workers on which it failed in a way that counts.
    pub failed_on: BTreeSet<String>,
    /// Workers that were lost while they ran it.
    pub lost_by: BTreeSet<String>,
    /// How the last attempt ended, where it ended without an outcome and there was none since.
    pub last_failure: Option<FailureKind>,
    /// Where the next attempt begins, or the live one began; `None`: at the start.
    pub checkpoint: Option<CheckpointRef>,
    /// Sweeps that it is part of.
    pub memberships: u32,
}

impl TrialEntry {
    const fn new(trial: Trial) -> Self {
        Self {
            trial,
            state: TrialState::Pending,
            attempts: 0,
            last: None,
            failures: BTreeMap::new(),
            failed_on: BTreeSet::new(),
            lost_by: BTreeSet::new(),
            last_failure: None,
            checkpoint: None,
            memberships: 0,
        }
    }

    /// Failures of one kind so far.
    #[must_use]
    pub fn failures_of(&self, kind: FailureKind) -> u32 {
        self.failures.get(&kind).copied().unwrap_or(0)
    }

    /// Whether `key` names the last attempt, live or not.
    #[must_use]
    pub fn is_last_attempt(&self, key: &LeaseKey) -> bool {
        self.attempts == key.attempt && self.last.as_ref().is_some_and(|last| last.nonce == key.nonce)
    }

    /// Name of the worker that holds a live lease.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        let last = self.last.as_ref().filter(|_| self.state == TrialState::Leased);
        last.map(|holding| holding.worker.as_str())
    }
}

/// The durable half: a function of the events alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Sweeps in the order of their first submission.
    pub sweeps: Vec<Sweep>,
    /// All trials ever added.
    pub trials: BTreeMap<TrialId, TrialEntry>,
}

impl Record {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::TrialAdded { trial } => {
                self.trials.entry(trial.id).or_insert_with(|| TrialEntry::new(trial.clone()));
            }
            Event::SweepSubmitted { sweep, trials, about: _ } => self.replace_members(sweep, trials),
            Event::TrialCancelled { trial } => self.end(trial, TrialState::Cancelled),
            Event::TrialRevived { trial } => self.set_state(trial, TrialState::Pending),
            Event::TrialRetried { trial } => {
                if let Some(entry) = self.trials.get_mut(trial) {
                    entry.state = TrialState::Pending;
                    entry.failures.clear();
                    entry.failed_on.clear();
                    entry.lost_by.clear();
                }
            }
            Event::SweepPaused { sweep } => self.set_paused(sweep, true),
            Event::SweepResumed { sweep } => self.set_paused(sweep, false),
            Event::LeaseGranted { trial, attempt, nonce, worker } => {
                if let Some(entry) = self.trials.get_mut(trial) {
                    entry.state = TrialState::Leased;
                    entry.attempts = *attempt;
                    entry.last = Some(Holding { nonce: *nonce, worker: worker.clone() });
                    entry.last_failure = None;
                }
            }
            Event::AttemptFailed { trial, kind, worker, next, checkpoint, .. } => {
                if let Some(entry) = self.trials.get_mut(trial) {
                    record_failure(entry, *kind, worker);
                    entry.state = *next;
                    entry.last_failure = Some(*kind);
                    entry.checkpoint = *checkpoint;
                }
            }
            Event::OutcomeAccepted { trial, outcome, .. } => {
                let state = match outcome.status {
                    domain::OutcomeStatus::Done => TrialState::Done,
                    domain::OutcomeStatus::Diverged => TrialState::Diverged,
                };
                self.end(trial, state);
            }
        }
    }

    fn end(&mut self, trial: &TrialId, state: TrialState) {
        if let Some(entry) = self.trials.get_mut(trial) {
            entry.state = state;
            entry.checkpoint = None;
        }
    }

    fn set_paused(&mut self, name: &SweepName, is_paused: bool) {
        if let Some(sweep) = self.sweeps.iter_mut().find(|sweep| sweep.name == *name) {
            sweep.is_paused = is_paused;
        }
    }

    fn set_state(&mut self, trial: &TrialId, state: TrialState) {
        if let Some(entry) = self.trials.get_mut(trial) {
            entry.state = state;
        }
    }

    fn replace_members(&mut self, name: &SweepName, members: &[TrialId]) {
        let known = self.sweeps.iter().position(|sweep| sweep.name == *name);
        let position = known.unwrap_or_else(|| {
            self.sweeps.push(Sweep { name: name.clone(), trials: Vec::new(), is_paused: false });
            self.sweeps.len() - 1
        });
        let before = std::mem::replace(&mut self.sweeps[position].trials, members.to_vec());
        for trial in before {
            if let Some(entry) = self.trials.get_mut(&trial) {
                entry.memberships = entry.memberships.saturating_sub(1);
            }
        }
        for trial in members {
            if let Some(entry) = self.trials.get_mut(trial) {
                entry.memberships += 1;
            }
        }
    }
}

fn record_failure(entry: &mut TrialEntry, kind: FailureKind, worker: &str) {
    if kind == FailureKind::Returned {
        return;
    }
    *entry.failures.entry(kind).or_insert(0) += 1;
    if kind.counts_as_attempt() {
        entry.failed_on.insert(worker.to_owned());
    }
    if kind == FailureKind::WorkerLost {
        entry.lost_by.insert(worker.to_owned());
    }
}

/// Trials of one sweep by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepCounts {
    /// Wait for a worker.
    pub pending: u64,
    /// Held by a worker.
    pub leased: u64,
    /// Ended with numbers.
    pub done: u64,
    /// Ended with a loss that exploded.
    pub diverged: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Ended because they took workers down.
    pub poisoned: u64,
    /// Ended because a person said so.
    pub cancelled: u64,
}

impl SweepCounts {
    /// One more trial in this state.
    pub const fn add(&mut self, state: TrialState) {
        let count = match state {
            TrialState::Pending => &mut self.pending,
            TrialState::Leased => &mut self.leased,
            TrialState::Done => &mut self.done,
            TrialState::Diverged => &mut self.diverged,
            TrialState::Failed => &mut self.failed,
            TrialState::Poisoned => &mut self.poisoned,
            TrialState::Cancelled => &mut self.cancelled,
        };
        *count += 1;
    }

    /// All trials.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.pending + self.leased + self.ended()
    }

    /// Trials to which nothing more happens by itself.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.done + self.diverged + self.failed + self.poisoned + self.cancelled
    }
}

/// Everything that decisions are made from.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    settings: Settings,
    record: Record,
    pub(crate) volatile: Volatile,
}

impl State {
    /// An empty one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, record: Record::default(), volatile: Volatile::default() }
    }

    /// The state after a restart: every event again, then one fresh time to live for every live lease, so that running
    /// trials are adopted and not restarted.
    #[must_use]
    pub fn replay<'a>(settings: Settings, events: impl IntoIterator<Item = &'a Event>, now_ms: u64) -> Self {
        let mut state = Self::new(settings);
        for event in events {
            state.apply(event);
        }
        state.grant_grace(now_ms);
        state
    }

    /// The state after the store refused to write: the record is read again, as after a restart; workers stay
    /// registered, and what a person said about this run still holds.
    pub fn recover<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>, now_ms: u64) {
        let fresh = Self::replay(self.settings, events, now_ms);
        self.record = fresh.record;
        self.volatile.deadlines = fresh.volatile.deadlines;
        self.volatile.held_back = fresh.volatile.held_back;
        self.volatile.progress = fresh.volatile.progress;
        self.volatile.advances = fresh.volatile.advances;
    }

    fn grant_grace(&mut self, now_ms: u64) {
        let leased = self.record.trials.iter().filter(|(_, entry)| entry.state == TrialState::Leased);
        let deadline = now_ms.saturating_add(self.settings.lease_ttl_ms);
        self.volatile.deadlines = leased.map(|(trial, _)| (*trial, deadline)).collect();
        let trials = self.volatile.deadlines.keys();
        self.volatile.advances = trials.map(|trial| (*trial, Advance::begin(now_ms))).collect();
    }

    /// Makes a recorded fact part of the state. The live path and replay are this one function.
    pub fn apply(&mut self, event: &Event) {
        self.record.apply(event);
        match event {
            Event::AttemptFailed { trial, .. }
            | Event::OutcomeAccepted { trial, .. }
            | Event::TrialCancelled { trial } => self.volatile.lease_ended(trial),
            Event::LeaseGranted { trial, .. }
            | Event::TrialRevived { trial }
            | Event::TrialRetried { trial } => {
                self.volatile.held_back.remove(trial);
            }
            Event::TrialAdded { .. }
            | Event::SweepSubmitted { .. }
            | Event::SweepPaused { .. }
            | Event::SweepResumed { .. } => {}
        }
    }

    /// Makes a volatile change.
    pub fn touch(&mut self, touch: &Touch) {
        self.volatile.touch(touch);
    }

    /// Its settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its durable half.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// One trial.
    #[must_use]
    pub fn trial(&self, trial: &TrialId) -> Option<&TrialEntry> {
        self.record.trials.get(trial)
    }

    /// One sweep.
    #[must_use]
    pub fn sweep(&self, name: &SweepName) -> Option<&Sweep> {
        self.record.sweeps.iter().find(|sweep| sweep.name == *name)
    }

    /// Registered workers.
    pub fn sessions(&self) -> impl Iterator<Item = (&SessionId, &Session)> {
        self.volatile.sessions.iter()
    }

    /// How far a leased trial is, once its worker has said so.
    #[must_use]
    pub fn progress(&self, trial: &TrialId) -> Option<&Progress> {
        self.volatile.progress.get(trial)
    }

    /// Live leases with the names of their holders.
    pub fn leases(&self) -> impl Iterator<Item = (&TrialEntry, &str)> {
        let live = self.volatile.deadlines.keys().filter_map(|trial| self.record.trials.get(trial));
        live.filter_map(|entry| entry.holder().map(|worker| (entry, worker)))
    }

    /// Whether this run of the coordinator is concerned with this sweep; a paused one is, though it rests.
    #[must_use]
    pub fn is_active(&self, sweep: &Sweep) -> bool {
        match self.settings.mode {
            Mode::Serve => true,
            Mode::UntilDone => self.volatile.active.contains(&sweep.name),
        }
    }

    /// Whether no new leases are given.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.volatile.is_draining
    }

    /// Whether the coordinator serves only until its sweeps have ended, and they have.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        if self.settings.mode == Mode::Serve {
            return false;
        }
        let active: Vec<&Sweep> = self.record.sweeps.iter().filter(|sweep| self.is_active(sweep)).collect();
        let mut trials = active.iter().flat_map(|sweep| &sweep.trials).filter_map(|trial| self.trial(trial));
        !active.is_empty() && trials.all(|entry| entry.state.is_terminal())
    }

    /// Trials of a sweep by state.
    #[must_use]
    pub fn counts(&self, sweep: &Sweep) -> SweepCounts {
        let mut counts = SweepCounts::default();
        let states = sweep.trials.iter().filter_map(|trial| self.trial(trial)).map(|entry| entry.state);
        states.for_each(|state| counts.add(state));
        counts
    }
}
