//! SQLite: one connection writes, a small pool reads. Write-ahead log, `synchronous = FULL`: what `append` has
//! answered for survives a loss of power.

mod read;
mod write;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
use super::reserve::Reserve;
use super::state_dir::{StateDir, database_file};
use super::{Store, StoreError};

/// Readers at once: leaderboards and reports of a few people.
const READERS: u32 = 4;
/// How long a statement waits for another process that copies or inspects the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite's primary result codes for a damaged file.
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;
/// … and for a disk without space.
const SQLITE_FULL: u32 = 13;

/// The record in `coordinator.db`.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// `None` where the store only reads, and after `close`.
    writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
    /// Space for a full disk; `None` where the store only reads.
    reserve: Option<Reserve>,
    /// The reserve is given up: nothing new is begun.
    is_short: AtomicBool,
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
        let reserve = Reserve::of_state_dir(state_dir.path());
        let is_short = reserve.keep().is_err();
        Ok(Self {
            path,
            writer: Mutex::new(Some(writer)),
            readers,
            reserve: Some(reserve),
            is_short: AtomicBool::new(is_short),
            _state_dir: Some(state_dir),
        })
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
        let (writer, is_short) = (Mutex::new(None), AtomicBool::new(false));
        Ok(Self { path, writer, readers, reserve: None, is_short, _state_dir: None })
    }

    /// The disk is full: gives the reserve up and makes room, if it is still there.
    async fn make_room(&self, connection: &mut SqliteConnection) -> bool {
        self.is_short.store(true, Ordering::SeqCst);
        let Some(reserve) = self.reserve.as_ref().filter(|reserve| reserve.is_kept()) else { return false };
        tracing::error!(path = %self.path.display(), "the disk is full: the reserve is given up, nothing new is begun");
        if let Err(error) = reserve.give_up() {
            tracing::error!(%error, "the reserve cannot be given up");
            return false;
        }
        // The log goes into the database and its space back; a reader may keep it from that, which does no harm.
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await {
            tracing::debug!(%error, "the log stays as it is");
        }
        true
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
        let wrong = |error: sqlx::Error| classify(&self.path, &error);
        match write::append(connection, at_ms, events, &rows).await.map_err(wrong) {
            Err(StoreError::Full { .. }) if self.make_room(connection).await => {
                write::append(connection, at_ms, events, &rows).await.map_err(wrong)
            }
            done => done,
        }
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

    async fn readiness(&self) -> Result<(), String> {
        let Some(reserve) = self.reserve.clone() else { return Ok(()) };
        let was_short = self.is_short.load(Ordering::SeqCst);
        let look = move || match (was_short, reserve.is_short()) {
            (_, true) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            (false, false) => Ok(()),
            (true, false) => reserve.keep(),
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(())) => {
                if self.is_short.swap(false, Ordering::SeqCst) {
                    tracing::info!("the disk has room again");
                }
                Ok(())
            }
            Ok(Err(error)) => {
                self.is_short.store(true, Ordering::SeqCst);
                Err(format!("the disk of {} is short of space: {error}", self.path.display()))
            }
            Err(error) => Err(format!("the space of the disk cannot be looked at: {error}")),
        }
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
        Some(SQLITE_FULL) => StoreError::Full { path, problem },
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
