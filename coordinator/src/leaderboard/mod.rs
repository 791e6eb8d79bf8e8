//! The leaderboard: configs ranked over their seeds, computed from one [`SweepData`] and nothing else, so that command
//! line and report show the same numbers.
//!
//! `comparison` says which configs can be told apart, `text` turns numbers and hostile strings into words, `filter` reads
//! `--filter`, `table`, `markdown`, `spreadsheet` and `json` write. Must not live here: the store, files, terminals.

mod comparison;
mod filter;
mod json;
mod markdown;
mod spreadsheet;
mod table;
pub mod text;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use domain::metric::{Direction, MetricName};
use domain::{ConfigId, ModelKind, Reconstruction, TrialState};
use serde_json::Value;
use stats::Summary;

pub(crate) use comparison::p_words;
pub use comparison::{Comparison, Member};
pub use filter::{Filter, FilterError};
pub(crate) use json::comparison_json;
pub use json::{json, rows_json, trials_json};
pub use markdown::{rows_markdown, trials_markdown};
pub use spreadsheet::{comparisons_csv, rows_csv, trials_csv};
pub use table::{TableOptions, direction_words, rows_table, trials_table};

use crate::store::records::{SweepData, TrialRecord};

/// What a person asked to see.
#[derive(Debug, Clone, Default)]
pub struct LeaderboardOptions {
    /// Rank by this; by default [`default_metric`].
    pub metric: Option<MetricName>,
    /// Keep only trials that pass all of these, before anything is counted.
    pub filters: Vec<Filter>,
    /// Show only so many rows, the best.
    pub top: Option<usize>,
}

/// Configs and trials of one sweep, ranked by one metric. A sweep has one data set and one input; where the metric is a
/// loss, configs whose losses measure different things are ranked apart.
#[derive(Debug, Clone)]
pub struct Leaderboard {
    /// The sweep's name.
    pub sweep: String,
    /// What the ranks are about.
    pub metric: MetricName,
    /// One row a config, best first; of a loss, one kind after the other.
    pub rows: Vec<ConfigRow>,
    /// One row a trial, in the same order.
    pub trials: Vec<TrialRow>,
    /// The configs with values against each other, one entry a kind of loss, or one in all; none for a metric that is no merit.
    pub comparisons: Vec<Comparison>,
    /// Parameters with one value wherever they exist; the labels leave them out.
    pub common: Vec<(String, Value)>,
    /// Rows that `top` cut off: configs, trials.
    pub hidden: (usize, usize),
}

impl Leaderboard {
    /// Whether there are two configs that could share a group.
    #[must_use]
    pub fn shows_groups(&self) -> bool {
        self.comparisons.iter().any(|one| one.members.len() > 1 && one.family.is_some())
    }

    /// Whether configs are ranked apart by what their loss measures.
    #[must_use]
    pub fn shows_losses(&self) -> bool {
        self.comparisons.len() > 1
    }

    /// What groups mean and what the number of seeds allows to claim.
    #[must_use]
    pub fn tie_notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.shows_groups() {
            notes.push(
                "Configs that share a letter cannot be told apart (paired sign-flip test over common seeds, Holm over all pairs, 0.05)."
                    .to_owned(),
            );
        }
        if self.shows_losses() {
            notes.push("Losses that measure different things are ranked apart.".to_owned());
        }
        let compared = self.comparisons.iter().filter(|one| one.members.len() > 1);
        notes.extend(compared.map(|one| match one.loss.filter(|_| self.shows_losses()) {
            Some(loss) => format!("{loss}: {}", one.allows()),
            None => one.allows(),
        }));
        notes
    }
}

/// How many trials of a config stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateCounts {
    /// With numbers.
    pub done: usize,
    /// Loss not finite or exploded.
    pub diverged: usize,
    /// Ended with an error.
    pub failed: usize,
    /// Took several workers down.
    pub poisoned: usize,
    /// Ended by a person.
    pub cancelled: usize,
    /// Waiting or running.
    pub open: usize,
}

impl StateCounts {
    /// The counts of these states.
    pub fn of(states: impl IntoIterator<Item = TrialState>) -> Self {
        let mut counts = Self::default();
        for state in states {
            let slot = match state {
                TrialState::Pending | TrialState::Leased => &mut counts.open,
                TrialState::Done => &mut counts.done,
                TrialState::Diverged => &mut counts.diverged,
                TrialState::Failed => &mut counts.failed,
                TrialState::Poisoned => &mut counts.poisoned,
                TrialState::Cancelled => &mut counts.cancelled,
            };
            *slot += 1;
        }
        counts
    }

