//! The paired comparison of configs as the page, the Markdown and the JSON show it: claims in words, the matrix of
//! differences, what was left out. The tests were made by `leaderboard::Comparison`.

use serde_json::{Value, json};

use super::critical::{self, Diagram};
use crate::leaderboard::{Comparison, Leaderboard, comparison_json, direction_words, p_words, text};
use crate::store::records::SweepData;
use domain::metric::MetricName;

/// Configs of a matrix: more would not fit a page.
const MOST_IN_MATRIX: usize = 12;
/// Claims written out; the rest is counted.
const MOST_CLAIMS: usize = 12;

/// Metrics that are compared, besides the one that ranks, where they exist.
const ALSO: [MetricName; 6] = [
    MetricName::LatentKmeansAri,
    MetricName::Tsne2dKmeansAri,
    MetricName::SsePerCell,
    MetricName::ValidationSsePerCell,
    MetricName::NllPerCell,
    MetricName::ValidationNllPerCell,
];

/// The leaderboards whose comparisons the report shows: that of the ranking metric, then those of the others.
pub(super) fn boards(data: &SweepData, board: &Leaderboard) -> Vec<Leaderboard> {
    let exists = |metric: &MetricName| board.rows.iter().any(|row| row.metric(*metric).is_some());
    ALSO.into_iter()
        .filter(|metric| *metric != board.metric)
        .filter(exists)
        .map(|metric| crate::leaderboard::of_metric(data, metric))
        .collect()
}

/// Comparisons with at least two members, that of the ranking metric first.
pub(super) fn all<'a>(board: &'a Leaderboard, others: &'a [Leaderboard]) -> Vec<&'a Comparison> {
    let boards = std::iter::once(board).chain(others);
    boards.flat_map(|board| &board.comparisons).filter(|one| one.members.len() > 1).collect()
}

/// One comparison, laid out.
pub(super) struct Section {
    /// Metric, and kind of loss where there are several.
    pub(super) title: String,
    /// `higher is better`.
    pub(super) direction: &'static str,
    /// What so many seeds allow to claim.
    pub(super) allows: String,
    /// What is claimed: a sentence a pair, or that nothing is.
    pub(super) claims: Vec<String>,
    /// Seeds and configs left out.
    pub(super) left_out: Vec<String>,
    /// The matrix's rows; empty without pairs.
    pub(super) rows: Vec<MatrixRow>,
    /// Configs that the matrix does not show.
    pub(super) not_shown: usize,
    /// The critical-difference diagram.
    pub(super) diagram: Option<Diagram>,
}

/// One config against the others.
pub(super) struct MatrixRow {
    /// Its number in the heads of the columns.
    pub(super) number: usize,
    /// Its label.
    pub(super) label: String,
    /// Against each.
    pub(super) cells: Vec<MatrixCell>,
}

/// One pair.
pub(super) struct MatrixCell {
    /// Its look: `self`, `told` or nothing.
    pub(super) class: &'static str,
    /// The number.
    pub(super) main: String,
    /// What stands under it.
    pub(super) below: String,
    /// Everything about the pair.
    pub(super) words: String,
}

/// The sections of these comparisons.
pub(super) fn sections(comparisons: &[&Comparison]) -> Vec<Section> {
    let same_metric =
        |one: &Comparison| comparisons.iter().filter(|other| other.metric == one.metric).count();
    comparisons.iter().map(|one| section(one, same_metric(one) > 1)).collect()
}

fn section(comparison: &Comparison, names_loss: bool) -> Section {
    let loss = comparison.loss.filter(|_| names_loss).map(|loss| format!(" ({loss})")).unwrap_or_default();
    let shown = comparison.members.len().min(MOST_IN_MATRIX);
    let rows = match &comparison.family {
        Some(family) => (0..shown).map(|row| matrix_row(comparison, family, row, shown)).collect(),
        None => Vec::new(),
    };
    let friedman = comparison.friedman();
    Section {
        title: format!("{}{loss}", comparison.metric),
        direction: direction_words(comparison.metric),
        allows: comparison.allows(),
        claims: claims(comparison),
        left_out: left_out(comparison),
        not_shown: if rows.is_empty() { 0 } else { comparison.members.len() - shown },
        rows,
        diagram: friedman.and_then(|(test, blocks)| critical::diagram(comparison, &test, blocks.len())),
    }
}

