//! The only place of the coordinator that reads a clock or draws a random number: everything else takes time, ids and
//! nonces as arguments.

use domain::ids::{LeaseNonce, SessionId};
use rand::TryRngCore;
use rand::rngs::OsRng;
use tokio::time::Instant;

/// Milliseconds since its own start; never goes back, whatever happens to the wall clock. It follows tokio's clock, so
/// that a test can move it.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    start: Instant,
}

impl MonotonicClock {
    /// Starts at 0.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Time since the start.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Milliseconds since 1970 by the wall clock: for people, never for decisions.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The present second by the wall clock, as people read it: `2026-11-27T19:04:05Z`.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall_text() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

/// The operating system gave no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers: {0}")]
pub struct NoEntropy(String);

/// Bytes that nobody can guess.
///
/// # Errors
/// When the operating system gives no random numbers.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| NoEntropy(error.to_string()))?;
    Ok(bytes)
}

/// A nonce that nobody can guess.
///
/// # Errors
/// When the operating system gives no random numbers.
pub fn fresh_nonce() -> Result<LeaseNonce, NoEntropy> {
    random_bytes().map(LeaseNonce::from_bytes)
}

/// A session id that nobody can guess.
///
/// # Errors
/// When the operating system gives no random numbers.
pub fn fresh_session() -> Result<SessionId, NoEntropy> {
    random_bytes().map(SessionId::from_bytes)
}
