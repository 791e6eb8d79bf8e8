//! The report without figures: Markdown for people, JSON for programs.

use serde_json::{Value, json};

use super::chosen::{Chosen, reason};
use super::comparison;
use super::facts::{caveats, facts};
use crate::leaderboard::{
    Comparison, Leaderboard, rows_json, rows_markdown, text, trials_json, trials_markdown,
};
use crate::store::records::SweepData;

/// `report.md`.
pub(super) fn markdown(
    data: &SweepData,
    board: &Leaderboard,
    comparisons: &[&Comparison],
    chosen: &[Chosen<'_>],
) -> String {
    let mut out = format!("# {}\n\n## What was asked and what ran\n\n", text::markdown_cell(&board.sweep));
    for (name, value) in facts(data, board) {
        out.push_str(&format!("- {name}: {}\n", text::markdown_cell(&value)));
    }
    out.push_str("\n## Leaderboard over seeds\n\n");
    out.push_str(&rows_markdown(board));
    out.push_str(&comparison_words(comparisons));
    out.push_str("\n## How to read it\n\n");
    for line in caveats(data, board) {
        out.push_str(&format!("- {}\n", text::markdown_cell(&line)));
    }
    out.push_str("\n## Trials drawn in the HTML report\n\n");
    for one in chosen {
        let words = format!("{}: {}", one.row.label, reason(one, board.metric));
        out.push_str(&format!("- {}\n", text::markdown_cell(&words)));
    }
    out.push_str("\n## Every trial\n\n");
    out.push_str(&trials_markdown(board, data));
    out.push_str("\n## Grid file\n\n");
    // indented, not fenced: no line of the file can end an indented block
    for line in data.sweep.grid_toml.lines() {
        out.push_str(&format!("    {}\n", text::terminal(line)));
    }
    out
}

fn comparison_words(comparisons: &[&Comparison]) -> String {
    let mut out = String::new();
    for section in comparison::sections(comparisons) {
        if out.is_empty() {
            out.push_str("\n## Paired comparison\n\n");
        } else {
            out.push('\n');
        }
        let title = text::markdown_cell(&section.title);
        out.push_str(&format!("### {title} ({})\n\n", section.direction));
        let diagram = section.diagram.map(|diagram| diagram.words);
        let lines =
            std::iter::once(section.allows).chain(section.claims).chain(section.left_out).chain(diagram);
        lines.for_each(|line| out.push_str(&format!("- {}\n", text::markdown_cell(&line))));
        if section.rows.is_empty() {
            continue;
        }
        out.push_str("\nAbove the diagonal: row minus column, mean over common seeds ± half of the 95 % interval. Below: p after Holm's correction.\n\n");
        let numbers: Vec<String> = section.rows.iter().map(|row| row.number.to_string()).collect();
        out.push_str(&format!("| | {} |\n|---|{}\n", numbers.join(" | "), "---:|".repeat(numbers.len())));
        for row in &section.rows {
            let cells: Vec<String> =
                row.cells.iter().map(|cell| format!("{} {}", cell.main, cell.below)).collect();
            let cells: Vec<&str> = cells.iter().map(|cell| cell.trim()).collect();
            out.push_str(&format!(
                "| {} {} | {} |\n",
                row.number,
                text::markdown_cell(&row.label),
                cells.join(" | ")
            ));
        }
        if section.not_shown > 0 {
            out.push_str(&format!(
                "\n{} more are in comparisons.csv.\n",
                text::count(section.not_shown, "config")
            ));
        }
    }
    out
}

/// `report.json`: the leaderboard's schema with the facts around it.
pub(super) fn json(
    data: &SweepData,
    board: &Leaderboard,
    comparisons: &[&Comparison],
    chosen: &[Chosen<'_>],
) -> String {
    let drawn: Vec<Value> = chosen
        .iter()
        .map(|one| json!({"config_id": one.row.config_id, "trial": one.record.trial.id, "seed": one.record.trial.seed}))
        .collect();
    let histories: Vec<Value> = data
        .trials
        .iter()
        .map(|record| {
            let environment = record.outcome.as_ref().map(|outcome| &outcome.environment);
            json!({"trial": record.trial.id, "environment": environment, "failures": record.failures})
        })
        .collect();
    let tree = json!({
        "schema": 1,
        "sweep": board.sweep,
        "ranked_by": {"metric": board.metric, "direction": board.metric.direction()},
        "dataset": data.sweep.dataset,
        "grid_toml": data.sweep.grid_toml,
        "folded": data.sweep.folded,
        "rows": rows_json(board),
        "comparisons": comparison::json(comparisons),
        "trials": trials_json(board, data),
        "histories": histories,
        "drawn": drawn,
        "notes": caveats(data, board),
    });
    format!("{tree:#}\n")
}
