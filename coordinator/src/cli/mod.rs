//! The command line: what a person may say. Data goes to stdout, talk to stderr.
//!
//! One file a command; `reach` connects to a coordinator that serves, `guard` says how one is guarded, `station` keeps coordinator and services together while they run, `screen` shows progress,
//! `intake` turns a grid file into a sweep, `record` reads what was recorded. Must not live here: decisions about
//! trials, how numbers are computed, exit codes (they are [`crate::error`]'s).

mod control;
mod doctor;
mod evaluate;
mod forecast;
mod guard;
mod inspect;
mod intake;
mod leaderboard;
mod plan;
mod reach;
mod record;
#[cfg(feature = "local-workers")]
mod replay;
mod report;
mod screen;
mod serve;
mod shell;
mod signals;
mod station;
mod status;
mod submit;
mod sweep;
mod token;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{CliError, EXIT_USAGE, Ending};
use crate::runtime::SweepOrder;

/// The environment variable that turns on the log on stderr: `debug`, `coordinator=trace`, …; by default errors only, since what a
/// person should know of trials and workers is on the screen anyway.
const LOG_ENV: &str = "LATENTSWEEP_LOG";

/// Runs hyperparameter sweeps of autoencoders on single-cell counts and compares them over seeds.
#[derive(Debug, Parser)]
#[command(
    name = "coordinator",
    version,
    after_help = "Exit codes: 0 ok, 1 some trials failed, 2 usage, 3 cannot reach the coordinator, 4 not allowed, \
                  5 not found, 75 drained, 78 bad config, 130 interrupted."
)]
struct Cli {
    /// Folder of the database, the caches and the reports
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = ".latentsweep",
        env = "LATENTSWEEP_STATE"
    )]
    state: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a grid file on this machine: coordinator, workers, leaderboard and report in one command
    Sweep(sweep::Args),
    /// Say what a grid file asks for, without running it
    Plan(plan::Args),
    /// Say what a data set is and what preprocessing makes of it
    Inspect(inspect::Args),
    /// Hand out trials to workers on this and other machines
    Serve(serve::Args),
    /// Give a grid file to a coordinator that serves
    Submit(submit::Args),
    /// Say where the sweeps stand
    Status(status::Args),
    /// Show configs ranked over their seeds
    Leaderboard(leaderboard::Args),
    /// Write the report: HTML, Markdown, CSV and JSON
    Report(report::Args),
    /// Score any embedding with the metrics of a trial
    Evaluate(evaluate::Args),
    /// Make, list and revoke the tokens that let workers and people in
    Token(token::Args),
    /// Say whether this machine has what a sweep needs: folders, disk, database, clock, ports, processor
    Doctor(doctor::Args),
    /// Write completions for a shell
    Completions(shell::CompletionsArgs),
    /// Write man pages
    Man(shell::ManArgs),
    /// Begin no more trials of a sweep; what runs goes on
    Pause(control::Args),
    /// Let a paused sweep go on
    Resume(control::Args),
    /// Run no more trials of a sweep; what runs is dropped, results stay
    Cancel(control::Args),
    /// Run again what failed of a sweep
    Retry(control::RetryArgs),
    /// Run one recorded trial again, and compare it with the record bit by bit
    #[cfg(feature = "local-workers")]
    Replay(replay::Args),
    /// Be a worker; `sweep` starts itself again so
    #[cfg(feature = "local-workers")]
    #[command(name = crate::local_workers::SUBCOMMAND, hide = true)]
    LocalWorker {
        /// The worker's own arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// The program `coordinator` with these arguments, the first being its name.
pub fn main_from_args<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. A closed terminal cannot be helped.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    #[cfg(feature = "local-workers")]
    if let Command::LocalWorker { args } = cli.command {
        // Before any other thread: the worker sets the sizes of thread pools.
        return worker::main_from_args(std::iter::once(OsString::from("worker")).chain(args));
    }
    #[cfg(feature = "local-workers")]
    if matches!(cli.command, Command::Replay(_)) {
        // Before any other thread, too. Were it too late, numbers would be the same and time would be lost.
        let _ = worker::alone::limit_threads();
    }
    start_log();
    match run(cli) {
        Ok(ending) => ExitCode::from(ending.code()),
        Err(error) => {
            let colour = console::colors_enabled_stderr() && std::io::stderr().is_terminal();
            say(&error.render(colour));
            ExitCode::from(error.code())
        }
    }
}

