//! What goes on, as values for the terminal and for `ListSweeps` and `ListWorkers`.

use std::collections::{BTreeMap, VecDeque};

use domain::{FailureKind, MetricName, Outcome, Reconstruction, SweepName, TrialId, TrialState};
use sweep_engine::{Effect, Event, State, SweepCounts, WorkerInfo};

/// Ended trials and failed attempts that a snapshot tells of: enough for a screen.
const RECENT: usize = 64;

/// One sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepProgress {
    /// Its name.
    pub name: SweepName,
    /// Its trials by state.
    pub counts: SweepCounts,
    /// Whether its trials are handed out (a coordinator that serves until done rests the others).
    pub is_active: bool,
    /// A person paused it.
    pub is_paused: bool,
}

/// One leased trial.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningTrialStatus {
    /// The trial.
    pub trial: TrialId,
    /// From 1.
    pub attempt: u32,
    /// Name of its worker.
    pub worker: String,
    /// Epochs done.
    pub epoch: u32,
    /// Epochs in all; 0 for a model without, or before the first heartbeat.
    pub epochs: u32,
    /// Loss per cell of the last epoch.
    pub loss_per_cell: Option<f64>,
    /// `data`, `train` or `evaluate`; empty before the first heartbeat. Hostile: from a worker.
    pub phase: String,
}

/// One registered worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Who it is. Hostile: from a worker.
    pub info: WorkerInfo,
    /// Leases that it holds.
    pub running: u32,
    /// Since it was heard of last.
    pub silent_ms: u64,
}

/// A trial that ended since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedTrial {
    /// The trial.
    pub trial: TrialId,
    /// How it ended.
    pub state: TrialState,
    /// How well it reconstructs, if it has a number for that.
    pub reconstruction: Option<(MetricName, f64)>,
    /// Its agreement with the labels, if it has one.
    pub latent_kmeans_ari: Option<f64>,
    /// Number of its end since the start, from 1: a reader that knows the last one it saw misses none twice.
    pub number: u64,
}

/// An attempt that failed since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// The trial.
    pub trial: TrialId,
    /// From 1.
    pub attempt: u32,
    /// Why.
    pub kind: FailureKind,
    /// Words for people. Hostile: from a worker.
    pub message: String,
    /// Name of the worker.
    pub worker: String,
    /// Number of the failure since the start, from 1.
    pub number: u64,
}

/// What goes on now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProgressSnapshot {
    /// Every sweep, in the order of first submission.
    pub sweeps: Vec<SweepProgress>,
    /// Leased trials.
    pub running: Vec<RunningTrialStatus>,
    /// Registered workers, by session.
    pub workers: Vec<WorkerStatus>,
    /// The last trials that ended, oldest first.
    pub ended: Vec<EndedTrial>,
    /// The last attempts that failed, oldest first.
    pub failed_attempts: Vec<FailedAttempt>,
    /// No new leases are given.
    pub is_draining: bool,
    /// The coordinator serves until its sweeps have ended, and they have.
    pub is_finished: bool,
    /// Why the record cannot be written now; nothing is handed out meanwhile.
    pub store_problem: Option<String>,
}

/// What has ended lately.
#[derive(Debug, Default)]
pub(super) struct Recent {
    ended: VecDeque<EndedTrial>,
    failed_attempts: VecDeque<FailedAttempt>,
    ended_count: u64,
    failed_count: u64,
}

/// The first that it has of the metrics that say how well a model reconstructs.
fn reconstruction(outcome: &Outcome) -> Option<(MetricName, f64)> {
    let kinds = [Reconstruction::SquaredError, Reconstruction::NegativeBinomial];
    kinds.into_iter().flat_map(Reconstruction::metrics).find_map(|name| Some((name, outcome.metric(name)?)))
}

impl Recent {
    /// Takes note of what one batch did.
    pub(super) fn note(&mut self, events: &[Event], effects: &[Effect]) {
        let outcomes: BTreeMap<TrialId, &Outcome> = events.iter().filter_map(outcome_of).collect();
        for effect in effects {
            match effect {
                Effect::TrialEnded { trial, state } => {
                    let outcome = outcomes.get(trial);
                    self.ended_count += 1;
                    let ended = EndedTrial {
                        trial: *trial,
                        state: *state,
                        reconstruction: outcome.and_then(|known| reconstruction(known)),
                        latent_kmeans_ari: outcome
                            .and_then(|known| known.metric(MetricName::LatentKmeansAri)),
                        number: self.ended_count,
                    };
                    push_bounded(&mut self.ended, ended);
                }
                Effect::AttemptFailed { trial, attempt, kind, message, worker } => {
                    self.failed_count += 1;
                    let failed = FailedAttempt {
                        trial: *trial,
                        attempt: *attempt,
                        kind: *kind,
                        message: message.clone(),
                        worker: worker.clone(),
                        number: self.failed_count,
                    };
                    push_bounded(&mut self.failed_attempts, failed);
                }
                Effect::WorkerJoined { .. }
                | Effect::WorkerLeft { .. }
                | Effect::CheckpointObsolete { .. }
                | Effect::WorkerDisobeys { .. } => {}
            }
        }
    }
}

fn outcome_of(event: &Event) -> Option<(TrialId, &Outcome)> {
    match event {
        Event::OutcomeAccepted { trial, outcome, .. } => Some((*trial, outcome)),
        _ => None,
    }
}

fn push_bounded<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == RECENT {
        list.pop_front();
    }
    list.push_back(item);
}

pub(super) fn snapshot(
    state: &State,
    recent: &Recent,
    now_ms: u64,
    store_problem: Option<String>,
) -> ProgressSnapshot {
    let sweeps = state.record().sweeps.iter().map(|sweep| SweepProgress {
        name: sweep.name.clone(),
        counts: state.counts(sweep),
        is_active: state.is_active(sweep),
        is_paused: sweep.is_paused,
    });
    let running: Vec<RunningTrialStatus> = state
        .leases()
        .map(|(entry, worker)| {
            let progress = state.progress(&entry.trial.id);
            RunningTrialStatus {
                trial: entry.trial.id,
                attempt: entry.attempts,
                worker: worker.to_owned(),
                epoch: progress.map_or(0, |known| known.epoch),
                epochs: progress.map_or(0, |known| known.epochs),
                loss_per_cell: progress.and_then(|known| known.loss_per_cell),
                phase: progress.map_or_else(String::new, |known| known.phase.clone()),
            }
        })
        .collect();
    let mut held: BTreeMap<&str, u32> = BTreeMap::new();
    for trial in &running {
        *held.entry(&trial.worker).or_insert(0) += 1;
    }
    let workers = state.sessions().map(|(_, session)| WorkerStatus {
        info: session.worker.clone(),
        running: held.get(session.worker.name.as_str()).copied().unwrap_or(0),
        silent_ms: now_ms.saturating_sub(session.heard_ms),
    });
    ProgressSnapshot {
        sweeps: sweeps.collect(),
        workers: workers.collect(),
        ended: recent.ended.iter().cloned().collect(),
        failed_attempts: recent.failed_attempts.iter().cloned().collect(),
        is_draining: state.is_draining(),
        is_finished: state.is_finished(),
        store_problem,
        running,
    }
}
