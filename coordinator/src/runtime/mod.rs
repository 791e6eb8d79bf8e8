//! One task owns the engine. Everyone else sends it an input and awaits the reply.
//!
//! For every batch of inputs that wait: decide and apply each in order, append all their events in one transaction,
//! and only when that is durable perform the effects and send the replies. Should the store refuse, nobody is
//! told anything but that, and the state is read anew from the store, which alone knows what was recorded.
//!
//! Must not live here: decisions about trials, the wire, SQL.

mod actor;
mod handle;
mod progress;

use std::sync::Arc;

use sweep_engine::{Mode, Settings};

use crate::artifacts::ArtifactStore;
use crate::store::{Store, StoreError};

pub use handle::{CoordinatorHandle, RuntimeError, SweepOrder};
pub use progress::{
    EndedTrial, FailedAttempt, ProgressSnapshot, RunningTrialStatus, SweepProgress, WorkerStatus,
};

/// How often workers send a heartbeat by default.
pub const DEFAULT_HEARTBEAT_MS: u64 = 5_000;
/// How long a lease lives without one by default.
pub const DEFAULT_LEASE_TTL_MS: u64 = 30_000;
/// How long a trial may go without an epoch by default, and a worker without stopping what it was told to stop.
pub const DEFAULT_NO_PROGRESS_MS: u64 = 600_000;

/// The settings that people and tests know.
#[must_use]
pub const fn settings(mode: Mode) -> Settings {
    Settings {
        heartbeat_ms: DEFAULT_HEARTBEAT_MS,
        lease_ttl_ms: DEFAULT_LEASE_TTL_MS,
        no_progress_ms: DEFAULT_NO_PROGRESS_MS,
        mode,
    }
}

/// The coordinator's core: engine and store.
#[derive(Debug)]
pub struct Coordinator;

impl Coordinator {
    /// Reads the record, gives every live lease one fresh time to live, and starts the task that owns the engine.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn start(settings: Settings, store: Arc<dyn Store>) -> Result<CoordinatorHandle, StoreError> {
        actor::start(settings, store, None).await
    }

    /// As [`Coordinator::start`]; checkpoints at which no trial begins any more are deleted from `checkpoints`, those
    /// that an earlier run left behind at once.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn start_with_checkpoints(
        settings: Settings,
        store: Arc<dyn Store>,
        checkpoints: ArtifactStore,
    ) -> Result<CoordinatorHandle, StoreError> {
        actor::start(settings, store, Some(checkpoints)).await
    }
}
