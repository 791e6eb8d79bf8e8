//! The wire: what arrives by gRPC becomes an input of the engine or a file, and the answer goes back. Every call has
//! passed the gate of [`crate::access`] before.
//!
//! Must not live here: decisions about trials, SQL, reading grid files or data (that is the intake's), who may come in.

mod names;
mod status;
mod sweeps;
mod tokens;
mod workers;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::Trial;
use sweep_proto::MAX_MESSAGE_BYTES;
use sweep_proto::v1::sweep_service_server::SweepServiceServer;
use sweep_proto::v1::token_service_server::TokenServiceServer;
use sweep_proto::v1::worker_service_server::WorkerServiceServer;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::access::{AccessError, Authority, Door, GateLayer, TokenBook, TokenStore, raise_file_limit};
use crate::artifacts::ArtifactStore;
use crate::datasets::DatasetStore;
use crate::runtime::{CoordinatorHandle, ProgressSnapshot};
use crate::store::records::SweepRecord;

pub(crate) use status::REJECTION_KEY;

use names::NameKeeper;
use sweeps::SweepApi;
use tokens::TokenApi;
use workers::WorkerApi;

/// A grid file as a person sent it.
#[derive(Debug, Clone)]
pub struct SubmittedGrid {
    /// Its text.
    pub grid_toml: String,
    /// Its name, for messages.
    pub file_name: String,
    /// Folder that relative paths in it are taken from, on this machine.
    pub base_dir: PathBuf,
}

/// A sweep that is ready to be recorded: its data set lies in the state folder.
#[derive(Debug, Clone)]
pub struct PreparedSweep {
    /// What the store keeps about it.
    pub record: SweepRecord,
    /// Its trials in order.
    pub trials: Vec<Trial>,
}

/// A grid file that cannot be run, in words for the person who sent it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct IntakeError {
    /// File, line, what was found and what to do.
    pub message: String,
}

/// Reads a submitted grid file and prepares its data.
#[async_trait]
pub trait SweepIntake: Send + Sync + 'static {
    /// Makes a sweep of `grid`.
    async fn prepare(&self, grid: SubmittedGrid) -> Result<PreparedSweep, IntakeError>;
}

/// Why the coordinator cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Another program listens there.
    #[error("{address} is in use by another program: stop it, or choose another port (0 takes a free one)")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// It cannot listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// It cannot guard itself.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// What guards a coordinator that others can reach.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Signs the server's certificate.
    pub authority: Arc<Authority>,
    /// Names and addresses that the certificate is for.
    pub names: Vec<String>,
    /// Knows who may come in.
    pub book: TokenBook,
    /// Where tokens are kept.
    pub tokens: TokenStore,
}

/// How long running calls may take to end at a shutdown.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
/// A silent peer is asked whether it lives after this long, and given up after the second.
const HTTP2_KEEPALIVE: Duration = Duration::from_secs(20);
const HTTP2_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Most calls at once on one connection: a worker has a handful, a flood waits in its own queue.
const MAX_CALLS_PER_CONNECTION: u32 = 256;
/// Largest headers of one call: a token's line and what HTTP/2 adds are under 1 KiB.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// Connections that wait to be taken: a whole launch comes back at once.
const BACKLOG: u32 = 4096;

/// The running services.
#[derive(Debug)]
pub struct RpcServer {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl RpcServer {
    /// Listens on `listen` (port 0 takes a free one), without TLS, and serves until [`RpcServer::shutdown`]. For
    /// loopback: whoever can connect may do everything.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn start(
        listen: SocketAddr,
        handle: CoordinatorHandle,
        artifacts: ArtifactStore,
        datasets: DatasetStore,
        intake: Arc<dyn SweepIntake>,
    ) -> Result<Self, RpcError> {
        Self::start_behind(None, listen, handle, artifacts, datasets, intake).await
    }

    /// As [`RpcServer::start`], with TLS and tokens where there is a guard.
    ///
    /// # Errors
    /// When it cannot listen there, or has no certificate.
    pub async fn start_behind(
        guard: Option<Guard>,
        listen: SocketAddr,
        handle: CoordinatorHandle,
        artifacts: ArtifactStore,
        datasets: DatasetStore,
        intake: Arc<dyn SweepIntake>,
    ) -> Result<Self, RpcError> {
        let wrong = |source: std::io::Error| match source.kind() {
            ErrorKind::AddrInUse => RpcError::AddressInUse { address: listen },
            _ => RpcError::Listen { address: listen, source },
        };
        raise_file_limit();
        let listener = bind(listen).map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let (door, gate, issuer) = match guard {
            None => (Door::open(listener), GateLayer { book: None }, None),
            Some(guard) => {
                let door = Door::guarded(listener, Arc::clone(&guard.authority), guard.names)?;
                let gate = GateLayer { book: Some(Arc::new(guard.book)) };
                (door, gate, Some((guard.authority, guard.tokens)))
            }
        };

        let handle_for_health = handle.clone();
        let (names, checkpoints) = (NameKeeper::default(), artifacts.checkpoints_beside());
        let workers = WorkerApi { handle: handle.clone(), artifacts, checkpoints, datasets, names };
        let workers = WorkerServiceServer::new(workers)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let sweeps = SweepServiceServer::new(SweepApi { handle, intake })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let tokens = TokenServiceServer::new(TokenApi { issuer })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let (reporter, health) = tonic_health::server::health_reporter();

        let stop = CancellationToken::new();
        tokio::spawn(tell_health(reporter, handle_for_health, stop.clone()));
        let router = Server::builder()
            .http2_keepalive_interval(Some(HTTP2_KEEPALIVE))
            .http2_keepalive_timeout(Some(HTTP2_KEEPALIVE_TIMEOUT))
            .max_concurrent_streams(Some(MAX_CALLS_PER_CONNECTION))
            .http2_max_header_list_size(Some(MAX_HEADER_BYTES))
            .layer(gate)
            .add_service(health)
            .add_service(workers)
            .add_service(sweeps)
            .add_service(tokens);
        let stopped = stop.clone().cancelled_owned();
        let incoming = ReceiverStream::new(door.guests());
        let task = tokio::spawn(router.serve_with_incoming_shutdown(incoming, stopped));
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and ends once what runs is answered, or after a few seconds.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        match tokio::time::timeout(SHUTDOWN_LIMIT, &mut self.task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the services ended with an error"),
            Ok(Err(error)) => tracing::error!(%error, "the services broke off"),
            Err(_) => self.task.abort(),
        }
    }
}

fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart on the same port must not wait for the system to forget the old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

/// Says by gRPC's health protocol whether the record can be written and has room: without, whoever balances or watches
/// coordinators should look elsewhere, while workers go on and keep what they finish.
async fn tell_health(reporter: HealthReporter, handle: CoordinatorHandle, stop: CancellationToken) {
    let mut progress = handle.progress();
    loop {
        let is_ready = progress.borrow_and_update().store_problem.is_none();
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in ["", WorkerServiceServer::<WorkerApi>::NAME, SweepServiceServer::<SweepApi>::NAME] {
            reporter.set_service_status(service, status).await;
        }
        let is_other = |now: &ProgressSnapshot| now.store_problem.is_none() != is_ready;
        tokio::select! {
            changed = progress.wait_for(is_other) => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}