/// What may be said, each sentence with n, interval and corrected p.
pub(super) fn claims(comparison: &Comparison) -> Vec<String> {
    let Some(family) = &comparison.family else { return Vec::new() };
    let told = comparison.told();
    let mut claims: Vec<String> = told.iter().take(MOST_CLAIMS).map(|pair| claim(comparison, pair)).collect();
    if told.len() > MOST_CLAIMS {
        claims.push(format!(
            "{} more pairs are told apart: comparisons.csv lists them.",
            told.len() - MOST_CLAIMS
        ));
    }
    if told.is_empty() && comparison.can_tell() {
        let found = family.comparisons.iter().filter_map(|pair| pair.corrected_p).fold(1.0, f64::min);
        claims.push(format!(
            "No two configs can be told apart: the smallest corrected p found is {}.",
            p_words(found)
        ));
    }
    claims
}

fn claim(comparison: &Comparison, pair: &stats::Comparison) -> String {
    let better = comparison.better(pair).unwrap_or(pair.first);
    let worse = if better == pair.first { pair.second } else { pair.first };
    let metric = comparison.metric;
    let (better, worse) = (&comparison.members[better].label, &comparison.members[worse].label);
    let Some(difference) = pair.difference else { return String::new() };
    let size = text::number(metric, difference.mean.abs());
    let Some(corrected) = pair.corrected_p else {
        return format!(
            "{better} is better than {worse} by {size}. Neither has a seed: nothing varies, n = 1."
        );
    };
    let interval = difference.ci95.map_or_else(String::new, |(low, high)| {
        let (low, high) = if difference.mean < 0.0 { (-high, -low) } else { (low, high) };
        format!("95 % interval {} to {}, ", text::number(metric, low), text::number(metric, high))
    });
    format!(
        "{better} is better than {worse} by {size} ({interval}n = {}, corrected p {}).",
        difference.n,
        p_words(corrected)
    )
}

/// Configs that lack seeds which others have.
fn left_out(comparison: &Comparison) -> Vec<String> {
    let all = comparison.all_seeds();
    let one = |member: &crate::leaderboard::Member| {
        let lacks: Vec<String> = member.lacks(&all).iter().map(ToString::to_string).collect();
        if lacks.is_empty() {
            return None;
        }
        let why = member.counts.words();
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        let noun = if lacks.len() == 1 { "seed" } else { "seeds" };
        let many =
            if lacks.len() > 10 { format!("{} of {}", lacks.len(), all.len()) } else { lacks.join(", ") };
        Some(format!("{} lacks {noun} {many}{why}: its pairs are over the seeds that it has.", member.label))
    };
    comparison.members.iter().filter_map(one).collect()
}

fn matrix_row(comparison: &Comparison, family: &stats::Family, row: usize, shown: usize) -> MatrixRow {
    let cell = |column: usize| {
        if column == row {
            return MatrixCell {
                class: "self",
                main: String::new(),
                below: String::new(),
                words: String::new(),
            };
        }
        let (first, second) = (row.min(column), row.max(column));
        match family.pair(first, second) {
            Some(pair) if row < column => difference_cell(comparison, pair),
            Some(pair) => p_cell(comparison, pair),
            None => {
                MatrixCell { class: "", main: "–".to_owned(), below: String::new(), words: String::new() }
            }
        }
    };
    MatrixRow {
        number: row + 1,
        label: comparison.members[row].label.clone(),
        cells: (0..shown).map(cell).collect(),
    }
}

fn class_of(pair: &stats::Comparison) -> &'static str {
    if pair.verdict == stats::Verdict::NotTold { "" } else { "told" }
}

fn difference_cell(comparison: &Comparison, pair: &stats::Comparison) -> MatrixCell {
    let metric = comparison.metric;
    let (main, below) = match pair.difference {
        Some(difference) => {
            let half =
                difference.ci95.map(|(low, high)| format!("±{}", text::number(metric, (high - low) / 2.0)));
            (signed(metric, difference.mean), half.unwrap_or_default())
        }
        None => ("–".to_owned(), "no common seed".to_owned()),
    };
    MatrixCell { class: class_of(pair), main, below, words: pair_words(comparison, pair) }
}

fn p_cell(comparison: &Comparison, pair: &stats::Comparison) -> MatrixCell {
    let (main, below) = match (pair.corrected_p, pair.difference) {
        (Some(p), Some(difference)) => (p_words(p), format!("n = {}", difference.n)),
        (None, Some(_)) => ("exact".to_owned(), "no seed".to_owned()),
        _ => ("–".to_owned(), String::new()),
    };
    MatrixCell { class: class_of(pair), main, below, words: pair_words(comparison, pair) }
}

