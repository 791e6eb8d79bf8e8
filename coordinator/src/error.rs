//! How a command ends: words, colour and exit code are chosen here and nowhere else.

use std::path::PathBuf;

use sweep_engine::Rejection;
use sweep_proto::join::TokenError;

use crate::access::AccessError;
use crate::leaderboard::FilterError;
use crate::report::ReportError;
use crate::rpc::RpcError;
use crate::runtime::RuntimeError;
use crate::store::{StateDirError, StoreError};

/// Some trials ended without numbers, or one did not give again what was recorded.
pub const EXIT_SOME_FAILED: u8 = 1;
/// Wrong usage (clap's code too).
pub const EXIT_USAGE: u8 = 2;
/// No coordinator answers.
pub const EXIT_UNREACHABLE: u8 = 3;
/// The coordinator refuses.
pub const EXIT_NOT_ALLOWED: u8 = 4;
/// No such file, sweep or state folder.
pub const EXIT_NOT_FOUND: u8 = 5;
/// Stopped in order before everything was done; running it again goes on.
pub const EXIT_DRAINED: u8 = 75;
/// The grid file, the data or the place to work in cannot be used.
pub const EXIT_BAD_CONFIG: u8 = 78;
/// Interrupted twice.
pub const EXIT_INTERRUPTED: u8 = 130;

/// How a command that did its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As asked.
    Ok,
    /// Trials failed or took workers down. A diverged trial is a result, not a failure.
    SomeFailed,
    /// A trial that was run again gave other numbers than were recorded.
    Differs,
    /// Stopped in order; something is left to run.
    Drained,
    /// Interrupted twice.
    Interrupted,
}

impl Ending {
    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::SomeFailed | Self::Differs => EXIT_SOME_FAILED,
            Self::Drained => EXIT_DRAINED,
            Self::Interrupted => EXIT_INTERRUPTED,
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The grid file cannot be read.
    #[error("cannot read the grid file {}: {source}", path.display())]
    GridFile {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The grid file has a mistake: file, line, column, caret and help, on lines of their own.
    #[error("{0}")]
    Grid(String),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] cells::CellsError),
    /// An embedding and labels that do not fit together.
    #[error("{0}")]
    Evaluation(String),
    /// An embedding that cannot be scored.
    #[error(transparent)]
    Scores(#[from] eval::EvalError),
    /// The state folder cannot be held.
    #[error(transparent)]
    State(#[from] StateDirError),
    /// The record cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The core refuses or has stopped.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// It cannot listen.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The report cannot be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A filter cannot be meant.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),
    /// No sweep of that name, or none at all.
    #[error("{0}")]
    NotFound(String),
    /// No coordinator answers.
    #[error("no coordinator answers at {url}: {why}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What happened.
        why: String,
    },
    /// Something answers, but neither of us would ever understand the other.
    #[error("cannot speak with the coordinator at {url}: {why}")]
    WrongDoor {
        /// Where.
        url: String,
        /// What is wrong about it.
        why: String,
    },
    /// The token that was given cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A token cannot be written.
    #[error("cannot make the token file {}: {source}", path.display())]
    TokenFile {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// CA or tokens cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The coordinator answered no.
    #[error("{0}")]
    Refused(String),
    /// The coordinator refused the grid file or its data.
    #[error("{0}")]
    BadSubmission(String),
    /// Local workers cannot be kept running.
    #[error("{0}")]
    Workers(String),
    /// The process cannot be set up: threads, signals.
    #[error("cannot {action}: {source}")]
    Process {
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

impl CliError {
    /// The process's exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::GridFile { source, .. } if source.kind() == std::io::ErrorKind::NotFound => EXIT_NOT_FOUND,
            Self::NotFound(_) | Self::Store(StoreError::Absent { .. }) => EXIT_NOT_FOUND,
            Self::Runtime(RuntimeError::Rejected(
                Rejection::UnknownSweep { .. } | Rejection::UnknownTrial { .. },
            )) => EXIT_NOT_FOUND,
            Self::Filter(_) | Self::Usage(_) => EXIT_USAGE,
            Self::Unreachable { .. } | Self::WrongDoor { .. } => EXIT_UNREACHABLE,
            Self::Refused(_) => EXIT_NOT_ALLOWED,
            Self::GridFile { .. }
            | Self::Grid(_)
            | Self::Data(_)
            | Self::Evaluation(_)
            | Self::Scores(_)
            | Self::State(_)
            | Self::Store(_)
            | Self::Runtime(_)
            | Self::Rpc(_)
            | Self::Token(_)
            | Self::TokenFile { .. }
            | Self::Access(_)
            | Self::Report(_)
            | Self::BadSubmission(_)
            | Self::Workers(_)
            | Self::Process { .. } => EXIT_BAD_CONFIG,
        }
    }

    /// What a person can do next, where the message does not say it.
    fn next_step(&self) -> Option<String> {
        match self {
            Self::GridFile { .. } => {
                Some("give the path of a grid file, for instance examples/quickstart.toml".to_owned())
            }
            Self::Store(StoreError::Absent { .. }) => Some(
                "run `coordinator sweep GRID.toml` first, or name another folder with --state DIR".to_owned(),
            ),
            Self::Unreachable { .. } => {
                Some("start one with `coordinator serve`, or correct --coordinator".to_owned())
            }
            _ => None,
        }
    }

    /// The whole message, its causes once each and the next step. `colour` marks the first word.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let mut message = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let words = error.to_string();
            if !message.contains(&words) {
                message.push_str(&format!(": {words}"));
            }
            cause = error.source();
        }
        let word = if colour { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
        let mut text = format!("{word}: {}", printable(&message));
        if let Some(next) = self.next_step() {
            text.push_str(&format!("\n  next: {next}"));
        }
        text
    }
}

/// Text whose lines may go to a terminal: a message may quote a file or a worker.
fn printable(text: &str) -> String {
    text.lines().map(crate::leaderboard::text::terminal).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{CliError, Ending};

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let endings =
            [Ending::Ok, Ending::SomeFailed, Ending::Drained, Ending::Interrupted].map(Ending::code);
        assert_eq!(endings, [0, 1, 75, 130]);
        let gone = || std::io::Error::from(std::io::ErrorKind::NotFound);
        assert_eq!(CliError::GridFile { path: "x".into(), source: gone() }.code(), 5);
        assert_eq!(CliError::Unreachable { url: "u".to_owned(), why: "w".to_owned() }.code(), 3);
        assert_eq!(CliError::Refused("no".to_owned()).code(), 4);
        assert_eq!(CliError::Grid("grid.toml:1:1: x".to_owned()).code(), 78);
    }

    #[test]
    fn a_message_names_each_cause_once_and_the_next_step() {
        let source = std::io::Error::other("disk on fire");
        let words = CliError::GridFile { path: "a\u{1b}[31m.toml".into(), source }.render(false);
        assert_eq!(words.matches("disk on fire").count(), 1);
        assert!(words.contains("next:") && !words.contains('\u{1b}'), "{words}");
    }
}
