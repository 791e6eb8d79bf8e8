//! The wire: what arrives by gRPC becomes an input of the engine or a file, and the answer goes back.
//!
//! Must not live here: decisions about trials, SQL, reading grid files or data (that is the intake's).

mod status;
mod sweeps;
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
use sweep_proto::v1::worker_service_server::WorkerServiceServer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::artifacts::ArtifactStore;
use crate::datasets::DatasetStore;
use crate::runtime::CoordinatorHandle;
use crate::store::records::SweepRecord;

use sweeps::SweepApi;
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
}

/// How long running calls may take to end at a shutdown.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
/// A silent peer is asked whether it lives after this long, and given up after the second.
const HTTP2_KEEPALIVE: Duration = Duration::from_secs(20);
const HTTP2_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// The same on the level of TCP, for connections without a call.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// The running services.
#[derive(Debug)]
pub struct RpcServer {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl RpcServer {
    /// Listens on `listen` (port 0 takes a free one) and serves until [`RpcServer::shutdown`].
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
        let wrong = |source: std::io::Error| match source.kind() {
            ErrorKind::AddrInUse => RpcError::AddressInUse { address: listen },
            _ => RpcError::Listen { address: listen, source },
        };
        let incoming = TcpIncoming::bind(listen).map_err(wrong)?;
        let incoming = incoming.with_nodelay(Some(true)).with_keepalive(Some(TCP_KEEPALIVE));
        let address = incoming.local_addr().map_err(wrong)?;

        let workers = WorkerServiceServer::new(WorkerApi { handle: handle.clone(), artifacts, datasets })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let sweeps = SweepServiceServer::new(SweepApi { handle, intake })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_serving::<WorkerServiceServer<WorkerApi>>().await;
        reporter.set_serving::<SweepServiceServer<SweepApi>>().await;

        let stop = CancellationToken::new();
        let router = Server::builder()
            .http2_keepalive_interval(Some(HTTP2_KEEPALIVE))
            .http2_keepalive_timeout(Some(HTTP2_KEEPALIVE_TIMEOUT))
            .add_service(health)
            .add_service(workers)
            .add_service(sweeps);
        let stopped = stop.clone().cancelled_owned();
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