fn run(cli: Cli) -> Result<Ending, CliError> {
    let state = cli.state;
    match cli.command {
        Command::Plan(args) => block_on(plan::run(&state, &args)),
        Command::Inspect(args) => inspect::run(&args),
        Command::Sweep(args) => block_on(sweep::run(&state, args)),
        Command::Serve(args) => block_on(serve::run(&state, args)),
        Command::Submit(args) => block_on(submit::run(args)),
        Command::Token(args) => block_on(token::run(&state, args)),
        Command::Status(args) => block_on(status::run(&state, args)),
        Command::Leaderboard(args) => block_on(leaderboard::run(&state, args)),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Report(args) => block_on(report::run(&state, args)),
        Command::Doctor(args) => block_on(doctor::run(&state, &args)),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Pause(args) => block_on(control::run(&state, args, SweepOrder::Pause)),
        Command::Resume(args) => block_on(control::run(&state, args, SweepOrder::Resume)),
        Command::Cancel(args) => block_on(control::run(&state, args, SweepOrder::Cancel)),
        Command::Retry(args) => block_on(control::retry(&state, args)),
        #[cfg(feature = "local-workers")]
        Command::Replay(args) => block_on(replay::run(&state, args)),
        #[cfg(feature = "local-workers")]
        Command::LocalWorker { .. } => unreachable!("it was run before the log was started"),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    // Two threads: the coordinator shares its machine with the workers, and one must stay free for heartbeats while
    // the other reads data.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| CliError::Process { action: "start threads", source })?;
    runtime.block_on(work)
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env(LOG_ENV);
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    // A process that embeds the coordinator may have a log already; then that one is used.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = log.with_ansi(std::io::stderr().is_terminal() && console::colors_enabled_stderr()).try_init();
}

/// One line of talk. A closed stderr cannot be told anything.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{words}");
}

/// Data for stdout. A reader that has closed the pipe (`| head`) has what it wanted.
fn put(data: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(data.as_bytes()).and_then(|()| out.flush());
}

/// How tables are drawn on this stdout.
fn table_options() -> crate::leaderboard::TableOptions {
    let stdout = console::Term::stdout();
    let width = stdout.size_checked().map_or(120, |(_, columns)| usize::from(columns).max(60));
    crate::leaderboard::TableOptions { width, colour: stdout.is_term() && console::colors_enabled() }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn documented_commands_are_understood() {
        for line in [
            "coordinator sweep grid.toml",
            "coordinator sweep grid.toml --workers 2 --slots 1 --state s --bind 127.0.0.1:0 --quiet",
            "coordinator plan grid.toml",
            "coordinator inspect data/pbmc3k",
            "coordinator inspect a.h5ad --layer counts --obs cell_type --format json",
            "coordinator inspect a.csv.gz --orientation genes-by-cells --labels l.csv",
            "coordinator serve a.toml b.toml --bind 127.0.0.1:7733 --until-done --lease-ttl 2s --heartbeat 500ms",
            "coordinator submit grid.toml --coordinator http://127.0.0.1:7733",
            "coordinator status",
            "coordinator leaderboard x --format json --per-trial --metric sse_per_cell --top 3 --filter model=ae",
            "coordinator report --out dir",
            "coordinator evaluate --embedding e.csv --labels l.csv --kmeans 9 --format json",
            "coordinator serve --bind 0.0.0.0:7733 --tls --tls-name node-7",
            "coordinator token create --role worker --label launch-7 --expires 30d --out worker.token",
            "coordinator token list --coordinator https://h:1 --token-file operator.token",
            "coordinator token revoke 0123456789abcdef",
            "coordinator doctor --state s",
            "coordinator completions zsh",
            "coordinator man --out dir",
            "coordinator pause study",
            "coordinator resume study --coordinator http://127.0.0.1:7733",
            "coordinator cancel study --state s",
            "coordinator retry study --failed",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "coordinator",
            "coordinator swep",
            "coordinator sweep",
            "coordinator serve --tls-name node-7",
            "coordinator token create",
            "coordinator token revoke x",
            "coordinator sweep grid.toml --workers 0",
            "coordinator inspect a.csv --orientation sideways",
            "coordinator inspect a.h5ad --obs x --labels l.csv",
            "coordinator leaderboard --metric accuracy",
            "coordinator evaluate --embedding e.csv",
            "coordinator evaluate --embedding e.csv --labels l.csv --kmeans 0",
            "coordinator cancel",
            "coordinator retry study",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
