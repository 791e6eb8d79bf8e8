//! The live tokens in memory, read from the database again and again, so that a token made or revoked beside the running
//! coordinator counts within half a second, for running sessions, too.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use subtle::ConstantTimeEq;
use sweep_proto::join::{Secret, TokenId};
use tokio::sync::watch;

use super::tokens::{self, TokenRecord, TokenStore};
use super::{AccessError, Role};
use crate::clock::wall_ms;

/// Time between two looks at the table.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a call with an unknown token waits for the next look: it may have been made a moment ago.
const WAIT_FOR_LOOK: Duration = Duration::from_secs(2);

/// Why a call is not let in, in words for its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// It carries none.
    #[error(
        "this coordinator wants a token: give one with --token-file; `coordinator token create` makes it"
    )]
    Missing,
    /// No such token, or another secret.
    #[error("the token is not known here: ask for a new one where the coordinator runs")]
    Unknown,
    /// A person ended it.
    #[error("the token {id} was revoked: ask for a new one where the coordinator runs")]
    Revoked {
        /// Which.
        id: TokenId,
    },
    /// It ended by itself.
    #[error("the token {id} has expired: ask for a new one where the coordinator runs")]
    Expired {
        /// Which.
        id: TokenId,
    },
    /// It may do other things.
    #[error("the token {id} is a {held}'s, and this needs {needed}: ask for a token of that role")]
    OtherRole {
        /// Which.
        id: TokenId,
        /// What it is.
        held: Role,
        /// What the call needs.
        needed: Role,
    },
    /// A call that no role may make.
    #[error("this coordinator knows no such call: use programs of the same release")]
    NoSuchCall,
}

impl Denial {
    /// Its name in the metadata of an error status, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Unknown => "token-unknown",
            Self::Revoked { .. } => "token-revoked",
            Self::Expired { .. } => "token-expired",
            Self::OtherRole { .. } => "token-role",
            Self::NoSuchCall => "no-such-call",
        }
    }
}

type Known = HashMap<TokenId, TokenRecord>;

/// Knows which tokens let in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenBook {
    known: Arc<RwLock<Known>>,
    /// Tokens of this process's own workers: they live as long as it does and stand in no database.
    own: Arc<RwLock<Known>>,
    looks: watch::Receiver<u64>,
}

impl TokenBook {
    /// Reads the tokens and goes on reading them until the book is dropped. Belongs to the runtime it is made in.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn open(store: TokenStore) -> Result<Self, AccessError> {
        let reader = store.reader();
        let by_id = |list: Vec<TokenRecord>| list.into_iter().map(|token| (token.id, token)).collect();
        let known = Arc::new(RwLock::new(by_id(store.list_through(&reader).await?)));
        let (looked, looks) = watch::channel(0);
        let shared = Arc::clone(&known);
        tokio::spawn(async move {
            while !looked.is_closed() {
                tokio::time::sleep(LOOK_EVERY).await;
                match store.list_through(&reader).await {
                    Ok(list) => {
                        *shared.write().unwrap_or_else(PoisonError::into_inner) = by_id(list);
                        looked.send_modify(|count| *count += 1);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the tokens cannot be read; those known before still count");
                    }
                }
            }
            reader.close().await;
        });
        Ok(Self { known, own: Arc::default(), looks })
    }

    /// Adds a token of this process's own workers.
    pub fn add_own(&self, token: TokenRecord) {
        self.own.write().unwrap_or_else(PoisonError::into_inner).insert(token.id, token);
    }

    /// Whether any token lets anybody in.
    #[must_use]
    pub fn has_live(&self) -> bool {
        let now_ms = wall_ms();
        [&self.known, &self.own].into_iter().any(|book| {
            book.read().unwrap_or_else(PoisonError::into_inner).values().any(|token| token.is_live(now_ms))
        })
    }

    /// The role of the token, if it lets its holder in now.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check(&self, id: TokenId, secret: &Secret) -> Result<Role, Denial> {
        match self.check_now(id, secret, wall_ms()) {
            Err(Denial::Unknown) => {}
            verdict => return verdict,
        }
        // It may have been made since the last look. Waiting slows down whoever tries tokens, too.
        let mut looks = self.looks.clone();
        looks.mark_unchanged();
        let _ = tokio::time::timeout(WAIT_FOR_LOOK, looks.changed()).await;
        self.check_now(id, secret, wall_ms())
    }

    fn check_now(&self, id: TokenId, secret: &Secret, now_ms: i64) -> Result<Role, Denial> {
        let find =
            |book: &RwLock<Known>| book.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let found = find(&self.own).or_else(|| find(&self.known));
        judge(found.as_ref(), id, secret, now_ms)
    }
}

/// What a token with this record and secret may be at `now_ms`. Whether it was revoked is told only to who holds it.
fn judge(found: Option<&TokenRecord>, id: TokenId, secret: &Secret, now_ms: i64) -> Result<Role, Denial> {
    let hash = tokens::hash_of(secret);
    let token = found.ok_or(Denial::Unknown)?;
    if !bool::from(token.secret_hash[..].ct_eq(&hash[..])) {
        return Err(Denial::Unknown);
    }
    if token.revoked_ms.is_some() {
        return Err(Denial::Revoked { id });
    }
    if !token.is_live(now_ms) {
        return Err(Denial::Expired { id });
    }
    Ok(token.role)
}

#[cfg(test)]
mod tests {
    use sweep_proto::join::{Secret, TokenId};

    use super::{Denial, Role, TokenRecord, judge, tokens};

    #[test]
    fn a_token_lets_in_who_holds_it_while_it_lives() {
        let (id, secret) = (TokenId::from_bytes([7; 8]), Secret::from_bytes([1; 32]));
        let token = TokenRecord {
            id,
            role: Role::Viewer,
            label: String::new(),
            secret_hash: tokens::hash_of(&secret),
            created_ms: 0,
            expires_ms: Some(100),
            revoked_ms: None,
        };
        assert_eq!(judge(Some(&token), id, &secret, 99), Ok(Role::Viewer));
        assert_eq!(judge(Some(&token), id, &secret, 100), Err(Denial::Expired { id }));
        assert_eq!(judge(Some(&token), id, &Secret::from_bytes([2; 32]), 99), Err(Denial::Unknown));
        assert_eq!(judge(None, id, &secret, 99), Err(Denial::Unknown));
        let revoked = TokenRecord { revoked_ms: Some(5), ..token };
        assert_eq!(judge(Some(&revoked), id, &secret, 99), Err(Denial::Revoked { id }));
        // Who does not hold it learns nothing about it.
        assert_eq!(judge(Some(&revoked), id, &Secret::from_bytes([2; 32]), 99), Err(Denial::Unknown));
    }

    #[test]
    fn the_hash_of_a_secret_is_pinned() {
        // A change would end every token that was handed out. Made by Python's blake3:
        // blake3.blake3(bytes([1]) * 32, derive_key_context="latentsweep 2026-11-27 join token secret").hexdigest()
        let hash: String =
            tokens::hash_of(&Secret::from_bytes([1; 32])).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "5b72e69afa9488b3ff209a6e1536cb575af35ce4ccfdada5b004b053d6dcf0da");
    }
}
