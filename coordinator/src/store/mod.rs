//! The record: an append-only log of events and tables derived from it. One trait, kept narrow; SQLite for real,
//! memory for tests; one conformance suite over both.
//!
//! Must not live here: decisions (they are `sweep-engine`'s), the wire, words for a terminal.

mod file_system;
mod memory;
pub mod records;
mod reserve;
mod sqlite;
mod state_dir;

use std::path::PathBuf;

use async_trait::async_trait;
use domain::SweepName;
use sweep_engine::Event;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;
pub(crate) use sqlite::{base_options as sqlite_options, classify as sqlite_errors};
pub use state_dir::{StateDir, StateDirError};

use records::{SweepData, SweepRecord};

/// What the store cannot do, in words for people.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing has been recorded there.
    #[error("no sweeps are recorded in {}: there is no coordinator.db", path.display())]
    Absent {
        /// The state folder.
        path: PathBuf,
    },
    /// The file is not a healthy database.
    #[error("the database {} is damaged: {problem}. Restore it from a copy, or start with another state folder", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        problem: String,
    },
    /// The database cannot be used now: disk full, no permission, locked.
    #[error("the database {} cannot be used: {problem}", path.display())]
    Unavailable {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        problem: String,
    },
    /// The disk is full, and so is what was held in reserve.
    #[error("the disk of {} is full: free some space, it goes on by itself ({problem})", path.display())]
    Full {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        problem: String,
    },
    /// Written by a later release.
    #[error(
        "the record was written by a later release (event version {found}, this one reads up to {known})"
    )]
    TooNew {
        /// Its version.
        found: i64,
        /// What is known here.
        known: u32,
    },
    /// A stored value cannot be read back.
    #[error("the record at event {seq} cannot be read: {problem}")]
    Unreadable {
        /// Number of the event.
        seq: i64,
        /// Why.
        problem: String,
    },
    /// A value cannot be stored.
    #[error("an event cannot be stored: {problem}")]
    Unstorable {
        /// Why.
        problem: String,
    },
}

/// Keeps the record. An event that `append` has answered for survives `kill -9` and power loss.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Appends events in one transaction, derived tables included; durable when it returns.
    async fn append(&self, at_ms: i64, events: &[Event]) -> Result<(), StoreError>;

    /// Every event, oldest first.
    async fn replay(&self) -> Result<Vec<Event>, StoreError>;

    /// One sweep with all its trials, read in one transaction.
    async fn load_sweep(&self, name: &SweepName) -> Result<Option<SweepData>, StoreError>;

    /// Every sweep, in the order of last submission: the newest is the last.
    async fn list_sweeps(&self) -> Result<Vec<SweepRecord>, StoreError>;

    /// Whether there is room to begin new work; the words say why not. Asked for now and then, it also puts things right
    /// once there is room again.
    async fn readiness(&self) -> Result<(), String> {
        Ok(())
    }

    /// Writes everything out and closes; later calls fail.
    async fn close(&self);
}
