//! The leaderboard as CSV, one line a config or a trial.

use std::collections::BTreeSet;

use domain::metric::MetricName;
use serde_json::Value;

use super::{Comparison, Leaderboard, metric_of, text};
use crate::store::records::{SweepData, TrialRecord};

/// One line a config: rank, parameters, counts, then `NAME_mean`, `_sd`, `_ci95_low`, `_ci95_high` of every metric, then
/// the places that it could truly have, its groups and what its loss measures.
/// Cells are empty where there is nothing to say.
#[must_use]
pub fn rows_csv(board: &Leaderboard) -> String {
    let params = param_names(board.rows.iter().map(|row| row.params.as_slice()));
    let has = |name: &MetricName| board.rows.iter().any(|row| row.metric(*name).is_some());
    let metrics: Vec<MetricName> = MetricName::ALL.iter().copied().filter(has).collect();

    let mut lines = Lines::new();
    let mut head: Vec<String> = ["rank", "model", "config_id"].map(str::to_owned).to_vec();
    head.extend(params.iter().cloned());
    head.extend(["n", "done", "diverged", "failed", "poisoned", "cancelled", "pending"].map(str::to_owned));
    for metric in &metrics {
        head.extend(["mean", "sd", "ci95_low", "ci95_high"].map(|part| format!("{metric}_{part}")));
    }
    head.extend(["place_first", "place_last", "groups", "loss"].map(str::to_owned));
    lines.push(&head);
    for row in &board.rows {
        let mut cells = vec![optional(row.rank), row.model.name().to_owned(), row.config_id.to_string()];
        cells.extend(params.iter().map(|name| param_cell(&row.params, name)));
        cells.extend([row.n, row.counts.done].map(|n| n.to_string()));
        cells.extend(row.counts.not_done().map(|(_, n)| n.to_string()));
        for metric in &metrics {
            let summary = row.metric(*metric);
            let interval = summary.and_then(|s| s.ci95);
            cells.extend([
                optional(summary.map(|s| s.mean)),
                optional(summary.and_then(|s| s.sd)),
                optional(interval.map(|(low, _)| low)),
                optional(interval.map(|(_, high)| high)),
            ]);
        }
        cells.extend([
            optional(row.places.map(|places| places.0)),
            optional(row.places.map(|places| places.1)),
        ]);
        cells.extend([row.groups.clone().unwrap_or_default(), row.loss.to_owned()]);
        lines.push(&cells);
    }
    lines.text()
}

/// One line a trial: who it is, where it stands, every metric, and why it failed if it did.
#[must_use]
pub fn trials_csv(board: &Leaderboard, data: &SweepData) -> String {
    let params = param_names(board.trials.iter().map(|row| row.params.as_slice()));
    let record_of = |position: usize| -> &TrialRecord { &data.trials[position] };
    let has = |name: &MetricName| {
        board.trials.iter().any(|row| metric_of(record_of(row.position), *name).is_some())
    };
    let metrics: Vec<MetricName> = MetricName::ALL.iter().copied().filter(has).collect();

    let mut lines = Lines::new();
    let mut head: Vec<String> =
        ["rank", "ordinal", "trial_id", "config_id", "model", "seed", "state", "attempts"]
            .map(str::to_owned)
            .to_vec();
    head.extend(params.iter().cloned());
    head.extend(metrics.iter().map(ToString::to_string));
    head.extend(
        ["worker", "host", "device", "isa", "engine", "version", "failure", "message"].map(str::to_owned),
    );
    lines.push(&head);
    for row in &board.trials {
        let record = record_of(row.position);
        let mut cells = vec![
            optional(row.rank),
            record.ordinal.to_string(),
            record.trial.id.to_string(),
            record.trial.config_id.to_string(),
            record.trial.config.model.kind().name().to_owned(),
            record.trial.seed.to_string(),
            record.state.name().to_owned(),
            record.attempts.to_string(),
        ];
        cells.extend(params.iter().map(|name| param_cell(&row.params, name)));
        cells.extend(metrics.iter().map(|name| optional(metric_of(record, *name))));
        let environment =
            record.outcome.as_ref().map(|outcome| outcome.environment.clone()).unwrap_or_default();
        let words = [
            environment.worker,
            environment.host,
            environment.device,
            environment.isa,
            environment.engine,
            environment.version,
        ];
        cells.extend(words.iter().map(|word| text::csv_cell(word)));
        let failure = record.failures.last();
        cells.push(failure.map(|failure| failure.kind.name().to_owned()).unwrap_or_default());
        cells.push(failure.map(|failure| text::csv_cell(&failure.message)).unwrap_or_default());
        lines.push(&cells);
    }
    lines.text()
}

