//! `coordinator pause`, `resume`, `cancel` and `retry`: orders about a sweep, given to a coordinator that serves or, where
//! none does, written into the record.

use std::path::Path;
use std::time::Duration;

use domain::SweepName;
use sweep_engine::Mode;
use sweep_proto::v1;

use super::put;
use super::reach::{self, TokenArgs, refusal};
use super::station::{Station, settings};
use crate::config::parse_url;
use crate::error::{CliError, Ending};
use crate::leaderboard::text;
use crate::runtime::{DEFAULT_HEARTBEAT_MS, DEFAULT_LEASE_TTL_MS, SweepOrder};
use crate::store::{StateDirError, StoreError};

/// Longest wait for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the sweep
    sweep: SweepName,
    /// Tell this coordinator, instead of writing into the state folder
    #[arg(long, value_name = "URL", value_parser = parse_url, env = "LATENTSWEEP_COORDINATOR")]
    coordinator: Option<String>,
    #[command(flatten)]
    token: TokenArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct RetryArgs {
    #[command(flatten)]
    about: Args,
    /// Run failed and poisoned trials again, with nothing counted against them
    #[arg(long, required = true)]
    failed: bool,
}

/// What was done to so many trials.
fn words(order: SweepOrder, sweep: &str, trials: u64) -> String {
    let counted = text::count(usize::try_from(trials).unwrap_or(usize::MAX), "trial");
    match order {
        SweepOrder::Pause => format!(
            "{sweep}: paused; what runs goes on, nothing new is begun until `coordinator resume {sweep}`\n"
        ),
        SweepOrder::Resume => format!("{sweep}: goes on\n"),
        SweepOrder::Cancel => {
            format!("{sweep}: {counted} cancelled; results stay, and submitting it again runs the rest\n")
        }
        SweepOrder::RetryFailed if trials == 0 => format!("{sweep}: no trial has failed, nothing to retry\n"),
        SweepOrder::RetryFailed => format!("{sweep}: {counted} will run again\n"),
    }
}

const fn to_wire(order: SweepOrder) -> v1::SweepOrder {
    match order {
        SweepOrder::Pause => v1::SweepOrder::Pause,
        SweepOrder::Resume => v1::SweepOrder::Resume,
        SweepOrder::Cancel => v1::SweepOrder::Cancel,
        SweepOrder::RetryFailed => v1::SweepOrder::RetryFailed,
    }
}

pub(super) async fn retry(state: &Path, args: RetryArgs) -> Result<Ending, CliError> {
    debug_assert!(args.failed, "clap requires it: there is nothing else to retry yet");
    run(state, args.about, SweepOrder::RetryFailed).await
}

pub(super) async fn run(state: &Path, args: Args, order: SweepOrder) -> Result<Ending, CliError> {
    let sweep = args.sweep.to_string();
    let trials = match &args.coordinator {
        Some(url) => tell(url, &args.token, &sweep, order).await?,
        None => write(state, args.sweep, order).await?,
    };
    put(&words(order, &sweep, trials));
    Ok(Ending::Ok)
}

async fn tell(url: &str, token: &TokenArgs, sweep: &str, order: SweepOrder) -> Result<u64, CliError> {
    let mut client = reach::sweeps(url, token, ANSWER_LIMIT)?;
    let request = v1::ControlSweepRequest { sweep: sweep.to_owned(), order: to_wire(order).into() };
    let answer = client.control_sweep(request).await.map_err(|status| refusal(url, &status))?;
    Ok(answer.into_inner().trials)
}

/// Where no coordinator serves, this process is one for a moment.
async fn write(state: &Path, sweep: SweepName, order: SweepOrder) -> Result<u64, CliError> {
    // A mistyped folder is to be said, not made.
    if !state.join("coordinator.db").is_file() {
        return Err(StoreError::Absent { path: state.to_owned() }.into());
    }
    let folder = Station::lock(state).map_err(|error| match error {
        CliError::State(StateDirError::InUse { path, holder }) => CliError::Usage(format!(
            "{} is in use by {holder}: tell it with --coordinator URL",
            path.display()
        )),
        other => other,
    })?;
    let times = settings(Mode::Serve, DEFAULT_HEARTBEAT_MS, DEFAULT_LEASE_TTL_MS);
    let station = Station::start(folder, times).await?;
    let done = station.handle.order(sweep, order).await;
    station.stop().await;
    Ok(done?)
}
