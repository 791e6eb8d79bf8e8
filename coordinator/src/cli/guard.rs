//! How a coordinator that others can reach is guarded: TLS by its own CA, and tokens. Decided here from the options;
//! done in `access`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::station::host_name;
use crate::access::{Authority, TokenBook, TokenStore, names_for};
use crate::clock::wall_ms;
use crate::config::parse_tls_name;
use crate::error::CliError;
use crate::rpc::Guard;

#[derive(Debug, clap::Args)]
pub(super) struct GuardArgs {
    /// Speak TLS by the coordinator's own CA, and let in only who has a token (`coordinator token create`)
    #[arg(long)]
    tls: bool,
    /// A further name or address that the certificate is for, as workers dial it; may be repeated
    #[arg(long, value_name = "NAME", requires = "tls", value_parser = parse_tls_name)]
    tls_name: Vec<String>,
}

impl GuardArgs {
    /// Whether one may listen on `bind` so.
    pub(super) fn check(&self, bind: SocketAddr) -> Result<(), CliError> {
        if self.tls || bind.ip().is_loopback() {
            return Ok(());
        }
        Err(CliError::Usage(format!(
            "{} can be reached from other machines, and without TLS and tokens anybody there could hand in results\n  \
             next: make a token for the workers (coordinator token create --role worker --out worker.token) and start \
             again with --tls; or listen on 127.0.0.1 and let workers in through an ssh tunnel \
             (ssh -L 7733:127.0.0.1:7733 HOST)",
            bind.ip()
        )))
    }

    /// The guard of a coordinator whose record is open; `None` without TLS.
    pub(super) async fn guard(&self, state: &Path, bind: SocketAddr) -> Result<Option<Guard>, CliError> {
        if !self.tls {
            return Ok(None);
        }
        let authority = Arc::new(Authority::of_state_dir(state, wall_ms())?);
        let tokens = TokenStore::of_open_record(state);
        let book = TokenBook::open(tokens.clone()).await?;
        let names = names_for(bind, host_name().as_deref(), &self.tls_name);
        Ok(Some(Guard { authority, names, book, tokens }))
    }
}

/// Refuses a start that nobody could ever connect to; on loopback a token may follow later.
pub(super) fn check_tokens(guard: Option<&Guard>, bind: SocketAddr) -> Result<(), CliError> {
    match guard {
        Some(guard) if !bind.ip().is_loopback() && !guard.book.has_live() => Err(CliError::Usage(
            "no token lets anybody in yet\n  next: coordinator token create --role worker --out worker.token (with the same \
             --state), then start again"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Under which URL a coordinator is reached that listens on `address`.
pub(super) fn url_of(address: SocketAddr, is_guarded: bool) -> String {
    let scheme = if is_guarded { "https" } else { "http" };
    match host_name().filter(|_| address.ip().is_unspecified()) {
        Some(host) => format!("{scheme}://{host}:{}", address.port()),
        None => format!("{scheme}://{address}"),
    }
}
