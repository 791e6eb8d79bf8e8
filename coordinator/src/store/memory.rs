//! A store without a disk, for tests: the events in a list, everything else folded from them when asked for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::{Outcome, OutcomeStatus, SweepName, Trial, TrialId, TrialState};
use sweep_engine::Event;

use super::records::{AttemptFailure, SweepData, SweepRecord, TrialRecord};
use super::{Store, StoreError};

/// Forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    events: Mutex<Vec<Event>>,
}

impl MemoryStore {
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> Result<Tables, StoreError> {
        let mut tables = Tables::default();
        self.events().iter().enumerate().try_for_each(|(position, event)| tables.add(position, event))?;
        Ok(tables)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn append(&self, _at_ms: i64, events: &[Event]) -> Result<(), StoreError> {
        self.events().extend_from_slice(events);
        Ok(())
    }

    async fn replay(&self) -> Result<Vec<Event>, StoreError> {
        Ok(self.events().clone())
    }

    async fn load_sweep(&self, name: &SweepName) -> Result<Option<SweepData>, StoreError> {
        let tables = self.tables()?;
        let Some((sweep, members)) = tables.sweeps.iter().find(|(sweep, _)| sweep.name == *name) else {
            return Ok(None);
        };
        let rows = members.iter().filter_map(|trial| tables.trials.get(trial));
        let trials = rows.enumerate().map(|(ordinal, row)| TrialRecord {
            ordinal: ordinal as u64,
            trial: row.trial.clone(),
            state: row.state,
            attempts: row.attempts,
            outcome: row.outcome.clone(),
            failures: row.failures.clone(),
        });
        Ok(Some(SweepData { sweep: sweep.clone(), trials: trials.collect() }))
    }

    async fn list_sweeps(&self) -> Result<Vec<SweepRecord>, StoreError> {
        Ok(self.tables()?.sweeps.into_iter().map(|(sweep, _)| sweep).collect())
    }

    async fn close(&self) {}
}

struct Row {
    trial: Trial,
    state: TrialState,
    attempts: u32,
    outcome: Option<Outcome>,
    failures: Vec<AttemptFailure>,
}

#[derive(Default)]
struct Tables {
    sweeps: Vec<(SweepRecord, Vec<TrialId>)>,
    trials: BTreeMap<TrialId, Row>,
}

impl Tables {
    fn add(&mut self, position: usize, event: &Event) -> Result<(), StoreError> {
        match event {
            Event::TrialAdded { trial } => {
                let row = Row {
                    trial: trial.clone(),
                    state: TrialState::Pending,
                    attempts: 0,
                    outcome: None,
                    failures: Vec::new(),
                };
                self.trials.entry(trial.id).or_insert(row);
            }
            Event::SweepSubmitted { about, trials, .. } => self.submit(position, about, trials)?,
            Event::TrialCancelled { trial } => self.change(trial, |row| row.state = TrialState::Cancelled),
            Event::TrialRevived { trial } | Event::TrialRetried { trial } => {
                self.change(trial, |row| row.state = TrialState::Pending)
            }
            Event::SweepPaused { .. } | Event::SweepResumed { .. } => {}
            Event::LeaseGranted { trial, attempt, .. } => self.change(trial, |row| {
                row.state = TrialState::Leased;
                row.attempts = *attempt;
            }),
            Event::AttemptFailed { trial, attempt, kind, message, worker, next, .. } => {
                self.change(trial, |row| {
                    row.state = *next;
                    row.failures.push(AttemptFailure {
                        attempt: *attempt,
                        kind: *kind,
                        message: message.clone(),
                        worker: worker.clone(),
                    });
                })
            }
            Event::OutcomeAccepted { trial, outcome, .. } => self.change(trial, |row| {
                row.state = match outcome.status {
                    OutcomeStatus::Done => TrialState::Done,
                    OutcomeStatus::Diverged => TrialState::Diverged,
                };
                row.outcome = Some((**outcome).clone());
            }),
        }
        Ok(())
    }

    fn change(&mut self, trial: &TrialId, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.trials.get_mut(trial) {
            change(row);
        }
    }

    fn submit(&mut self, position: usize, about: &str, trials: &[TrialId]) -> Result<(), StoreError> {
        let unreadable = |error: serde_json::Error| StoreError::Unreadable {
            seq: i64::try_from(position).unwrap_or(i64::MAX),
            problem: error.to_string(),
        };
        let mut record: SweepRecord = serde_json::from_str(about).map_err(unreadable)?;
        if let Some(known) = self.sweeps.iter().position(|(known, _)| known.name == record.name) {
            record.created_ms = self.sweeps.remove(known).0.created_ms;
        }
        self.sweeps.push((record, trials.to_vec()));
        Ok(())
    }
}
