//! The leaderboard as an aligned table for a terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, LineStyle, Table};
use domain::TrialState;
use domain::metric::MetricName;

use super::{ConfigRow, Leaderboard, metric_of, text};
use crate::store::records::SweepData;

/// How a table is drawn.
#[derive(Debug, Clone, Copy)]
pub struct TableOptions {
    /// Columns of characters that it may fill; less important metrics are left out to fit.
    pub width: usize,
    /// Whether colours may be used.
    pub colour: bool,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { width: 120, colour: false }
    }
}

/// Metrics worth a column, most telling first, after the one that ranks.
const COLUMNS: [MetricName; 9] = [
    MetricName::LatentKmeansAri,
    MetricName::SsePerCell,
    MetricName::ValidationSsePerCell,
    MetricName::NllPerCell,
    MetricName::ValidationNllPerCell,
    MetricName::Tsne2dKmeansAri,
    MetricName::LatentKmeansNmi,
    MetricName::TrainSeconds,
    MetricName::KlPerCell,
];

fn columns(ranked_by: MetricName, exists: impl Fn(MetricName) -> bool) -> Vec<MetricName> {
    let others = COLUMNS.into_iter().filter(|metric| *metric != ranked_by && exists(*metric));
    std::iter::once(ranked_by).chain(others).collect()
}

pub(super) fn config_columns(board: &Leaderboard) -> Vec<MetricName> {
    columns(board.metric, |metric| board.rows.iter().any(|row| row.metric(metric).is_some()))
}

pub(super) fn trial_columns(board: &Leaderboard, data: &SweepData) -> Vec<MetricName> {
    let has = |metric| board.trials.iter().any(|row| metric_of(&data.trials[row.position], metric).is_some());
    columns(board.metric, has)
}

/// One line a config, with words below about what the numbers are.
#[must_use]
pub fn rows_table(board: &Leaderboard, options: TableOptions) -> String {
    let metrics = config_columns(board);
    let shows = Shows::of(board);
    let draw = |shown: usize| {
        let shown = &metrics[..shown];
        let mut table = new_table(options);
        let mut head = vec![Cell::new("#")];
        head.extend(shows.groups.then(|| Cell::new("group")));
        head.extend(shows.losses.then(|| Cell::new("loss")));
        head.extend([Cell::new("config"), Cell::new("n")]);
        let first_number = head.len() - 1;
        head.extend(shown.iter().map(|metric| Cell::new(text::heading(*metric))));
        if shows.open {
            head.push(Cell::new("not done"));
        }
        table.set_header(bold(head));
        for row in &board.rows {
            table.add_row(config_cells(row, shown, &shows));
        }
        align_right(&mut table, std::iter::once(0).chain(first_number..first_number + 1 + shown.len()));
        table.trim_fmt()
    };
    let mut out = fit(metrics.len(), options.width, draw);
    out.push('\n');
    out.push_str(&config_notes(board));
    out
}

/// Columns that only some leaderboards need.
struct Shows {
    groups: bool,
    losses: bool,
    open: bool,
}

impl Shows {
    fn of(board: &Leaderboard) -> Self {
        Self {
            groups: board.shows_groups(),
            losses: board.shows_losses(),
            open: board.rows.iter().any(|row| !row.counts.words().is_empty()),
        }
    }
}

fn config_cells(row: &ConfigRow, metrics: &[MetricName], shows: &Shows) -> Vec<Cell> {
    let mut cells = vec![rank_cell(row.rank)];
    cells.extend(shows.groups.then(|| Cell::new(row.groups.as_deref().unwrap_or("–"))));
    cells.extend(shows.losses.then(|| Cell::new(row.loss)));
    cells.extend([Cell::new(&row.label), Cell::new(row.n)]);
    cells.extend(metrics.iter().map(|metric| {
        Cell::new(row.metric(*metric).map_or_else(|| "–".to_owned(), |s| text::mean_and_interval(*metric, s)))
    }));
    if shows.open {
        let words = Cell::new(row.counts.words());
        cells.push(if row.counts.failed + row.counts.poisoned > 0 { words.fg(Color::Red) } else { words });
    }
    cells
}