/// One line a pair of configs and metric: what a paper needs to say of a difference. Positive differences mean that the first
/// has the larger mean.
#[must_use]
pub fn comparisons_csv(comparisons: &[&Comparison]) -> String {
    const HEAD: [&str; 25] = [
        "metric",
        "loss",
        "first",
        "second",
        "first_config_id",
        "second_config_id",
        "n",
        "mean_difference",
        "sd",
        "ci95_low",
        "ci95_high",
        "bootstrap_bca95_low",
        "bootstrap_bca95_high",
        "p_sign_flip",
        "p_holm",
        "smallest_p",
        "pairs_in_family",
        "p_wilcoxon",
        "d_z",
        "g_z",
        "rank_biserial",
        "told_apart",
        "better",
        "seeds",
        "incomplete_seeds",
    ];
    let mut lines = Lines::new();
    lines.push(&HEAD.map(str::to_owned));
    for comparison in comparisons {
        let pairs = comparison
            .family
            .iter()
            .flat_map(|family| family.comparisons.iter().map(move |pair| (family, pair)));
        pairs.for_each(|(family, pair)| lines.push(&pair_cells(comparison, family, pair)));
    }
    lines.text()
}

fn pair_cells(comparison: &Comparison, family: &stats::Family, pair: &stats::Comparison) -> Vec<String> {
    let (first, second) = (&comparison.members[pair.first], &comparison.members[pair.second]);
    let (summary, bootstrap) = (pair.difference, comparison.bootstrap(pair));
    let interval = summary.and_then(|summary| summary.ci95);
    let bca = bootstrap.and_then(|bootstrap| bootstrap.bca);
    let is_told = pair.verdict != stats::Verdict::NotTold;
    let better = comparison.better(pair).map(|better| comparison.members[better].label.as_str());
    let seeds = |seeds: &[u64]| seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    vec![
        comparison.metric.to_string(),
        comparison.loss.unwrap_or_default().to_owned(),
        text::csv_cell(&first.label),
        text::csv_cell(&second.label),
        first.config_id.to_string(),
        second.config_id.to_string(),
        optional(summary.map(|s| s.n)),
        optional(summary.map(|s| s.mean)),
        optional(summary.and_then(|s| s.sd)),
        optional(interval.map(|(low, _)| low)),
        optional(interval.map(|(_, high)| high)),
        optional(bca.map(|(low, _)| low)),
        optional(bca.map(|(_, high)| high)),
        optional(pair.test.map(|test| test.p)),
        optional(pair.corrected_p),
        optional(pair.test.map(|test| test.smallest_p)),
        family.tests.to_string(),
        optional(pair.wilcoxon.map(|test| test.p)),
        optional(pair.effect.d_z),
        optional(pair.effect.g_z),
        optional(pair.effect.rank_biserial),
        if is_told { "yes" } else { "no" }.to_owned(),
        text::csv_cell(better.unwrap_or_default()),
        seeds(&pair.paired.seeds),
        seeds(&pair.paired.incomplete),
    ]
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Names of all parameters, in the order in which the rows have them.
fn param_names<'a>(rows: impl Iterator<Item = &'a [(String, Value)]>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for (name, _) in rows.flatten() {
        if seen.insert(name.clone()) {
            names.push(name.clone());
        }
    }
    names
}

fn param_cell(params: &[(String, Value)], name: &str) -> String {
    let value = params.iter().find(|(param, _)| param == name).map(|(_, value)| value);
    match value {
        None => String::new(),
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => text::csv_cell(&text::value(other)),
    }
}

/// Lines of CSV in memory.
struct Lines {
    writer: csv::Writer<Vec<u8>>,
}

impl Lines {
    fn new() -> Self {
        Self { writer: csv::Writer::from_writer(Vec::new()) }
    }

    fn push(&mut self, cells: &[String]) {
        self.writer
            .write_record(cells)
            .expect("memory takes every line, and all lines have the cells of the first");
    }

    fn text(self) -> String {
        let bytes = self.writer.into_inner().expect("memory takes every line");
        String::from_utf8(bytes).expect("every cell is text")
    }
}
