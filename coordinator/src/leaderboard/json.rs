//! The leaderboard as JSON, schema 1. Only add to it.

use serde_json::{Map, Value, json};

use super::{ConfigRow, Leaderboard, TrialRow};
use crate::store::records::SweepData;

/// Version of the JSON that others read.
const SCHEMA: u32 = 1;

/// `{"schema":1,"sweep":…,"ranked_by":…,"rows":[…]}`, a row a config, or a row a trial with `per_trial`.
#[must_use]
pub fn json(board: &Leaderboard, data: &SweepData, per_trial: bool) -> Value {
    let rows = if per_trial { trials_json(board, data) } else { rows_json(board) };
    json!({
        "schema": SCHEMA,
        "sweep": board.sweep,
        "ranked_by": {"metric": board.metric, "direction": board.metric.direction()},
        "rows": rows,
    })
}

/// One object a config. `sd` and `ci95` are null for fewer than two values.
#[must_use]
pub fn rows_json(board: &Leaderboard) -> Vec<Value> {
    board.rows.iter().map(config_json).collect()
}

fn config_json(row: &ConfigRow) -> Value {
    let metrics: Map<String, Value> = row
        .metrics
        .iter()
        .map(|(name, summary)| {
            let interval = summary.ci95.map(|(low, high)| [low, high]);
            let value = json!({"mean": summary.mean, "sd": summary.sd, "ci95": interval, "n": summary.n});
            (name.to_string(), value)
        })
        .collect();
    let mut counts: Map<String, Value> =
        row.counts.not_done().iter().map(|(name, n)| ((*name).to_owned(), json!(n))).collect();
    counts.insert("done".to_owned(), json!(row.counts.done));
    json!({
        "rank": row.rank,
        "model": row.model,
        "params": params_json(&row.params),
        "n": row.n,
        "metrics": metrics,
        "config_id": row.config_id,
        "label": row.label,
        "deterministic": row.deterministic,
        "counts": counts,
    })
}

/// One object a trial, its metrics as plain numbers. Where it ran is left out: two runs of a sweep compare equal, times
/// and memory aside.
#[must_use]
pub fn trials_json(board: &Leaderboard, data: &SweepData) -> Vec<Value> {
    board.trials.iter().map(|row| trial_json(row, data)).collect()
}

fn trial_json(row: &TrialRow, data: &SweepData) -> Value {
    let record = &data.trials[row.position];
    let metrics: Map<String, Value> = record
        .outcome
        .as_ref()
        .map(|outcome| outcome.metrics.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|metric| (metric.name.to_string(), json!(metric.value)))
        .collect();
    json!({
        "rank": row.rank,
        "trial": record.trial.id,
        "config_id": record.trial.config_id,
        "ordinal": record.ordinal,
        "model": record.trial.config.model.kind(),
        "params": params_json(&row.params),
        "label": row.label,
        "seed": record.trial.seed,
        "deterministic": row.deterministic,
        "state": record.state,
        "attempts": record.attempts,
        "metrics": metrics,
    })
}

fn params_json(params: &[(String, Value)]) -> Map<String, Value> {
    params.iter().cloned().collect()
}
