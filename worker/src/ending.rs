//! How a worker's life ends: the exit code and the words for it. Every exit code of the worker is decided here.

use std::time::Duration;

use crate::orders::DrainCause;

/// The sweep is finished.
pub const EXIT_FINISHED: u8 = 0;
/// Cannot reach the coordinator.
pub const EXIT_UNREACHABLE: u8 = 3;
/// The coordinator refuses this worker.
pub const EXIT_NOT_ALLOWED: u8 = 4;
/// Drained: trials that ran were given back. Schedulers may start the worker again.
pub const EXIT_DRAINED: u8 = 75;
/// The worker's own set-up is wrong: starting it again would not help.
pub const EXIT_BAD_CONFIG: u8 = 78;
/// Interrupted a second time from the keyboard.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Why the worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The coordinator said that nothing is left.
    Finished,
    /// It gave back what ran and left.
    Drained(DrainCause),
    /// It was told to end at once; holds the exit code.
    Stopped(u8),
    /// No coordinator answered in time.
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// For how long.
        waited: Duration,
        /// What happened at the last try.
        why: String,
    },
    /// The coordinator answered that it does not want this worker.
    NotAllowed {
        /// Where it is.
        url: String,
        /// Its words.
        why: String,
    },
    /// The coordinator does not let this worker in, or is not the one that its token names.
    NotLetIn {
        /// Where it is.
        url: String,
        /// Why, and what to do.
        why: String,
    },
    /// Something answers, but neither would ever understand the other.
    WrongDoor {
        /// Where.
        url: String,
        /// Why, and what to do.
        why: String,
    },
    /// Something on this host is wrong; the words name it.
    BadSetup(String),
}

impl Ending {
    /// The process's exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Finished => EXIT_FINISHED,
            Self::Drained(_) => EXIT_DRAINED,
            Self::Stopped(code) => *code,
            Self::Unreachable { .. } | Self::WrongDoor { .. } => EXIT_UNREACHABLE,
            Self::NotAllowed { .. } | Self::NotLetIn { .. } => EXIT_NOT_ALLOWED,
            Self::BadSetup(_) => EXIT_BAD_CONFIG,
        }
    }

    /// Whether it is an error that is told even to a person who asked for quiet.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::WrongDoor { .. }
                | Self::NotAllowed { .. }
                | Self::NotLetIn { .. }
                | Self::BadSetup(_)
        )
    }

    /// What a person is told: what, where, why, and what to do next.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Finished => "finished: the coordinator has no trials left".to_owned(),
            Self::Drained(cause) => format!("drained: {}; what ran was given back", cause.words()),
            Self::Stopped(_) => "stopped; what was finished but not handed over is in the spool".to_owned(),
            Self::Unreachable { url, waited, why } => format!(
                "error: cannot reach the coordinator at {url}\n  tried for {} s; the last try said: {why}\n  \
                 next: check that `coordinator serve` runs there and that this host may connect to it, \
                 or wait longer with --connect-timeout",
                waited.as_secs()
            ),
            Self::NotAllowed { url, why } => format!(
                "error: the coordinator at {url} refuses this worker\n  it said: {why}\n  \
                 next: start a worker of the same version as the coordinator (`worker --version`, `coordinator --version`)"
            ),
            Self::NotLetIn { url, why } => format!("error: not let in at {url}\n  why: {why}"),
            Self::WrongDoor { url, why } => {
                format!("error: cannot speak with the coordinator at {url}\n  why: {why}")
            }
            Self::BadSetup(words) => format!("error: {words}"),
        }
    }
}