    /// Name and number of every state but `done`, in the order in which people see them.
    #[must_use]
    pub fn not_done(&self) -> [(&'static str, usize); 5] {
        [
            ("diverged", self.diverged),
            ("failed", self.failed),
            ("poisoned", self.poisoned),
            ("cancelled", self.cancelled),
            ("pending", self.open),
        ]
    }

    /// `1 diverged, 2 pending`; empty when every trial is done.
    #[must_use]
    pub fn words(&self) -> String {
        let parts: Vec<String> =
            self.not_done().iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
        parts.join(", ")
    }
}

/// One config over its seeds.
#[derive(Debug, Clone)]
pub struct ConfigRow {
    /// From 1, equal for equal means; none without a value to rank by or for a metric that is no merit.
    pub rank: Option<usize>,
    /// First and last place that it could truly have, by what can be told apart.
    pub places: Option<(usize, usize)>,
    /// Letters of its groups: configs that share one cannot be told apart.
    pub groups: Option<String>,
    /// What its loss measures.
    pub loss: &'static str,
    /// Who it is.
    pub config_id: ConfigId,
    /// Its model.
    pub model: ModelKind,
    /// All its parameters.
    pub params: Vec<(String, Value)>,
    /// Model and the parameters that vary in this sweep.
    pub label: String,
    /// The seed changes nothing (PCA): one trial is all there is to measure.
    pub deterministic: bool,
    /// Trials that are done: what the summaries are over.
    pub n: usize,
    /// Where its trials stand.
    pub counts: StateCounts,
    /// Summaries over done trials, in the order of [`MetricName::ALL`].
    pub metrics: Vec<(MetricName, Summary)>,
    /// Positions of its trials in [`SweepData::trials`].
    pub trials: Vec<usize>,
}

impl ConfigRow {
    /// The summary of one metric.
    #[must_use]
    pub fn metric(&self, name: MetricName) -> Option<&Summary> {
        self.metrics.iter().find(|(metric, _)| *metric == name).map(|(_, summary)| summary)
    }
}

/// One trial.
#[derive(Debug, Clone)]
pub struct TrialRow {
    /// As in [`ConfigRow::rank`], over trials.
    pub rank: Option<usize>,
    /// Its position in [`SweepData::trials`].
    pub position: usize,
    /// Its config's label.
    pub label: String,
    /// Its config's parameters.
    pub params: Vec<(String, Value)>,
    /// The seed changes nothing.
    pub deterministic: bool,
}

/// The metric that ranks when a person names none: agreement of the latent codes where there are labels, else the error
/// of held-out cells where there are any, else that of all.
#[must_use]
pub fn default_metric(data: &SweepData) -> MetricName {
    let has = |name| done_trials(data).any(|trial| metric_of(trial, name).is_some());
    let has_labels = !data.sweep.dataset.label_classes.is_empty();
    let nothing_yet = done_trials(data).next().is_none();
    if has_labels && (nothing_yet || has(MetricName::LatentKmeansAri)) {
        MetricName::LatentKmeansAri
    } else if has(MetricName::ValidationSsePerCell) {
        MetricName::ValidationSsePerCell
    } else {
        let first = data.trials.first().map(|trial| trial.trial.config.model.kind().reconstruction());
        let [of_all, held_out] = first.unwrap_or(Reconstruction::SquaredError).metrics();
        if has(held_out) && !has(of_all) { held_out } else { of_all }
    }
}

fn done_trials(data: &SweepData) -> impl Iterator<Item = &TrialRecord> {
    data.trials.iter().filter(|trial| trial.state == TrialState::Done)
}

/// A done trial's value of a metric; what diverged is counted and shown but has no score.
#[must_use]
pub fn metric_of(trial: &TrialRecord, name: MetricName) -> Option<f64> {
    let outcome = trial.outcome.as_ref().filter(|_| trial.state == TrialState::Done)?;
    outcome.metric(name).filter(|value| value.is_finite())
}

/// The leaderboard of `data`.
///
/// # Errors
/// When a filter names a key that no trial has.
pub fn build(data: &SweepData, options: &LeaderboardOptions) -> Result<Leaderboard, FilterError> {
    let params: Vec<Vec<(String, Value)>> =
        data.trials.iter().map(|trial| trial.trial.config.params()).collect();
    let kept = filter::keep(data, &params, &options.filters)?;
    let metric = options.metric.unwrap_or_else(|| default_metric(data));
    let groups = group_by_config(data, &kept);
    let config_of = |position: usize| &data.trials[position].trial.config;
    let varying = domain::params::varying(groups.keys().map(|&first| config_of(first)));
    let common = common_params(groups.keys().map(|&first| params[first].as_slice()), &varying);

    let mut rows: Vec<ConfigRow> =
        groups.into_values().map(|positions| config_row(data, &params, &varying, positions)).collect();
    let losses = losses_in_order(&rows, metric);
    let mean = |row: &ConfigRow| row.metric(metric).map(|summary| summary.mean);
    let first_ordinal = |row: &ConfigRow| data.trials[row.trials[0]].ordinal;
    rows.sort_by(|a, b| {
        losses
            .place(a.loss)
            .cmp(&losses.place(b.loss))
            .then_with(|| best_first(metric, mean(a), mean(b)).then(first_ordinal(a).cmp(&first_ordinal(b))))
    });
    for kind in rows.chunk_by_mut(|a, b| losses.place(a.loss) == losses.place(b.loss)) {
        let ranks = shared_ranks(metric, kind.iter().map(mean));
        kind.iter_mut().zip(ranks).for_each(|(row, rank)| row.rank = rank);
    }
    let comparisons = comparison::compare_rows(data, metric, &losses, &mut rows);

    let mut trials: Vec<TrialRow> = kept
        .iter()
        .map(|&position| TrialRow {
            rank: None,
            position,
            label: config_of(position).label(&varying),
            params: params[position].clone(),
            deterministic: !config_of(position).model.kind().is_seeded(),
        })
        .collect();
    let value = |row: &TrialRow| metric_of(&data.trials[row.position], metric);
    let kind_of = |row: &TrialRow| losses.place(config_of(row.position).model.kind().loss());
    trials.sort_by(|a, b| {
        kind_of(a)
            .cmp(&kind_of(b))
            .then_with(|| best_first(metric, value(a), value(b)).then(a.position.cmp(&b.position)))
    });
    for kind in trials.chunk_by_mut(|a, b| kind_of(a) == kind_of(b)) {
        let ranks = shared_ranks(metric, kind.iter().map(value));
        kind.iter_mut().zip(ranks).for_each(|(row, rank)| row.rank = rank);
    }

    let top = options.top.unwrap_or(usize::MAX);
    let hidden = (rows.len().saturating_sub(top), trials.len().saturating_sub(top));
    rows.truncate(top);
    trials.truncate(top);
    Ok(Leaderboard { sweep: data.sweep.name.to_string(), metric, rows, trials, comparisons, common, hidden })
}

/// The leaderboard of all of `data` by one metric.
///
/// # Panics
/// Never: only filters can be wrong.
#[must_use]
pub fn of_metric(data: &SweepData, metric: MetricName) -> Leaderboard {
    let options = LeaderboardOptions { metric: Some(metric), ..LeaderboardOptions::default() };
    build(data, &options).expect("there are no filters to be wrong")
}

/// The kinds of loss that are ranked apart; one for a metric that is no loss.
struct Losses(Vec<&'static str>);

impl Losses {
    /// Which comes first.
    fn place(&self, loss: &str) -> usize {
        self.0.iter().position(|kind| *kind == loss).unwrap_or(0)
    }
}

fn losses_in_order(rows: &[ConfigRow], metric: MetricName) -> Losses {
    let mut kinds: Vec<&'static str> = Vec::new();
    for row in rows.iter().filter(|_| metric.is_loss()) {
        if !kinds.contains(&row.loss) {
            kinds.push(row.loss);
        }
    }
    Losses(kinds)
}

/// Positions of trials by config, configs in the order of their first trial.
fn group_by_config(data: &SweepData, kept: &[usize]) -> BTreeMap<usize, Vec<usize>> {
    let mut first_of: BTreeMap<ConfigId, usize> = BTreeMap::new();
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &position in kept {
        let first = *first_of.entry(data.trials[position].trial.config_id).or_insert(position);
        groups.entry(first).or_default().push(position);
    }
    groups
}

fn config_row(
    data: &SweepData,
    params: &[Vec<(String, Value)>],
    varying: &[String],
    positions: Vec<usize>,
) -> ConfigRow {
    let first = &data.trials[positions[0]].trial;
    let model = first.config.model.kind();
    let records = || positions.iter().map(|&position| &data.trials[position]);
    let counts = StateCounts::of(records().map(|record| record.state));
    let summary_of = |name: MetricName| {
        let values: Vec<f64> = records().filter_map(|record| metric_of(record, name)).collect();
        stats::summarise(&values).map(|summary| (name, summary))
    };
    ConfigRow {
        rank: None,
        places: None,
        groups: None,
        loss: model.loss(),
        config_id: first.config_id,
        model,
        label: first.config.label(varying),
        params: params[positions[0]].clone(),
        deterministic: !model.is_seeded(),
        n: counts.done,
        counts,
        metrics: MetricName::ALL.iter().copied().filter_map(summary_of).collect(),
        trials: positions,
    }
}

/// Better values first, then those without a value. A metric that is no merit is listed from small to large.
fn best_first(metric: MetricName, a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if metric.direction() == Direction::Higher => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// 1, 1, 3 …: equal values share a rank.
fn shared_ranks(metric: MetricName, sorted: impl Iterator<Item = Option<f64>>) -> Vec<Option<usize>> {
    let mut last: Option<(f64, usize)> = None;
    sorted
        .enumerate()
        .map(|(index, value)| {
            let value = value.filter(|_| metric.direction() != Direction::Neither)?;
            let rank = match last {
                Some((previous, rank)) if previous == value => rank,
                _ => index + 1,
            };
            last = Some((value, rank));
            Some(rank)
        })
        .collect()
}

/// Parameters that have one value in all configs that have them, and that no label tells.
fn common_params<'a>(
    configs: impl Iterator<Item = &'a [(String, Value)]>,
    varying: &[String],
) -> Vec<(String, Value)> {
    let mut common: Vec<(String, Value)> = Vec::new();
    for (name, value) in configs.flatten() {
        let is_known = common.iter().any(|(other, _)| other == name);
        if !is_known && !varying.contains(name) {
            common.push((name.clone(), value.clone()));
        }
    }
    common
}