fn config_notes(board: &Leaderboard) -> String {
    let mut notes = vec![format!(
        "Ranked by the mean of {} ({}); ± is half of the 95 % interval over n seeds.",
        board.metric,
        direction_words(board.metric)
    )];
    notes.extend(board.tie_notes());
    if board.rows.iter().any(|row| row.deterministic) {
        notes.push("pca has no seed: n = 1 is all there is to measure.".to_owned());
    }
    if !board.common.is_empty() {
        let pairs: Vec<String> =
            board.common.iter().map(|(name, value)| format!("{name}={}", text::value(value))).collect();
        notes.push(format!("The same wherever it exists: {}.", pairs.join(" ")));
    }
    if board.hidden.0 > 0 {
        notes.push(format!("{} more configs are not shown.", board.hidden.0));
    }
    notes.join("\n") + "\n"
}

/// One line a trial.
#[must_use]
pub fn trials_table(board: &Leaderboard, data: &SweepData, options: TableOptions) -> String {
    let metrics = trial_columns(board, data);
    let draw = |shown: usize| {
        let shown = &metrics[..shown];
        let mut table = new_table(options);
        let mut head: Vec<Cell> = ["#", "trial", "config", "seed", "state"].map(Cell::new).into();
        head.extend(shown.iter().map(|metric| Cell::new(text::heading(*metric))));
        table.set_header(bold(head));
        for row in &board.trials {
            let record = &data.trials[row.position];
            let seed = if row.deterministic { "none".to_owned() } else { record.trial.seed.to_string() };
            let mut cells = vec![
                rank_cell(row.rank),
                Cell::new(record.trial.id.short()),
                Cell::new(&row.label),
                Cell::new(seed),
                state_cell(record.state),
            ];
            cells.extend(shown.iter().map(|metric| {
                let value = metric_of(record, *metric);
                Cell::new(value.map_or_else(|| "–".to_owned(), |value| text::number(*metric, value)))
            }));
            table.add_row(cells);
        }
        align_right(&mut table, [0, 3].into_iter().chain(5..5 + shown.len()));
        table.trim_fmt()
    };
    let mut out = fit(metrics.len(), options.width, draw);
    out.push('\n');
    out.push_str(&format!("Ranked by {} ({}).\n", board.metric, direction_words(board.metric)));
    if board.hidden.1 > 0 {
        out.push_str(&format!("{} more trials are not shown.\n", board.hidden.1));
    }
    out
}

/// The drawing with the most columns that fits, one metric at least.
fn fit(metrics: usize, width: usize, draw: impl Fn(usize) -> String) -> String {
    let mut shown = metrics;
    loop {
        let text = draw(shown);
        let widest = text.lines().map(console::measure_text_width).max().unwrap_or(0);
        if widest <= width || shown <= 1 {
            return text;
        }
        shown -= 1;
    }
}

/// Which way a metric is better, in words.
#[must_use]
pub fn direction_words(metric: MetricName) -> &'static str {
    match metric.direction() {
        domain::Direction::Higher => "higher is better",
        domain::Direction::Lower => "lower is better",
        domain::Direction::Neither => "a fact, not a merit: no ranks",
    }
}

fn new_table(options: TableOptions) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING.header_separator(LineStyle::none().fill('─').junction('─')));
    if options.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

fn bold(cells: Vec<Cell>) -> Vec<Cell> {
    cells.into_iter().map(|cell| cell.add_attribute(Attribute::Bold)).collect()
}

fn align_right(table: &mut Table, columns: impl Iterator<Item = usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn rank_cell(rank: Option<usize>) -> Cell {
    match rank {
        Some(1) => Cell::new(1).fg(Color::Green).add_attribute(Attribute::Bold),
        Some(rank) => Cell::new(rank),
        None => Cell::new("–"),
    }
}

fn state_cell(state: TrialState) -> Cell {
    let cell = Cell::new(state.name());
    match state {
        TrialState::Done => cell,
        TrialState::Diverged => cell.fg(Color::Yellow),
        TrialState::Failed | TrialState::Poisoned => cell.fg(Color::Red),
        TrialState::Pending | TrialState::Leased | TrialState::Cancelled => cell.fg(Color::DarkGrey),
    }
}
