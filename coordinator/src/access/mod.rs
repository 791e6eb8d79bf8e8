//! Who may come in: the coordinator's own CA, the join tokens, their roles, and the gate that every call passes.
//!
//! `authority` makes certificates, `door` takes connections, `tokens` keeps tokens in the database, `book` knows the live
//! ones, `gate` checks each call. Must not live here: leases and sessions (a worker may touch only what it leased, which
//! is the engine's to say), words for a terminal.

mod authority;
mod book;
mod door;
mod gate;
mod role;
mod tokens;

use std::path::PathBuf;

use sweep_proto::join::{JoinToken, Secret, TokenId};

use crate::clock::{self, NoEntropy};

pub(crate) use authority::is_dns_name;
pub use authority::{Authority, names_for};
pub use book::{Denial, TokenBook};
pub(crate) use door::{Door, raise_file_limit};
pub(crate) use gate::{Caller, GateLayer};
pub use role::{Need, Role, need};
pub use tokens::{MAX_LABEL_BYTES, Revocation, TokenRecord, TokenStore};

/// Why the coordinator cannot guard itself.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file of the CA cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The CA's key can be read by others.
    #[error(
        "the CA's key {} is open to others (mode {mode:04o}): whoever has read it can pass for this coordinator\n  \
         next: chmod 600 {}, or, if somebody may have read it, remove both files of the folder: the next start makes a new \
         CA, and every token must be made anew", path.display(), path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The files of the CA do not belong together.
    #[error(
        "the CA in {} cannot be used: {problem}\n  next: restore it from a copy, or remove both files: the next start makes a \
         new CA, and every token must be made anew", folder.display()
    )]
    Authority {
        /// Their folder.
        folder: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// The system gives no random numbers.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The tokens cannot be read or written.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] crate::store::StateDirError),
    /// Too many.
    #[error(
        "{limit} tokens are recorded, which is the limit: revoke and forget old ones, or use another state folder"
    )]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

/// A fresh token of this CA, and what is kept of it: everything but its secret.
///
/// # Errors
/// When the system gives no random numbers.
pub fn fresh_token(
    authority: &Authority,
    role: Role,
    label: String,
    now_ms: i64,
    expires_ms: Option<i64>,
) -> Result<(JoinToken, TokenRecord), NoEntropy> {
    let id = TokenId::from_bytes(clock::random_bytes()?);
    let secret = Secret::from_bytes(clock::random_bytes()?);
    let token = JoinToken { ca: authority.hash(), id, secret };
    let record = TokenRecord {
        id,
        role,
        label,
        secret_hash: tokens::hash_of(&secret),
        created_ms: now_ms,
        expires_ms,
        revoked_ms: None,
    };
    Ok((token, record))
}
