//! Appending: the event and what is derived from it, in one transaction.

use domain::{OutcomeStatus, TrialId, TrialState};
use sqlx::sqlite::{SqliteConnection, SqliteQueryResult};
use sqlx::{Connection, query, query_scalar};
use sweep_engine::{EVENT_VERSION, Event};

use crate::store::StoreError;

/// The JSON of each event.
pub(super) fn encode(events: &[Event]) -> Result<Vec<String>, StoreError> {
    let texts = events.iter().map(serde_json::to_string);
    texts.collect::<Result<_, _>>().map_err(|error| StoreError::Unstorable { problem: error.to_string() })
}

pub(super) async fn append(
    connection: &mut SqliteConnection,
    at_ms: i64,
    events: &[Event],
    rows: &[String],
) -> Result<(), sqlx::Error> {
    // Dropped without commit, the transaction is rolled back.
    let mut transaction = connection.begin().await?;
    for (event, json) in events.iter().zip(rows) {
        let seq: i64 =
            query_scalar("INSERT INTO events (at_ms, version, kind, json) VALUES (?, ?, ?, ?) RETURNING seq")
                .bind(at_ms)
                .bind(EVENT_VERSION)
                .bind(event.kind())
                .bind(json)
                .fetch_one(&mut *transaction)
                .await?;
        derive(&mut transaction, at_ms, seq, event).await?;
    }
    transaction.commit().await
}

async fn derive(
    connection: &mut SqliteConnection,
    at_ms: i64,
    seq: i64,
    event: &Event,
) -> Result<SqliteQueryResult, sqlx::Error> {
    match event {
        Event::TrialAdded { trial } => {
            query("INSERT OR IGNORE INTO trials (id, seq, state, attempts) VALUES (?, ?, 'pending', 0)")
                .bind(trial.id.to_string())
                .bind(seq)
                .execute(connection)
                .await
        }
        Event::SweepSubmitted { sweep, about, trials } => {
            submit_sweep(connection, at_ms, sweep.as_str(), about, trials).await
        }
        Event::TrialCancelled { trial } => {
            close_attempt(connection, at_ms, trial).await?;
            set_state(connection, trial, TrialState::Cancelled).await
        }
        Event::TrialRevived { trial } | Event::TrialRetried { trial } => {
            set_state(connection, trial, TrialState::Pending).await
        }
        // Only the engine asks whether a sweep rests, and it reads the events.
        Event::SweepPaused { .. } | Event::SweepResumed { .. } => Ok(SqliteQueryResult::default()),
        Event::LeaseGranted { trial, attempt, worker, nonce: _ } => {
            query("INSERT INTO attempts (trial_id, attempt, worker, began_ms) VALUES (?, ?, ?, ?)")
                .bind(trial.to_string())
                .bind(attempt)
                .bind(worker)
                .bind(at_ms)
                .execute(&mut *connection)
                .await?;
            query("UPDATE trials SET state = 'leased', attempts = ? WHERE id = ?")
                .bind(attempt)
                .bind(trial.to_string())
                .execute(connection)
                .await
        }
        Event::AttemptFailed { trial, attempt, kind, message, worker: _, next, checkpoint: _ } => {
            query("UPDATE attempts SET ended_ms = ?, failure = ?, message = ? WHERE trial_id = ? AND attempt = ?")
                .bind(at_ms)
                .bind(kind.name())
                .bind(message)
                .bind(trial.to_string())
                .bind(attempt)
                .execute(&mut *connection)
                .await?;
            set_state(connection, trial, *next).await
        }
        Event::OutcomeAccepted { trial, attempt, worker: _, outcome } => {
            let state = match outcome.status {
                OutcomeStatus::Done => TrialState::Done,
                OutcomeStatus::Diverged => TrialState::Diverged,
            };
            // The primary key refuses a second outcome, whatever else went wrong.
            query("INSERT INTO outcomes (trial_id, attempt, status, seq) VALUES (?, ?, ?, ?)")
                .bind(trial.to_string())
                .bind(attempt)
                .bind(state.name())
                .bind(seq)
                .execute(&mut *connection)
                .await?;
            close_attempt(connection, at_ms, trial).await?;
            set_state(connection, trial, state).await
        }
    }
}

async fn set_state(
    connection: &mut SqliteConnection,
    trial: &TrialId,
    state: TrialState,
) -> Result<SqliteQueryResult, sqlx::Error> {
    query("UPDATE trials SET state = ? WHERE id = ?")
        .bind(state.name())
        .bind(trial.to_string())
        .execute(connection)
        .await
}

/// The trial's open attempt, if there is one, ends now.
async fn close_attempt(
    connection: &mut SqliteConnection,
    at_ms: i64,
    trial: &TrialId,
) -> Result<SqliteQueryResult, sqlx::Error> {
    query("UPDATE attempts SET ended_ms = ? WHERE trial_id = ? AND ended_ms IS NULL")
        .bind(at_ms)
        .bind(trial.to_string())
        .execute(connection)
        .await
}

async fn submit_sweep(
    connection: &mut SqliteConnection,
    at_ms: i64,
    sweep: &str,
    about: &str,
    trials: &[TrialId],
) -> Result<SqliteQueryResult, sqlx::Error> {
    query(
        "INSERT INTO sweeps (name, ordinal, created_ms, about)
         VALUES (?1, (SELECT coalesce(max(ordinal), -1) + 1 FROM sweeps), coalesce(json_extract(?2, '$.created_ms'), ?3), ?2)
         ON CONFLICT (name) DO UPDATE SET about = excluded.about, ordinal = excluded.ordinal",
    )
    .bind(sweep)
    .bind(about)
    .bind(at_ms)
    .execute(&mut *connection)
    .await?;
    query("DELETE FROM sweep_trials WHERE sweep = ?").bind(sweep).execute(&mut *connection).await?;
    // One statement for a list of any length.
    let quoted: Vec<String> = trials.iter().map(|trial| format!("\"{trial}\"")).collect();
    query("INSERT INTO sweep_trials (sweep, ordinal, trial_id) SELECT ?, key, value FROM json_each(?)")
        .bind(sweep)
        .bind(format!("[{}]", quoted.join(",")))
        .execute(connection)
        .await
}
