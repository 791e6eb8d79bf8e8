//! The one place of this crate that reads a clock. Times are reported, they decide nothing.

use std::time::Instant;

/// Runs from its making.
pub(crate) struct Stopwatch {
    start: Instant,
}

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "the trial's stopwatch: times are reported, they decide nothing"
    )]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
