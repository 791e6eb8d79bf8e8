//! The worker of latentsweep: leases trials from a coordinator, trains and scores them, and hands the results back.
//!
//! [`main_from_args`] is the whole program, so that `coordinator` can start itself again as a worker process.
//! [`session::run`] is its heart, over anything that implements [`runner::TrialRunner`].
//!
//! Must not live here: what a model is, what a score is, which trial comes next, and anything that is stored for good.
#![forbid(unsafe_code)]

pub mod alone;
mod back_off;
mod beginning;
mod checkpoint;
mod cli;
mod clock;
pub mod config;
mod cores;
mod dataset_cache;
pub mod ending;
mod heartbeat;
mod host;
mod lease;
mod link;
pub mod orders;
mod outbox;
pub mod runner;
mod running;
mod screen;
pub mod session;
mod shelf;
mod signals;
mod slots;
mod spool;
pub mod training;
mod verdict;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

pub use back_off::Pace;
pub use config::WorkerOptions;
pub use running::{Phase, Progress};

use ending::{EXIT_BAD_CONFIG, Ending};
use orders::OrderBoard;
use training::Trainer;

/// The environment variable that turns on the log on stderr: `debug`, `worker=trace`, … Unset means warnings only.
const LOG_ENV: &str = "LATENTSWEEP_LOG";

/// Usage errors, as clap prints them.
const EXIT_USAGE: u8 = 2;

/// The program `worker` with these arguments, the first being its name. Call it first thing in `main`: it sets the
/// sizes of thread pools, which must happen before there is a second thread.
pub fn main_from_args<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let limited = models::limit_threads();
    models::keep_freed_memory();
    let cli = match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. A closed terminal cannot be helped.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    start_log();
    if let Err(error) = limited {
        tracing::warn!(%error, "trials may wait for each other");
    }
    match cli.into_options() {
        Ok(options) => run(&options),
        Err(words) => {
            screen::print_line(&format!("error: {words}"));
            ExitCode::from(EXIT_BAD_CONFIG)
        }
    }
}

/// Runs a worker with the real trainer, listening to signals, until it ends; says why it ended.
#[must_use]
pub fn run(options: &WorkerOptions) -> ExitCode {
    let orders = Arc::new(OrderBoard::default());
    let listening = signals::listen(&orders, options.parent);
    let ending = match (listening, Trainer::new(options.engine, options.slots)) {
        (Ok(()), Ok(trainer)) => session::run(options, Arc::new(trainer), &orders),
        (Err(error), _) => Ending::BadSetup(format!("signals cannot be listened to: {error}")),
        (_, Err(words)) => Ending::BadSetup(words),
    };
    if ending.is_error() || !options.quiet {
        screen::print_line(&ending.words());
    }
    ExitCode::from(ending.code())
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env(LOG_ENV);
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A process that embeds the worker may have a log already; then that one is used.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
