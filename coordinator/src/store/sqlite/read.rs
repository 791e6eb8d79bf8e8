//! Reading: each function sees one moment, in one transaction.

use std::collections::BTreeMap;
use std::path::Path;

use domain::{FailureKind, Outcome, SweepName, Trial, TrialState};
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Row, query, query_scalar};
use sweep_engine::{EVENT_VERSION, Event};

use super::classify;
use crate::store::StoreError;
use crate::store::records::{AttemptFailure, SweepData, SweepRecord, TrialRecord};

/// A failure to read that does not know its file yet.
pub(super) enum ReadError {
    Sql(sqlx::Error),
    Other(StoreError),
}

impl ReadError {
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Sql(error) => classify(path, &error),
            Self::Other(error) => error,
        }
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

fn unreadable(seq: i64, problem: impl ToString) -> StoreError {
    StoreError::Unreadable { seq, problem: problem.to_string() }
}

/// Whether the record can be read at all.
pub(super) async fn probe(readers: &SqlitePool) -> Result<(), sqlx::Error> {
    query_scalar::<_, i64>("SELECT count(*) FROM sweeps").fetch_one(readers).await.map(drop)
}

pub(super) async fn replay(readers: &SqlitePool) -> Result<Vec<Event>, ReadError> {
    let mut rows = query("SELECT seq, version, json FROM events ORDER BY seq").fetch(readers);
    let mut events = Vec::new();
    while let Some(row) = rows.try_next().await? {
        events.push(event_of(&row)?);
    }
    Ok(events)
}

/// The event in the columns `seq`, `version`, `json`.
fn event_of(row: &SqliteRow) -> Result<Event, ReadError> {
    let version: i64 = row.try_get("version")?;
    if version > i64::from(EVENT_VERSION) {
        return Err(StoreError::TooNew { found: version, known: EVENT_VERSION }.into());
    }
    let seq: i64 = row.try_get("seq")?;
    let json: &str = row.try_get("json")?;
    serde_json::from_str(json).map_err(|error| unreadable(seq, error).into())
}

pub(super) async fn list_sweeps(readers: &SqlitePool) -> Result<Vec<SweepRecord>, ReadError> {
    let rows =
        query("SELECT ordinal, created_ms, about FROM sweeps ORDER BY ordinal").fetch_all(readers).await?;
    rows.iter().map(sweep_of).collect()
}

fn sweep_of(row: &SqliteRow) -> Result<SweepRecord, ReadError> {
    let about: &str = row.try_get("about")?;
    let ordinal: i64 = row.try_get("ordinal")?;
    let mut record: SweepRecord = serde_json::from_str(about).map_err(|error| unreadable(ordinal, error))?;
    record.created_ms = row.try_get("created_ms")?;
    Ok(record)
}

pub(super) async fn load_sweep(
    readers: &SqlitePool,
    name: &SweepName,
) -> Result<Option<SweepData>, ReadError> {
    let mut transaction = readers.begin().await?;
    let sweep = query("SELECT ordinal, created_ms, about FROM sweeps WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(row) = sweep else { return Ok(None) };
    let sweep = sweep_of(&row)?;
    let mut outcomes = outcomes_of(&mut transaction, name).await?;
    let mut failures = failures_of(&mut transaction, name).await?;
    let rows = query(
        "SELECT m.ordinal, t.id, t.state, t.attempts, e.seq, e.version, e.json
         FROM sweep_trials m JOIN trials t ON t.id = m.trial_id JOIN events e ON e.seq = t.seq
         WHERE m.sweep = ? ORDER BY m.ordinal",
    )
    .bind(name.as_str())
    .fetch_all(&mut *transaction)
    .await?;
    let mut trials = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: String = row.try_get("id")?;
        let seq: i64 = row.try_get("seq")?;
        let state: &str = row.try_get("state")?;
        let ordinal: i64 = row.try_get("ordinal")?;
        trials.push(TrialRecord {
            ordinal: u64::try_from(ordinal).map_err(|error| unreadable(seq, error))?,
            trial: trial_of(row)?,
            state: TrialState::from_name(state)
                .ok_or_else(|| unreadable(seq, format!("no trial state {state:?}")))?,
            attempts: row.try_get("attempts")?,
            outcome: outcomes.remove(&id),
            failures: failures.remove(&id).unwrap_or_default(),
        });
    }
    Ok(Some(SweepData { sweep, trials }))
}

fn trial_of(row: &SqliteRow) -> Result<Trial, ReadError> {
    match event_of(row)? {
        Event::TrialAdded { trial } => Ok(trial),
        other => {
            Err(unreadable(row.try_get("seq")?, format!("a trial expected, {} found", other.kind())).into())
        }
    }
}

async fn outcomes_of(
    connection: &mut SqliteConnection,
    name: &SweepName,
) -> Result<BTreeMap<String, Outcome>, ReadError> {
    let mut rows = query(
        "SELECT o.trial_id, e.seq, e.version, e.json
         FROM sweep_trials m JOIN outcomes o ON o.trial_id = m.trial_id JOIN events e ON e.seq = o.seq
         WHERE m.sweep = ?",
    )
    .bind(name.as_str())
    .fetch(connection);
    let mut outcomes = BTreeMap::new();
    while let Some(row) = rows.try_next().await? {
        let outcome = match event_of(&row)? {
            Event::OutcomeAccepted { outcome, .. } => *outcome,
            other => {
                let problem = format!("an outcome expected, {} found", other.kind());
                return Err(unreadable(row.try_get("seq")?, problem).into());
            }
        };
        outcomes.insert(row.try_get("trial_id")?, outcome);
    }
    Ok(outcomes)
}

async fn failures_of(
    connection: &mut SqliteConnection,
    name: &SweepName,
) -> Result<BTreeMap<String, Vec<AttemptFailure>>, ReadError> {
    let rows = query(
        "SELECT a.trial_id, a.attempt, a.worker, a.failure, coalesce(a.message, '') AS message, t.seq
         FROM sweep_trials m JOIN attempts a ON a.trial_id = m.trial_id JOIN trials t ON t.id = m.trial_id
         WHERE m.sweep = ? AND a.failure IS NOT NULL ORDER BY a.trial_id, a.attempt",
    )
    .bind(name.as_str())
    .fetch_all(connection)
    .await?;
    let mut failures: BTreeMap<String, Vec<AttemptFailure>> = BTreeMap::new();
    for row in &rows {
        let kind: &str = row.try_get("failure")?;
        let seq: i64 = row.try_get("seq")?;
        let failure = AttemptFailure {
            attempt: row.try_get("attempt")?,
            kind: FailureKind::from_name(kind)
                .ok_or_else(|| unreadable(seq, format!("no failure kind {kind:?}")))?,
            message: row.try_get("message")?,
            worker: row.try_get("worker")?,
        };
        failures.entry(row.try_get("trial_id")?).or_default().push(failure);
    }
    Ok(failures)
}
