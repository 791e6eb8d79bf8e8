//! Coordinator and services as they run in this process: started in order, stopped in reverse.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sweep_engine::{Mode, Settings};

use super::intake::GridIntake;
use super::screen::Names;
use crate::artifacts::ArtifactStore;
use crate::clock;
use crate::datasets::DatasetStore;
use crate::error::CliError;
use crate::rpc::{Guard, RpcServer};
use crate::runtime::{Coordinator, CoordinatorHandle, DEFAULT_NO_PROGRESS_MS};
use crate::store::{SqliteStore, StateDir, Store};

/// A state folder held by this process, with the core that writes its record.
pub(super) struct Station {
    state: PathBuf,
    /// The core.
    pub(super) handle: CoordinatorHandle,
    /// What trials are called.
    pub(super) names: Names,
    server: Option<RpcServer>,
}

impl Station {
    /// Takes the folder's lock. Nothing is recorded yet.
    pub(super) fn lock(state: &Path) -> Result<StateDir, CliError> {
        Ok(StateDir::lock(state, &Self::holder())?)
    }

    /// What another process is told that wants the folder, too. A folder may be shared by several hosts.
    pub(super) fn holder() -> String {
        let host = host_name().unwrap_or_else(|| "this host".to_owned());
        format!("coordinator, pid {} on {host}, since {}", std::process::id(), clock::wall_text())
    }

    /// Opens the record and starts the core.
    pub(super) async fn start(folder: StateDir, settings: Settings) -> Result<Self, CliError> {
        let state = folder.path().to_owned();
        // The store keeps the lock: nobody else opens the folder before it is closed.
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder).await?);
        let checkpoints = ArtifactStore::of_checkpoints(&state);
        let handle = Coordinator::start_with_checkpoints(settings, store, checkpoints).await?;
        Ok(Self { state, handle, names: Names::default(), server: None })
    }

    /// Starts listening, with TLS and tokens where there is a guard; returns the address.
    pub(super) async fn listen(
        &mut self,
        bind: SocketAddr,
        guard: Option<Guard>,
    ) -> Result<SocketAddr, CliError> {
        let (artifacts, datasets) =
            (ArtifactStore::of_state_dir(&self.state), DatasetStore::of_state_dir(&self.state));
        let intake =
            Arc::new(GridIntake { datasets: datasets.folder().to_owned(), names: self.names.clone() });
        let handle = self.handle.clone();
        let server = RpcServer::start_behind(guard, bind, handle, artifacts, datasets, intake).await?;
        let address = server.address();
        self.server = Some(server);
        Ok(address)
    }

    /// The folder for what workers of this host share.
    #[cfg(feature = "local-workers")]
    pub(super) fn worker_cache(&self) -> PathBuf {
        self.state.join("cache")
    }

    /// Stops listening, writes everything out, and lets go of the folder.
    pub(super) async fn stop(self) {
        if let Some(server) = self.server {
            server.shutdown().await;
        }
        self.handle.shutdown().await;
    }
}

/// This machine's name.
pub(super) fn host_name() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    (!name.is_empty()).then_some(name)
}

/// The settings of a coordinator with these times.
pub(super) const fn settings(mode: Mode, heartbeat_ms: u64, lease_ttl_ms: u64) -> Settings {
    Settings { heartbeat_ms, lease_ttl_ms, no_progress_ms: DEFAULT_NO_PROGRESS_MS, mode }
}
