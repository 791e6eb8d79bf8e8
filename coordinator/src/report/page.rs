//! The HTML page: fills `templates/report.html`. askama escapes every value; what goes in unescaped (`|safe`) is our
//! own style and script, Plotly's source, and JSON in which `<`, `>` and `&` are written as escapes.

use std::collections::BTreeSet;

use askama::Template;
use domain::Reconstruction;
use serde_json::{Value, json};

use super::chosen::{self, Chosen, Maps, diagnostic, reason};
use super::comparison::{self, Section};
use super::facts::{beta, caveats, columns, facts};
use super::figures::{self, Figure};
use super::{ReportError, ReportInput, pareto};
use crate::leaderboard::{Comparison, ConfigRow, Leaderboard, metric_of, text};

/// Maps, or why there are none; `None` where the page has no room for them.
type MapsOrReason = Option<Result<Maps, String>>;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    sweep: &'a str,
    facts: Vec<(&'static str, String)>,
    grid_toml: &'a str,
    columns: Vec<Heading>,
    rows: Vec<BoardRow>,
    caveats: Vec<String>,
    shows_groups: bool,
    shows_losses: bool,
    metric: &'static str,
    sections: Vec<Section>,
    cost: Option<Plot>,
    loss: Option<Plot>,
    times: Option<Plot>,
    scores: Option<Plot>,
    diagnostics: Vec<(&'static str, Plot)>,
    units: Vec<(String, String, String)>,
    maps: Vec<MapSection>,
    not_drawn: usize,
    thinned: Option<usize>,
    has_labels: bool,
    classes: &'a [String],
    trial_columns: Vec<Heading>,
    trials: Vec<TrialLine>,
    figures_json: String,
    maps_json: String,
    style: &'static str,
    script: &'static str,
    plotly: String,
}

struct Heading {
    name: String,
    definition: &'static str,
}

struct BoardRow {
    rank: String,
    places: String,
    groups: String,
    loss: &'static str,
    label: String,
    effective_beta: String,
    n: usize,
    has_seed: bool,
    not_done: String,
    cells: Vec<(String, String)>,
}

struct Plot {
    id: &'static str,
    height: usize,
}

struct MapSection {
    index: usize,
    label: String,
    reason: String,
    problem: Option<String>,
    confusion: Vec<(String, Vec<u64>)>,
}

struct TrialLine {
    rank: String,
    id: String,
    short_id: String,
    label: String,
    seed: String,
    state: &'static str,
    attempts: u32,
    cells: Vec<String>,
    place: String,
    has_outcome: bool,
    failures: Vec<String>,
}

/// `report.html`.
pub(super) fn html(
    input: &ReportInput<'_>,
    board: &Leaderboard,
    comparisons: &[&Comparison],
    chosen: &[Chosen<'_>],
) -> Result<String, ReportError> {
    let facts_of_data = &input.data.sweep.dataset;
    let maps = chosen::maps_of(input, chosen);
    let loss = figures::loss_curves(input.data, board);
    let times = figures::training_times(input.data, board);
    let scores = figures::score_heat_map(board);
    let cost = pareto::quality_against_cost(input.data, board);
    let diagnostics = diagnostic_figures(chosen);

    let mut specs = serde_json::Map::new();
    let diagnostic_specs = diagnostics.iter().map(|(_, figure)| figure);
    for figure in [&loss, &times, &scores, &cost].into_iter().flatten().chain(diagnostic_specs) {
        specs.insert(figure.id.to_owned(), figure.spec.clone());
    }
    let plot = |figure: &Figure| Plot { id: figure.id, height: figure.height };
    let cells = usize::try_from(facts_of_data.cells).unwrap_or(usize::MAX);
    let drawn = chosen::drawn_cells(cells).count();
    let columns = columns(board);
    let page = Page {
        sweep: &board.sweep,
        facts: facts(input.data, board),
        grid_toml: &input.data.sweep.grid_toml,
        rows: board_rows(board, &columns),
        columns: columns.iter().map(|metric| heading(*metric)).collect(),
        caveats: caveats(input.data, board),
        shows_groups: board.shows_groups(),
        shows_losses: board.shows_losses(),
        metric: board.metric.name(),
        sections: comparison::sections(comparisons),
        cost: cost.as_ref().map(plot),
        loss: loss.as_ref().map(plot),
        times: times.as_ref().map(plot),
        scores: scores.as_ref().map(plot),
        diagnostics: diagnostics.iter().map(|(words, figure)| (*words, plot(figure))).collect(),
        units: units(board),
        not_drawn: maps.iter().filter(|maps| maps.is_none()).count(),
        thinned: (drawn < cells).then_some(drawn),
        maps: map_sections(board, chosen, &maps),
        has_labels: !facts_of_data.label_classes.is_empty(),
        classes: &facts_of_data.label_classes,
        trial_columns: columns.iter().map(|metric| heading(*metric)).collect(),
        trials: trial_lines(input, board, &columns),
        figures_json: script_safe(&Value::Object(specs)),
        maps_json: script_safe(&maps_json(input, chosen, &maps)),
        style: include_str!("../../templates/report.css"),
        script: include_str!("../../templates/report.js"),
        plotly: plotly_source(),
    };
    Ok(page.render()?)
}

fn heading(metric: domain::MetricName) -> Heading {
    let unit = metric.unit();
    let name = if unit == "s" { format!("{metric} [s]") } else { text::heading(metric) };
    // a break is allowed after each underscore: long names need not make wide columns
    Heading { name: name.replace('_', "_\u{200b}"), definition: metric.definition() }
}

fn board_rows(board: &Leaderboard, columns: &[domain::MetricName]) -> Vec<BoardRow> {
    let cell = |row: &crate::leaderboard::ConfigRow, metric: domain::MetricName| match row.metric(metric) {
        None => ("–".to_owned(), String::new()),
        Some(summary) => {
            let number = |value: f64| text::number(metric, value);
            let mut words = format!("n = {}", summary.n);
            if let Some(sd) = summary.sd {
                words.push_str(&format!(", sd {}", number(sd)));
            }
            if let Some((low, high)) = summary.ci95 {
                words.push_str(&format!(", 95 % interval {} to {}", number(low), number(high)));
            }
            (text::mean_and_interval(metric, summary), words)
        }
    };
    board
        .rows
        .iter()
        .map(|row| BoardRow {
            rank: row.rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string()),
            places: row.places.map_or_else(|| "–".to_owned(), places_words),
            groups: row.groups.clone().unwrap_or_else(|| "–".to_owned()),
            loss: row.loss,
            label: row.label.clone(),
            effective_beta: effective_beta(row).map_or_else(|| "–".to_owned(), text::shortest),
            n: row.n,
            has_seed: !row.deterministic,
            not_done: row.counts.words(),
            cells: columns.iter().map(|metric| cell(row, *metric)).collect(),
        })
        .collect()
}

/// `1–4`, or `2` where there is no doubt.
fn places_words((first, last): (usize, usize)) -> String {
    if first == last { first.to_string() } else { format!("{first}–{last}") }
}

fn diagnostic_figures(chosen: &[Chosen<'_>]) -> Vec<(&'static str, Figure)> {
    let kl = diagnostic(chosen, |diagnostics| &diagnostics.kl_per_dim);
    let gates = diagnostic(chosen, |diagnostics| &diagnostics.mean_gate);
    let variance = diagnostic(chosen, |diagnostics| &diagnostics.code_variance);
    let figures = [
        (
            "KL divergence of each latent dimension, mean over cells [nat]: a dimension near 0 carries nothing.",
            figures::latent_dimensions("kl-per-dim", "falling KL", &kl),
        ),
        (
            "Mean gate γ of each latent dimension (β-VSC): the share of cells that use it.",
            figures::latent_dimensions("gates", "falling mean gate", &gates),
        ),
        (
            "Variance over cells of each dimension of the code.",
            figures::latent_dimensions("code-variance", "falling variance", &variance),
        ),
    ];
    figures.into_iter().filter_map(|(words, figure)| figure.map(|figure| (words, figure))).collect()
}

/// Label, latent dimensions and active units of each config that has them.
fn units(board: &Leaderboard) -> Vec<(String, String, String)> {
    let one = |row: &crate::leaderboard::ConfigRow| {
        let active = row.metric(domain::MetricName::ActiveUnits)?;
        let dimensions = row.params.iter().find(|(name, _)| name == "latent_dim");
        let dimensions = dimensions.map_or_else(|| "–".to_owned(), |(_, value)| text::value(value));
        Some((
            row.label.clone(),
            text::mean_and_interval(domain::MetricName::ActiveUnits, active),
            dimensions,
        ))
    };
    board.rows.iter().filter_map(one).collect()
}

fn map_sections(board: &Leaderboard, chosen: &[Chosen<'_>], maps: &[MapsOrReason]) -> Vec<MapSection> {
    let section = |(index, (chosen, maps)): (usize, (&Chosen<'_>, &MapsOrReason))| {
        let (problem, confusion) = match maps.as_ref()? {
            Ok(maps) => (None, maps.clusters.iter().cloned().zip(maps.contingency.iter().cloned()).collect()),
            Err(problem) => (Some(problem.clone()), Vec::new()),
        };
        let reason = reason(chosen, board.metric);
        Some(MapSection { index, label: chosen.row.label.clone(), reason, problem, confusion })
    };
    chosen.iter().zip(maps).enumerate().filter_map(section).collect()
}

fn maps_json(input: &ReportInput<'_>, chosen: &[Chosen<'_>], maps: &[MapsOrReason]) -> Value {
    let configs: Vec<Value> = chosen
        .iter()
        .zip(maps)
        .enumerate()
        .filter_map(|(index, (chosen, maps))| match maps {
            Some(Ok(maps)) => {
                let mut one = maps.json.clone();
                one["label"] = json!(chosen.row.label);
                one["index"] = json!(index);
                Some(one)
            }
            _ => None,
        })
        .collect();
    let of_cell: Vec<u16> = input
        .cell_classes
        .map(|of_cell| chosen::drawn_cells(of_cell.len()).map(|cell| of_cell[cell]).collect())
        .unwrap_or_default();
    json!({"classes": input.data.sweep.dataset.label_classes, "class": of_cell, "configs": configs})
}

fn trial_lines(
    input: &ReportInput<'_>,
    board: &Leaderboard,
    columns: &[domain::MetricName],
) -> Vec<TrialLine> {
    let line = |row: &crate::leaderboard::TrialRow| {
        let record = &input.data.trials[row.position];
        let place = record.outcome.as_ref().map(|outcome| {
            let at = &outcome.environment;
            text::terminal(&format!("{} · {} · {}", at.worker, at.device, at.isa))
        });
        let failure = |failure: &crate::store::records::AttemptFailure| {
            let (attempt, kind) = (failure.attempt, failure.kind.name());
            text::terminal(&format!("attempt {attempt} on {}: {kind}: {}", failure.worker, failure.message))
        };
        TrialLine {
            rank: row.rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string()),
            id: record.trial.id.to_string(),
            short_id: record.trial.id.short(),
            label: row.label.clone(),
            seed: if row.deterministic { "none".to_owned() } else { record.trial.seed.to_string() },
            state: record.state.name(),
            attempts: record.attempts,
            cells: columns
                .iter()
                .map(|metric| {
                    metric_of(record, *metric).map_or_else(|| "–".to_owned(), |v| text::number(*metric, v))
                })
                .collect(),
            has_outcome: place.is_some(),
            place: place.unwrap_or_default(),
            failures: record.failures.iter().map(failure).collect::<BTreeSet<_>>().into_iter().collect(),
        }
    };
    board.trials.iter().map(line).collect()
}

/// JSON that may stand in a `<script>`: no text in it can end the element or start a comment.
fn script_safe(value: &Value) -> String {
    let mut safe = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => safe.push(c),
        }
    }
    safe
}

/// Plotly.js in its `<script>`. The crate adds MathJax behind it, two megabytes that no figure here needs.
pub(super) fn plotly_source() -> String {
    const END: &str = "</script>";
    let mut sources = plotly::Plot::offline_js_sources();
    if let Some(end) = sources.find(END) {
        sources.truncate(end + END.len());
    }
    sources
}

/// The weight of the KL terms beside a likelihood: a sum of squares is twice that of a unit-variance Gaussian.
fn effective_beta(row: &ConfigRow) -> Option<f64> {
    let beta = beta(&row.params)?;
    Some(match row.model.reconstruction() {
        Reconstruction::SquaredError => beta / 2.0,
        Reconstruction::NegativeBinomial => beta,
    })
}
