//! What was asked and what ran, as words: pairs for the head of the report and the lines that say what its numbers do
//! not say.

use std::collections::{BTreeMap, BTreeSet};

use domain::Reconstruction;
use domain::data::{Genes, Input};
use domain::metric::MetricName;
use serde_json::Value;

use crate::leaderboard::{Leaderboard, StateCounts, direction_words, text};
use crate::store::records::SweepData;

/// Name and value of each fact, in reading order.
pub(super) fn facts(data: &SweepData, board: &Leaderboard) -> Vec<(&'static str, String)> {
    let set = &data.sweep.dataset;
    let counts = StateCounts::of(data.trials.iter().map(|trial| trial.state));
    let not_done = counts.words();
    let mut facts = vec![
        (
            "trials",
            format!(
                "{} of {} done{}{} · {}",
                counts.done,
                data.trials.len(),
                if not_done.is_empty() { "" } else { ", " },
                not_done,
                text::count(board.rows.len(), "config")
            ),
        ),
        (
            "data",
            format!(
                "{}: {} cells × {} genes, {} non-zero (of {} × {} read; quality control dropped {})",
                text::terminal(&set.path),
                text::thousands(set.cells),
                text::thousands(set.genes),
                text::thousands(set.nonzeros),
                text::thousands(set.cells_read),
                text::thousands(set.genes_read),
                match set.gene_choice {
                    Genes::All => "the rest",
                    Genes::Hvg(_) => "some, and of the genes that it left these vary most",
                }
            ),
        ),
        ("data fingerprint", set.fingerprint.to_string()),
        ("input", input_words(set.input).to_owned()),
        ("labels", label_words(data)),
    ];
    if data.sweep.folded > 0 {
        facts.push((
            "folded",
            format!(
                "{} fell together with others: keys or seeds that their model does not have",
                folded_words(data.sweep.folded)
            ),
        ));
    }
    if !board.common.is_empty() {
        let pairs: Vec<String> =
            board.common.iter().map(|(name, value)| format!("{name} = {}", text::value(value))).collect();
        facts.push(("the same wherever it exists", pairs.join(", ")));
    }
    facts.extend(environments(data).into_iter().map(|words| ("ran on", words)));
    let retried = data.trials.iter().filter(|trial| !trial.failures.is_empty()).count();
    if retried > 0 {
        facts.push(("attempts that failed", failure_words(data, retried)));
    }
    facts
}

fn input_words(input: Input) -> &'static str {
    match input {
        Input::Lognorm => "log-normalised counts: ln(1 + count / cell sum × scale factor)",
        Input::Scaled => {
            "z-scores of log-normalised counts, at most 10: losses say nothing beside those of the counts"
        }
        Input::Counts => "raw counts: losses say nothing beside those of log-normalised counts",
    }
}

fn folded_words(folded: u64) -> String {
    text::count(usize::try_from(folded).unwrap_or(usize::MAX), "grid point")
}

fn label_words(data: &SweepData) -> String {
    let set = &data.sweep.dataset;
    if set.label_classes.is_empty() {
        return "none: no agreement scores".to_owned();
    }
    let sizes = set.label_counts.iter().map(ToString::to_string).chain(std::iter::repeat("?".to_owned()));
    let classes: Vec<String> = set
        .label_classes
        .iter()
        .zip(sizes)
        .map(|(name, size)| format!("{} ({size})", text::terminal(name)))
        .collect();
    let list = format!("{} classes: {}", classes.len(), classes.join(", "));
    match &set.clustering {
        Some(how) => format!("{list}; found by clustering these counts ({how}) and named by marker genes"),
        None => list,
    }
}

/// Each kind of machine once, with the number of trials that ended there.
fn environments(data: &SweepData) -> Vec<String> {
    let mut trials_on: BTreeMap<String, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for outcome in data.trials.iter().filter_map(|trial| trial.outcome.as_ref()) {
        let at = &outcome.environment;
        let words = format!("latentsweep {} · {} · {} · {} engine", at.version, at.device, at.isa, at.engine);
        let entry = trials_on.entry(text::terminal(&words)).or_default();
        entry.0 += 1;
        entry.1.insert(&at.host);
    }
    let words = |(words, (trials, hosts)): (String, (usize, BTreeSet<&str>))| {
        let hosts: Vec<String> = hosts.into_iter().map(text::terminal).collect();
        format!("{words}: {} on {}", text::count(trials, "trial"), hosts.join(", "))
    };
    trials_on.into_iter().map(words).collect()
}

