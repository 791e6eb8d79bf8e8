//! SQLite: one connection writes, a small pool reads. Write-ahead log, `synchronous = FULL`: what `append` has
//! answered for survives a loss of power.

mod read;
mod write;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use domain::SweepName;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};
use sweep_engine::Event;
use tokio::sync::Mutex;

use super::records::{SweepData, SweepRecord};
use super::state_dir::{StateDir, database_file};
use super::{Store, StoreError};

/// Readers at once: leaderboards and reports of a few people.
const READERS: u32 = 4;
/// How long a statement waits for another process that copies or inspects the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite's primary result codes for a damaged file.
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;

/// The record in `coordinator.db`.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// `None` where the store only reads, and after `close`.
    writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
    /// A coordinator's lock, held as long as the store lives.
    _state_dir: Option<StateDir>,
}

impl SqliteStore {
    /// Opens or makes the record of a state folder that this process holds.
    ///
    /// # Errors
    /// When the file is damaged, of a later release, or cannot be written.
    pub async fn open(state_dir: StateDir) -> Result<Self, StoreError> {
        let path = state_dir.database();
        let options = base_options(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let wrong = |error| classify(&path, &error);
        let mut writer = options.connect().await.map_err(wrong)?;
        check_health(&path, &mut writer).await?;
        migrations().run(&mut writer).await.map_err(|error| classify_migration(&path, error))?;
        let readers = reader_pool(base_options(&path).read_only(true));
        Ok(Self { path, writer: Mutex::new(Some(writer)), readers, _state_dir: Some(state_dir) })
    }

    /// Opens a record for reading; a coordinator may be writing it at the same time.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub async fn open_read_only(state_dir: &Path) -> Result<Self, StoreError> {
        let path = database_file(state_dir);
        if !path.is_file() {
            return Err(StoreError::Absent { path: state_dir.to_owned() });
        }
        let mut readers = reader_pool(base_options(&path).read_only(true));
        if let Err(error) = read::probe(&readers).await {
            // A folder that may not be written has no place for the index of the write-ahead log. Where there is no
            // log either, nobody writes, and the file can be read as it is.
            if path.with_extension("db-wal").exists() || primary_code(&error).is_some_and(is_damage) {
                return Err(classify(&path, &error));
            }
            readers = reader_pool(base_options(&path).read_only(true).immutable(true));
            read::probe(&readers).await.map_err(|again| classify(&path, &again))?;
        }
        Ok(Self { path, writer: Mutex::new(None), readers, _state_dir: None })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, at_ms: i64, events: &[Event]) -> Result<(), StoreError> {
        let rows = write::encode(events)?;
        let mut writer = self.writer.lock().await;
        let Some(connection) = writer.as_mut() else {
            return Err(StoreError::Unavailable {
                path: self.path.clone(),
                problem: "not open for writing".to_owned(),
            });
        };
        write::append(connection, at_ms, events, &rows).await.map_err(|error| classify(&self.path, &error))
    }

    async fn replay(&self) -> Result<Vec<Event>, StoreError> {
        read::replay(&self.readers).await.map_err(|error| error.at(&self.path))
    }

    async fn load_sweep(&self, name: &SweepName) -> Result<Option<SweepData>, StoreError> {
        read::load_sweep(&self.readers, name).await.map_err(|error| error.at(&self.path))
    }

    async fn list_sweeps(&self) -> Result<Vec<SweepRecord>, StoreError> {
        read::list_sweeps(&self.readers).await.map_err(|error| error.at(&self.path))
    }

    async fn close(&self) {
        self.readers.close().await;
        if let Some(connection) = self.writer.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database did not close cleanly; the next start recovers it, nothing is lost");
        }
    }
}

/// Options of any connection to the database.
pub(crate) fn base_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT)
}

fn reader_pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options)
}

fn migrations() -> Migrator {
    let all = [
        ("record", include_str!("../../../migrations/sqlite/0001_record.sql")),
        ("tokens", include_str!("../../../migrations/sqlite/0002_tokens.sql")),
    ];
    let numbered = all.into_iter().zip(1..).map(|((name, text), number)| {
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(numbered.collect())
}

async fn check_health(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| classify(path, &error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::Corrupt { path: path.to_owned(), problem: verdict })
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    // The low byte of SQLite's extended code is the primary one.
    code.parse::<u32>().ok().map(|extended| extended & 0xff)
}

const fn is_damage(code: u32) -> bool {
    code == SQLITE_CORRUPT || code == SQLITE_NOTADB
}

/// What an error of SQLite means for a person.
pub(crate) fn classify(path: &Path, error: &sqlx::Error) -> StoreError {
    let path = path.to_owned();
    let problem = error.to_string();
    match primary_code(error) {
        Some(code) if is_damage(code) => StoreError::Corrupt { path, problem },
        _ => StoreError::Unavailable { path, problem },
    }
}

fn classify_migration(path: &Path, error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(inner) => classify(path, &inner),
        MigrateError::VersionMissing(version) => StoreError::Unavailable {
            path: path.to_owned(),
            problem: format!("it was written by a later release (its migration {version} is unknown here)"),
        },
        other => StoreError::Unavailable { path: path.to_owned(), problem: other.to_string() },
    }
}