fn signed(metric: MetricName, value: f64) -> String {
    let words = text::number(metric, value);
    if value > 0.0 { format!("+{words}") } else { words.replace('-', "−") }
}

/// Everything about one pair in one line.
fn pair_words(comparison: &Comparison, pair: &stats::Comparison) -> String {
    let metric = comparison.metric;
    let names =
        format!("{} minus {}", comparison.members[pair.first].label, comparison.members[pair.second].label);
    let Some(difference) = pair.difference else { return format!("{names}: no common seed") };
    let mut words = format!(
        "{names}: mean {} over {}",
        signed(metric, difference.mean),
        text::count(difference.n, "pair")
    );
    if let Some((low, high)) = difference.ci95 {
        words.push_str(&format!(", 95 % interval {} to {}", signed(metric, low), signed(metric, high)));
    }
    if let (Some(test), Some(corrected)) = (pair.test, pair.corrected_p) {
        words.push_str(&format!(
            "; sign-flip p {} (smallest possible {}), corrected {}",
            p_words(test.p),
            p_words(test.smallest_p),
            p_words(corrected)
        ));
    }
    if let Some(wilcoxon) = pair.wilcoxon {
        words.push_str(&format!("; Wilcoxon p {}", p_words(wilcoxon.p)));
    }
    let sizes =
        [("d_z", pair.effect.d_z), ("g_z", pair.effect.g_z), ("rank-biserial", pair.effect.rank_biserial)];
    for (name, size) in sizes.into_iter().filter_map(|(name, size)| Some((name, size?))) {
        words.push_str(&format!("; {name} {size:.2}"));
    }
    words
}

/// The comparisons for programs, pairs included.
pub(super) fn json(comparisons: &[&Comparison]) -> Vec<Value> {
    comparisons.iter().map(|one| one_json(one)).collect()
}

fn one_json(comparison: &Comparison) -> Value {
    let mut tree = comparison_json(comparison);
    let pairs = comparison.family.iter().flat_map(|family| &family.comparisons);
    tree["differences"] = pairs.map(|pair| pair_json(comparison, pair)).collect();
    tree["friedman"] = comparison.friedman().map_or(Value::Null, |(test, blocks)| {
        let members = comparison.members.iter().zip(&test.mean_ranks);
        let ranks: Vec<Value> = members
            .map(|(member, rank)| json!({"config_id": member.config_id, "label": member.label, "mean_rank": rank}))
            .collect();
        let critical = stats::critical_difference(&test.mean_ranks, test.blocks, stats::ALPHA);
        json!({
            "blocks": test.blocks, "incomplete_seeds": blocks, "chi_squared": test.chi_squared, "p": test.p,
            "iman_davenport_f": test.f.is_finite().then_some(test.f), "iman_davenport_p": test.f_p, "mean_ranks": ranks,
            "nemenyi_critical_difference": critical.map(|critical| critical.distance),
        })
    });
    tree
}

fn pair_json(comparison: &Comparison, pair: &stats::Comparison) -> Value {
    let (first, second) = (&comparison.members[pair.first], &comparison.members[pair.second]);
    let interval = |ends: Option<(f64, f64)>| ends.map(|(low, high)| [low, high]);
    let difference = pair.difference;
    let bootstrap = comparison.bootstrap(pair).and_then(|bootstrap| bootstrap.bca);
    json!({
        "first": first.config_id, "second": second.config_id, "first_label": first.label, "second_label": second.label,
        "n": difference.map_or(0, |difference| difference.n), "mean": difference.map(|difference| difference.mean),
        "sd": difference.and_then(|difference| difference.sd), "ci95": interval(difference.and_then(|difference| difference.ci95)),
        "bootstrap_bca95": interval(bootstrap), "p": pair.test.map(|test| test.p),
        "smallest_p": pair.test.map(|test| test.smallest_p), "corrected_p": pair.corrected_p,
        "wilcoxon_p": pair.wilcoxon.map(|test| test.p), "d_z": pair.effect.d_z, "g_z": pair.effect.g_z,
        "rank_biserial": pair.effect.rank_biserial, "told_apart": pair.verdict != stats::Verdict::NotTold,
        "better": comparison.better(pair).map(|better| comparison.members[better].config_id),
        "seeds": pair.paired.seeds, "incomplete_seeds": pair.paired.incomplete,
    })
}
