//! The leaderboard as JSON, schema 1. Only add to it.

use serde_json::{Map, Value, json};

use super::{Comparison, ConfigRow, Leaderboard, TrialRow};
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
        "comparisons": board.comparisons.iter().map(comparison_json).collect::<Vec<_>>(),
        "rows": rows,
    })
}

/// What a comparison could tell at all; its pairs stand in the report.
pub(crate) fn comparison_json(comparison: &Comparison) -> Value {
    let family = comparison.family.as_ref();
    json!({
        "metric": comparison.metric,
        "loss": comparison.loss,
        "configs": comparison.members.len(),
        "test": "sign-flip, Holm over all pairs",
        "alpha": stats::ALPHA,
        "pairs": family.map(|family| family.tests),
        "common_seeds": comparison.common_seeds().map(|(fewest, most)| [fewest, most]),
        "smallest_corrected_p": family.map(|family| family.smallest_p),
        "seeds_needed": family.map(|family| stats::seeds_needed(family.tests)),
        "told_apart": family.map(|_| comparison.told().len()),
        "allows": comparison.allows(),
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
        "places": row.places.map(|(first, last)| [first, last]),
        "groups": row.groups.as_ref().map(|groups| groups.chars().collect::<Vec<_>>()),
        "loss": row.loss,
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
