//! `coordinator submit`: gives a grid file to a coordinator that serves.

use std::path::PathBuf;
use std::time::Duration;

use sweep_proto::v1;

use super::reach::{self, TokenArgs, refusal};
use super::{intake, put};
use crate::config::parse_url;
use crate::error::{CliError, Ending};
use crate::leaderboard::text;

/// Longest wait for the answer: the coordinator reads the data meanwhile.
const ANSWER_LIMIT: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The grid file; paths in it are taken from the working directory, on the coordinator's machine
    grid: PathBuf,
    /// Where the coordinator is
    #[arg(long, value_name = "URL", value_parser = parse_url, env = "LATENTSWEEP_COORDINATOR")]
    coordinator: String,
    #[command(flatten)]
    token: TokenArgs,
}

pub(super) async fn run(args: Args) -> Result<Ending, CliError> {
    let grid = intake::read_grid(&args.grid)?;
    let base_dir = std::env::current_dir()
        .map_err(|source| CliError::Process { action: "find the working directory", source })?;
    let mut client = reach::sweeps(&args.coordinator, &args.token, ANSWER_LIMIT)?;
    let request = v1::SubmitSweepRequest {
        grid_toml: grid.text,
        file_name: args.grid.display().to_string(),
        base_dir: base_dir.to_string_lossy().into_owned(),
    };
    let answer = client.submit_sweep(request).await.map_err(|status| refusal(&args.coordinator, &status))?;
    let answer = answer.into_inner();
    put(&format!(
        "{}: {} trials, {} ended before\n",
        text::terminal(&answer.sweep),
        answer.trials,
        answer.ended
    ));
    Ok(Ending::Ok)
}
