//! `coordinator status`: where the sweeps stand, from the record or from a coordinator that serves.

use std::path::Path;
use std::time::Duration;

use sweep_proto::v1;

use super::reach::{self, TokenArgs, refusal};
use super::{put, record};
use crate::config::parse_url;
use crate::error::{CliError, Ending};
use crate::leaderboard::{StateCounts, text};

/// Longest wait for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask this coordinator, workers included, instead of reading the state folder
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    coordinator: Option<String>,
    #[command(flatten)]
    token: TokenArgs,
}

pub(super) async fn run(state: &Path, args: Args) -> Result<Ending, CliError> {
    let words = match &args.coordinator {
        Some(url) => of_coordinator(url, &args.token).await?,
        None => of_record(state).await?,
    };
    put(&words);
    Ok(Ending::Ok)
}

async fn of_record(state: &Path) -> Result<String, CliError> {
    let sweeps = record::load_all(state).await?;
    if sweeps.is_empty() {
        return Err(CliError::NotFound(format!("no sweep is recorded in {} yet", state.display())));
    }
    let mut out = String::new();
    for data in &sweeps {
        let counts = StateCounts::of(data.trials.iter().map(|record| record.state));
        out.push_str(&sweep_line(
            data.sweep.name.as_str(),
            counts.done as u64,
            data.trials.len() as u64,
            &counts.words(),
        ));
        for record in data.trials.iter().filter(|record| record.outcome.is_none()) {
            if let Some(failure) = record.failures.last() {
                let (id, kind) = (record.trial.id.short(), failure.kind.name());
                let why = text::terminal(&failure.message);
                out.push_str(&format!("  trial {id} {}: {kind}: {why}\n", record.state.name()));
            }
        }
    }
    Ok(out)
}

async fn of_coordinator(url: &str, token: &TokenArgs) -> Result<String, CliError> {
    let mut client = reach::sweeps(url, token, ANSWER_LIMIT)?;
    let refused = |status: tonic::Status| refusal(url, &status);
    let sweeps = client.list_sweeps(v1::ListSweepsRequest {}).await.map_err(refused)?.into_inner().sweeps;
    let workers = client.list_workers(v1::ListWorkersRequest {}).await.map_err(refused)?.into_inner().workers;
    let mut out = String::new();
    let mut open = 0;
    for sweep in &sweeps {
        let others = [
            (sweep.leased, "running"),
            (sweep.pending, "pending"),
            (sweep.diverged, "diverged"),
            (sweep.failed, "failed"),
            (sweep.poisoned, "poisoned"),
            (sweep.cancelled, "cancelled"),
        ];
        let total = sweep.done + others.iter().map(|(count, _)| count).sum::<u64>();
        open += sweep.pending + sweep.leased;
        let words: Vec<String> = others
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        out.push_str(&sweep_line(&text::terminal(&sweep.sweep), sweep.done, total, &words.join(", ")));
        if sweep.paused {
            let name = text::terminal(&sweep.sweep);
            out.push_str(&format!("  paused: go on with `coordinator resume {name} --coordinator {url}`\n"));
        }
    }
    if sweeps.is_empty() {
        out.push_str("no sweeps: give it one with `coordinator submit GRID.toml`\n");
    }
    for worker in &workers {
        out.push_str(&text::terminal(&format!(
            "worker {} on {}: {} of {} slots busy, heard of {:.1} s ago, {} {}",
            worker.worker,
            worker.host,
            worker.running,
            worker.slots,
            worker.silent_ms as f64 / 1000.0,
            worker.device,
            worker.isa
        )));
        out.push('\n');
    }
    if workers.is_empty() && open > 0 {
        out.push_str(&format!(
            "nothing runs: no worker is connected. Start one: worker --coordinator {url}\n"
        ));
    }
    Ok(out)
}

fn sweep_line(name: &str, done: u64, total: u64, others: &str) -> String {
    let others = if others.is_empty() { String::new() } else { format!(", {others}") };
    format!("{name}: {done} of {total} done{others}\n")
}
