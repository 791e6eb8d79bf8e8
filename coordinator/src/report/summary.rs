//! The report without figures: Markdown for people, JSON for programs.

use serde_json::{Value, json};

use super::chosen::{Chosen, reason};
use super::facts::{caveats, facts};
use crate::leaderboard::{Leaderboard, rows_json, rows_markdown, text, trials_json, trials_markdown};
use crate::store::records::SweepData;

/// `report.md`.
pub(super) fn markdown(data: &SweepData, board: &Leaderboard, chosen: &[Chosen<'_>]) -> String {
    let mut out = format!("# {}\n\n## What was asked and what ran\n\n", text::markdown_cell(&board.sweep));
    for (name, value) in facts(data, board) {
        out.push_str(&format!("- {name}: {}\n", text::markdown_cell(&value)));
    }
    out.push_str("\n## Leaderboard over seeds\n\n");
    out.push_str(&rows_markdown(board));
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

/// `report.json`: the leaderboard's schema with the facts around it.
pub(super) fn json(data: &SweepData, board: &Leaderboard, chosen: &[Chosen<'_>]) -> String {
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
        "trials": trials_json(board, data),
        "histories": histories,
        "drawn": drawn,
        "notes": caveats(data, board),
    });
    format!("{tree:#}\n")
}
