//! The leaderboard as a Markdown table.

use domain::metric::MetricName;

use super::table::{config_columns, trial_columns};
use super::{Leaderboard, metric_of, text};
use crate::store::records::SweepData;

/// One line a config.
#[must_use]
pub fn rows_markdown(board: &Leaderboard) -> String {
    let metrics = config_columns(board);
    let mut first = vec!["#"];
    first.extend(board.shows_groups().then_some("group"));
    first.extend(board.shows_losses().then_some("loss"));
    first.extend(["config", "n"]);
    let mut out = header(&first, &metrics, &["not done"]);
    for row in &board.rows {
        let n = if row.deterministic { format!("{} (no seed)", row.n) } else { row.n.to_string() };
        let mut cells = vec![rank(row.rank)];
        cells.extend(board.shows_groups().then(|| row.groups.clone().unwrap_or_else(|| "–".to_owned())));
        cells.extend(board.shows_losses().then(|| row.loss.to_owned()));
        cells.extend([text::markdown_cell(&row.label), n]);
        cells.extend(metrics.iter().map(|metric| {
            row.metric(*metric)
                .map_or_else(|| "–".to_owned(), |summary| text::mean_and_interval(*metric, summary))
        }));
        cells.push(row.counts.words());
        push_line(&mut out, &cells);
    }
    out
}

/// One line a trial.
#[must_use]
pub fn trials_markdown(board: &Leaderboard, data: &SweepData) -> String {
    let metrics = trial_columns(board, data);
    let mut out = header(&["#", "trial", "config", "seed", "state"], &metrics, &["failure"]);
    for row in &board.trials {
        let record = &data.trials[row.position];
        let seed = if row.deterministic { "none".to_owned() } else { record.trial.seed.to_string() };
        let mut cells = vec![
            rank(row.rank),
            format!("`{}`", record.trial.id.short()),
            text::markdown_cell(&row.label),
            seed,
            record.state.name().to_owned(),
        ];
        cells.extend(metrics.iter().map(|metric| {
            metric_of(record, *metric).map_or_else(|| "–".to_owned(), |value| text::number(*metric, value))
        }));
        let failure =
            record.failures.last().map(|failure| format!("{}: {}", failure.kind.name(), failure.message));
        cells.push(text::markdown_cell(&failure.unwrap_or_default()));
        push_line(&mut out, &cells);
    }
    out
}

fn rank(rank: Option<usize>) -> String {
    rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string())
}

fn header(first: &[&str], metrics: &[MetricName], last: &[&str]) -> String {
    let mut names: Vec<String> = first.iter().map(|name| (*name).to_owned()).collect();
    names.extend(metrics.iter().map(|metric| text::markdown_cell(&text::heading(*metric))));
    names.extend(last.iter().map(|name| (*name).to_owned()));
    let mut out = String::new();
    push_line(&mut out, &names);
    let is_number = |position: usize| (first.len()..first.len() + metrics.len()).contains(&position);
    let rules: Vec<String> = (0..names.len())
        .map(|position| if is_number(position) { "---:" } else { "---" }.to_owned())
        .collect();
    push_line(&mut out, &rules);
    out
}

fn push_line(out: &mut String, cells: &[String]) {
    out.push_str("| ");
    out.push_str(&cells.join(" | "));
    out.push_str(" |\n");
}
