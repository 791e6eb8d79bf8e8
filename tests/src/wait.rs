//! Waiting on a condition with a deadline. Tests never sleep for a fixed time and hope.

use std::time::{Duration, Instant};

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks at `condition` until it yields a value.
///
/// # Panics
/// When `limit` passes first; the message names `what` was waited for.
#[expect(clippy::disallowed_methods, reason = "a deadline of the harness, not of the product")]
pub fn wait_until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
