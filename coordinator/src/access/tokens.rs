//! Tokens in the database: which there are, what they may do, and a hash of each secret. A secret itself is never
//! written down here. Tokens are no events: nothing about trials follows from them.
//!
//! A person's command may write here beside a running coordinator, which reads the table again and again.

use std::path::{Path, PathBuf};

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{ConnectOptions, Connection, query, query_scalar};
use sweep_proto::join::{Secret, TokenId};

use super::{AccessError, Role};
use crate::store::{SqliteStore, StateDir, StateDirError, Store, StoreError, sqlite_errors, sqlite_options};

/// Longest label, in bytes.
pub const MAX_LABEL_BYTES: usize = 100;
/// Most tokens, revoked ones included: all of them are held in memory.
const MAX_TOKENS: usize = 10_000;
/// What the hash of a secret is for: the same bits hashed for another purpose give another hash.
const HASH_CONTEXT: &str = "latentsweep 2026-11-27 join token secret";

/// What is kept of a secret. It has 256 random bits, so that a fast hash is as good as a slow one.
pub(super) fn hash_of(secret: &Secret) -> [u8; 32] {
    blake3::derive_key(HASH_CONTEXT, secret.as_bytes())
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Which token.
    pub id: TokenId,
    /// What it may do.
    pub role: Role,
    /// What a person calls it.
    pub label: String,
    /// BLAKE3 of its secret, in a context of its own.
    pub secret_hash: [u8; 32],
    /// When it was made, ms since 1970.
    pub created_ms: i64,
    /// When it ends by itself.
    pub expires_ms: Option<i64>,
    /// When a person ended it.
    pub revoked_ms: Option<i64>,
}

impl TokenRecord {
    /// Whether it lets its holder in at `now_ms`.
    #[must_use]
    pub fn is_live(&self, now_ms: i64) -> bool {
        self.revoked_ms.is_none() && self.expires_ms.is_none_or(|end| now_ms < end)
    }
}

/// What a revocation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// It ended the token.
    Done,
    /// The token had been revoked before.
    Before,
    /// There is no such token.
    Unknown,
}

/// The table of tokens.
#[derive(Debug, Clone)]
pub struct TokenStore {
    path: PathBuf,
}

impl TokenStore {
    /// The tokens of a state folder, whose database is made if need be. A running coordinator may hold the folder: its
    /// database is there already, and one more short transaction does not disturb it.
    ///
    /// # Errors
    /// When the folder or its database cannot be used.
    pub async fn of_state_dir(state: &Path, holder: &str) -> Result<Self, AccessError> {
        match StateDir::lock(state, holder) {
            Ok(folder) => {
                let store = SqliteStore::open(folder).await?;
                store.close().await;
            }
            Err(StateDirError::InUse { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self::of_open_record(state))
    }

    /// As [`TokenStore::of_state_dir`], where this process has opened the database already.
    #[must_use]
    pub fn of_open_record(state: &Path) -> Self {
        Self { path: state.join("coordinator.db") }
    }

    /// Adds a token.
    ///
    /// # Errors
    /// When there are too many, or the database cannot be written.
    pub async fn add(&self, token: &TokenRecord) -> Result<(), AccessError> {
        let mut connection = self.connect().await?;
        let count: i64 =
            self.told(query_scalar("SELECT count(*) FROM tokens").fetch_one(&mut connection).await)?;
        if usize::try_from(count).unwrap_or(usize::MAX) >= MAX_TOKENS {
            return Err(AccessError::TooMany { limit: MAX_TOKENS });
        }
        let added = query(
            "INSERT INTO tokens (id, role, label, secret_hash, created_ms, expires_ms, revoked_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(token.id.to_string())
        .bind(token.role.name())
        .bind(&token.label)
        .bind(&token.secret_hash[..])
        .bind(token.created_ms)
        .bind(token.expires_ms)
        .bind(token.revoked_ms)
        .execute(&mut connection)
        .await;
        self.told(added)?;
        self.told(connection.close().await)
    }

    /// Ends a token.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn revoke(&self, id: TokenId, now_ms: i64) -> Result<Revocation, AccessError> {
        let mut connection = self.connect().await?;
        let changed = query("UPDATE tokens SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL")
            .bind(now_ms)
            .bind(id.to_string())
            .execute(&mut connection)
            .await;
        if self.told(changed)?.rows_affected() == 1 {
            return self.told(connection.close().await.map(|()| Revocation::Done));
        }
        let found = query_scalar("SELECT count(*) FROM tokens WHERE id = ?").bind(id.to_string());
        let known: i64 = self.told(found.fetch_one(&mut connection).await)?;
        Ok(if known == 1 { Revocation::Before } else { Revocation::Unknown })
    }

    /// Every token, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<TokenRecord>, AccessError> {
        let mut connection = self.connect().await?;
        let rows = query(SELECT).fetch_all(&mut connection).await;
        let records = self.records(self.told(rows)?)?;
        self.told(connection.close().await)?;
        Ok(records)
    }

    /// A pool for a reader that looks again and again.
    pub(super) fn reader(&self) -> SqlitePool {
        let options = sqlite_options(&self.path).read_only(true);
        sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options)
    }

    /// Every token, through `reader`.
    pub(super) async fn list_through(&self, reader: &SqlitePool) -> Result<Vec<TokenRecord>, AccessError> {
        self.records(self.told(query(SELECT).fetch_all(reader).await)?)
    }

    async fn connect(&self) -> Result<SqliteConnection, AccessError> {
        self.told(sqlite_options(&self.path).connect().await)
    }

    fn told<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, AccessError> {
        result.map_err(|error| sqlite_errors(&self.path, &error).into())
    }

    fn records(&self, rows: Vec<SqliteRow>) -> Result<Vec<TokenRecord>, AccessError> {
        rows.iter().map(|row| self.record(row)).collect()
    }

    fn record(&self, row: &SqliteRow) -> Result<TokenRecord, AccessError> {
        let damaged = |problem: String| StoreError::Corrupt { path: self.path.clone(), problem };
        let id: String = self.told(row.try_get("id"))?;
        let role: String = self.told(row.try_get("role"))?;
        let hash: Vec<u8> = self.told(row.try_get("secret_hash"))?;
        Ok(TokenRecord {
            id: id.parse().map_err(|_| damaged(format!("no token id: {id:?}")))?,
            role: Role::from_name(&role).ok_or_else(|| damaged(format!("no role: {role:?}")))?,
            label: self.told(row.try_get("label"))?,
            secret_hash: hash
                .try_into()
                .map_err(|_| damaged("a token's hash has another length".to_owned()))?,
            created_ms: self.told(row.try_get("created_ms"))?,
            expires_ms: self.told(row.try_get("expires_ms"))?,
            revoked_ms: self.told(row.try_get("revoked_ms"))?,
        })
    }
}

const SELECT: &str = "SELECT id, role, label, secret_hash, created_ms, expires_ms, revoked_ms FROM tokens ORDER BY created_ms, id";
