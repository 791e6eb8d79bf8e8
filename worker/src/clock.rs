//! The only place of the worker that reads a clock or draws chance. Neither touches a trial's numbers: the clock
//! measures seconds for people, the chance tells two launches of one worker apart.

use std::time::{Duration, Instant};

/// The present moment, for timers.
#[expect(clippy::disallowed_methods, reason = "the worker's one clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A stopwatch that runs since its making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self(now())
    }

    /// Time since its start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Eight hexadecimal digits that no other launch of this host's workers has (32 random bits beside the process id).
#[expect(clippy::disallowed_methods, reason = "the worker's one source of chance: the tag of a launch")]
pub(crate) fn launch_tag() -> String {
    let digits = uuid::Uuid::now_v7().simple().to_string();
    digits[digits.len() - 8..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::launch_tag;

    #[test]
    fn two_launches_have_two_tags() {
        assert_eq!(launch_tag().len(), 8);
        assert_ne!(launch_tag(), launch_tag());
    }
}
