//! How a person's command reaches a coordinator that serves, and what an answer that is no answer means.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use sweep_proto::MAX_MESSAGE_BYTES;
use sweep_proto::dial::{Connection, Dialer, Hopeless, hopeless};
use sweep_proto::join::{JoinToken, TOKEN_FILE_ENV};
use sweep_proto::v1::sweep_service_client::SweepServiceClient;
use sweep_proto::v1::token_service_client::TokenServiceClient;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use crate::error::CliError;

/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct TokenArgs {
    /// File with the token for an https:// coordinator, readable by nobody else; or set LATENTSWEEP_TOKEN
    #[arg(long, value_name = "FILE", env = TOKEN_FILE_ENV)]
    token_file: Option<PathBuf>,
}

/// A connection to the coordinator at `url`, made at its first call.
fn connection(url: &str, token: &TokenArgs, answer_limit: Duration) -> Result<Connection, CliError> {
    let unreachable = |why: String| CliError::Unreachable { url: url.to_owned(), why };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| unreachable(root_cause(&error)))?;
    let endpoint = endpoint.connect_timeout(CONNECT_LIMIT).timeout(answer_limit);
    // A plain connection carries no secret, so none is looked for.
    let is_secure = endpoint.uri().scheme_str() == Some("https");
    let token = if is_secure { JoinToken::find(token.token_file.as_deref())? } else { None };
    let dialer = Dialer::new(endpoint, token.as_ref()).map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(dialer.lazy())
}

/// A client of the sweeps at `url`.
pub(super) fn sweeps(
    url: &str,
    token: &TokenArgs,
    answer_limit: Duration,
) -> Result<SweepServiceClient<Connection>, CliError> {
    let client = SweepServiceClient::new(connection(url, token, answer_limit)?);
    Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
}

/// A client of the tokens at `url`.
pub(super) fn tokens(
    url: &str,
    token: &TokenArgs,
    answer_limit: Duration,
) -> Result<TokenServiceClient<Connection>, CliError> {
    let client = TokenServiceClient::new(connection(url, token, answer_limit)?);
    Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
}

/// The innermost cause: "connection refused" says more than "transport error".
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What an answer that is no answer means.
pub(super) fn refusal(url: &str, status: &Status) -> CliError {
    match hopeless(status) {
        Some(Hopeless::NotAllowed(why)) => return CliError::Refused(format!("not let in at {url}: {why}")),
        Some(Hopeless::WrongDoor(why)) => return CliError::WrongDoor { url: url.to_owned(), why },
        None => {}
    }
    let words = status.message().to_owned();
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
            let why = if status.source().is_some() { root_cause(status) } else { words };
            CliError::Unreachable { url: url.to_owned(), why }
        }
        Code::InvalidArgument | Code::FailedPrecondition => CliError::BadSubmission(words),
        Code::NotFound => CliError::NotFound(words),
        _ => CliError::Refused(format!("the coordinator at {url} refuses: {words}")),
    }
}