fn failure_words(data: &SweepData, trials: usize) -> String {
    let mut by_kind: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in data.trials.iter().flat_map(|trial| &trial.failures) {
        *by_kind.entry(failure.kind.name()).or_default() += 1;
    }
    let kinds: Vec<String> = by_kind.into_iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    format!("{} in {}", kinds.join(", "), text::count(trials, "trial"))
}

/// What a reader must know before comparing the numbers.
pub(super) fn caveats(data: &SweepData, board: &Leaderboard) -> Vec<String> {
    let mut lines = vec![format!(
        "Ranks are by the mean of {} over seeds ({}); equal means share a rank. ± is half of the 95 % interval (Student's t). \
         Diverged and failed trials are counted and shown, never averaged.",
        board.metric,
        direction_words(board.metric)
    )];
    if board.shows_groups() {
        lines.push(
            "“places” are the ranks that a config may truly have, by what the paired comparison can tell apart (all of them at once with \
             95 % confidence): the order of configs whose places overlap may be luck."
                .to_owned(),
        );
    }
    lines.extend(board.tie_notes());
    let mut squares =
        board.rows.iter().filter(|row| row.model.reconstruction() == Reconstruction::SquaredError);
    if squares.any(|row| beta(&row.params).is_some()) {
        lines.push(
            "The reconstruction loss is a sum of squares, so β weighs the KL terms as β/2 does beside the likelihood of a \
             unit-variance Gaussian: β = 2 is the plain VAE, β = 1 half of it. The column “effective β” says so."
                .to_owned(),
        );
    }
    lines.push(
        "Seeds measure what initial weights, shuffling and latent noise do. They do not measure another data set, other labels \
         or other preprocessing."
            .to_owned(),
    );
    if data.sweep.dataset.clustering.is_some() {
        lines.push(
            "The labels are clusters of these same counts, found in their principal components: every score against them says \
             how well a code repeats that clustering, and favours codes that look like PCA's. They are no truth about the \
             cells. Labels from elsewhere, such as sorted cells or surface proteins, are."
                .to_owned(),
        );
    } else if !data.sweep.dataset.label_classes.is_empty() {
        lines.push(
            "Labels that come from clustering the same counts (as the usual PBMC3k labels do, by way of PCA) favour codes that look \
             like PCA's. Labels from elsewhere, such as sorted cells or surface proteins, do not."
                .to_owned(),
        );
    }
    let seeds = board.rows.iter().filter(|row| !row.deterministic).map(|row| row.n).max().unwrap_or(0);
    if seeds == 1 {
        lines.push(
            "There is one seed: nothing here tells a difference between configs from the luck of the seed."
                .to_owned(),
        );
    }
    if board.rows.iter().any(|row| row.deterministic) {
        lines.push("PCA has no seed: its n = 1 is complete.".to_owned());
    }
    if instruction_sets(data) > 1 {
        lines.push(
            "Trials ran with different instruction sets: equal trials may differ in their last bits."
                .to_owned(),
        );
    }
    lines
}

fn instruction_sets(data: &SweepData) -> usize {
    let outcomes = data.trials.iter().filter_map(|trial| trial.outcome.as_ref());
    outcomes.map(|outcome| outcome.environment.isa.as_str()).collect::<BTreeSet<_>>().len()
}

/// The weight of the KL terms among a config's parameters.
pub(super) fn beta(params: &[(String, Value)]) -> Option<f64> {
    params.iter().find(|(name, _)| name == "beta").and_then(|(_, value)| value.as_f64())
}

/// Metrics with a column in the report's leaderboard, in reading order, those that exist.
pub(super) fn columns(board: &Leaderboard) -> Vec<MetricName> {
    const COLUMNS: [MetricName; 10] = [
        MetricName::LatentKmeansAri,
        MetricName::Tsne2dKmeansAri,
        MetricName::SsePerCell,
        MetricName::ValidationSsePerCell,
        MetricName::TrainSsePerCell,
        MetricName::NllPerCell,
        MetricName::ValidationNllPerCell,
        MetricName::TrainNllPerCell,
        MetricName::KlPerCell,
        MetricName::TrainSeconds,
    ];
    let exists = |metric: &MetricName| board.rows.iter().any(|row| row.metric(*metric).is_some());
    let others = COLUMNS.into_iter().filter(|metric| *metric != board.metric).filter(exists);
    std::iter::once(board.metric).chain(others).collect()
}
