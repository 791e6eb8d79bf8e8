//! `coordinator submit`: gives a grid file to a coordinator that serves.

use std::path::PathBuf;
use std::time::Duration;

use sweep_proto::v1::sweep_service_client::SweepServiceClient;
use sweep_proto::{MAX_MESSAGE_BYTES, v1};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::{intake, put};
use crate::config::parse_url;
use crate::error::{CliError, Ending};
use crate::leaderboard::text;

/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Longest wait for the answer: the coordinator reads the data meanwhile.
const ANSWER_LIMIT: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The grid file; paths in it are taken from the working directory, on the coordinator's machine
    grid: PathBuf,
    /// Where the coordinator is
    #[arg(long, value_name = "http://HOST:PORT", value_parser = parse_url, env = "LATENTSWEEP_COORDINATOR")]
    coordinator: String,
}

pub(super) async fn run(args: Args) -> Result<Ending, CliError> {
    let grid = intake::read_grid(&args.grid)?;
    let base_dir = std::env::current_dir()
        .map_err(|source| CliError::Process { action: "find the working directory", source })?;
    let mut client = connect(&args.coordinator, ANSWER_LIMIT).await?;
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

/// A client of the coordinator at `url`.
pub(super) async fn connect(
    url: &str,
    answer_limit: Duration,
) -> Result<SweepServiceClient<Channel>, CliError> {
    let failed = |error: tonic::transport::Error| CliError::Unreachable {
        url: url.to_owned(),
        why: root_cause(&error),
    };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(failed)?;
    let channel =
        endpoint.connect_timeout(CONNECT_LIMIT).timeout(answer_limit).connect().await.map_err(failed)?;
    Ok(SweepServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// The innermost cause: "connection refused" says more than "transport error".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What an answer that is no answer means.
pub(super) fn refusal(url: &str, status: &Status) -> CliError {
    let words = status.message().to_owned();
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
            CliError::Unreachable { url: url.to_owned(), why: words }
        }
        Code::InvalidArgument | Code::FailedPrecondition => CliError::BadSubmission(words),
        Code::NotFound => CliError::NotFound(words),
        _ => CliError::Refused(format!("the coordinator at {url} refuses: {words}")),
    }
}
