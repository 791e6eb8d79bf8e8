//! `coordinator sweep`: the main job in one command. Runs what is missing of a grid file with worker processes of its own,
//! then shows the leaderboard and writes the report.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use sweep_engine::Mode;

use super::guard::GuardArgs;
use super::screen::Screen;
use super::station::{Station, settings};
use super::{intake, put, record, table_options};
use crate::config::parse_bind;
use crate::error::{CliError, Ending};
use crate::leaderboard::{LeaderboardOptions, StateCounts, build, rows_table, text};
use crate::runtime::{DEFAULT_HEARTBEAT_MS, DEFAULT_LEASE_TTL_MS};
use crate::store::records::SweepData;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The grid file
    grid: PathBuf,
    /// Worker processes [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = parse_workers)]
    workers: Option<NonZeroU32>,
    /// Trials that each worker runs at once, one thread each
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_workers)]
    slots: NonZeroU32,
    /// Where to listen for workers; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = parse_bind)]
    bind: SocketAddr,
    #[command(flatten)]
    guard: GuardArgs,
    /// Say nothing but warnings and errors; the leaderboard still goes to stdout
    #[arg(long, short)]
    quiet: bool,
}

/// Most processes, and most trials a process: more than any machine has cores.
const MOST_WORKERS: u32 = 1024;

fn parse_workers(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse::<NonZeroU32>().ok().filter(|number| number.get() <= MOST_WORKERS);
    number.ok_or_else(|| format!("expected a number from 1 to {MOST_WORKERS}"))
}

pub(super) async fn run(state: &Path, args: Args) -> Result<Ending, CliError> {
    args.guard.check(args.bind)?;
    let screen = Screen::new(args.quiet);
    let grid = intake::read_grid(&args.grid)?;
    let folder = Station::lock(state)?;
    screen.say(&format!("reading {} …", text::terminal(&grid.file.data.path)));
    let sweep = intake::prepare_aside(grid, folder.datasets()).await?;
    let name = sweep.record.name.clone();
    let set = &sweep.record.dataset;
    let (cells, genes) = (text::thousands(set.cells), text::thousands(set.genes));
    screen.say(&format!("{cells} cells × {genes} genes, data {}", set.fingerprint.short()));

    let mut station =
        Station::start(folder, settings(Mode::UntilDone, DEFAULT_HEARTBEAT_MS, DEFAULT_LEASE_TTL_MS)).await?;
    station.names.learn(sweep.trials.iter());
    let receipt = station.handle.submit_sweep(sweep.record, sweep.trials).await?;
    let missing = receipt.trials - receipt.ended;
    let ran = if missing == 0 {
        screen.say(&format!("nothing to run: all {} trials of {name} have ended", receipt.trials));
        Ok(Run::Finished)
    } else {
        let known =
            if receipt.ended > 0 { format!(" ({} ended before)", receipt.ended) } else { String::new() };
        screen.say(&format!("{name}: {missing} trials to run{known}"));
        run_trials(state, &mut station, &args, &screen, missing).await
    };
    let data = record::load_from(station.handle.store().as_ref(), state, Some(&name)).await;
    station.stop().await;
    match ran? {
        Run::Stopped => Ok(Ending::Interrupted),
        run => conclude(state, data?, &screen, run == Run::Drained).await,
    }
}

/// Shows leaderboard and report of a sweep that has ended or was drained.
pub(super) async fn conclude(
    state: &Path,
    data: SweepData,
    screen: &Screen,
    is_drained: bool,
) -> Result<Ending, CliError> {
    let counts = StateCounts::of(data.trials.iter().map(|record| record.state));
    let board = build(&data, &LeaderboardOptions::default())?;
    put(&rows_table(&board, table_options()));
    let folder = record::report_folder(state, &data);
    let path = record::write_report(state, data, folder).await?;
    screen.say(&format!("report: {}", path.display()));
    if counts.failed + counts.poisoned > 0 {
        screen.warn(&format!(
            "{}; `coordinator leaderboard --per-trial --format csv` says why",
            counts.words()
        ));
    }
    if is_drained && counts.open > 0 {
        screen.say(&format!(
            "stopped with {} left; the same command goes on from here",
            text::count(counts.open, "trial")
        ));
        return Ok(Ending::Drained);
    }
    Ok(if counts.failed + counts.poisoned > 0 { Ending::SomeFailed } else { Ending::Ok })
}

/// How the running of trials ended.
#[cfg_attr(not(feature = "local-workers"), expect(dead_code, reason = "without local workers nothing runs"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Every trial has ended.
    Finished,
    /// Stopped in order.
    Drained,
    /// Stopped at once.
    Stopped,
}

#[cfg(not(feature = "local-workers"))]
async fn run_trials(_: &Path, _: &mut Station, _: &Args, _: &Screen, _: u64) -> Result<Run, CliError> {
    Err(CliError::Workers(
        "this coordinator was built without local workers: use `coordinator serve` and start workers elsewhere".to_owned(),
    ))
}

#[cfg(feature = "local-workers")]
async fn run_trials(
    state: &Path,
    station: &mut Station,
    args: &Args,
    screen: &Screen,
    missing: u64,
) -> Result<Run, CliError> {
    use super::screen::Follower;
    use super::signals::Interrupts;
    use crate::local_workers::{LaunchPlan, LocalWorkers};

    let interrupts = Interrupts::listen()?;
    let guard = args.guard.guard(state, args.bind).await?;
    let token = guard.as_ref().map(own_token).transpose()?;
    let address = station.listen(args.bind, guard).await?;
    // Its own workers are on this machine, wherever else it listens.
    let near = if address.ip().is_unspecified() {
        SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, address.port()))
    } else {
        address
    };
    let cores =
        std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    // A worker that could never get a trial would only take memory. The receipt says how many wait, not the progress,
    // which may lie a tick behind.
    let useful = u32::try_from(missing.div_ceil(u64::from(args.slots.get()))).unwrap_or(u32::MAX);
    let wanted = args.workers.map_or(cores, NonZeroU32::get).min(useful);
    let plan = LaunchPlan {
        url: format!("{}://{near}", if token.is_some() { "https" } else { "http" }),
        cache: station.worker_cache(),
        slots: args.slots.get(),
        token,
    };
    screen.say(&format!("{} at {}", text::count(wanted as usize, "worker"), plan.url));
    let teller = screen.clone();
    let tell = std::sync::Arc::new(move |words: &str| teller.warn(words));
    let mut workers = LocalWorkers::start(wanted, plan, &station.handle, tell);

    let mut follower = Follower::new(screen, &station.names);
    let mut progress = station.handle.progress();
    let mut is_draining = false;
    let ran = loop {
        let now = progress.borrow_and_update().clone();
        follower.show(&now);
        if now.is_finished {
            break Ok(Run::Finished);
        }
        tokio::select! {
            changed = progress.changed() => {
                if changed.is_err() {
                    break Err(crate::runtime::RuntimeError::Stopped.into());
                }
            }
            () = interrupts.heard(1), if !is_draining => {
                is_draining = true;
                screen.warn("stopping: running trials are given back; a second Ctrl-C stops at once");
                station.handle.drain().await?;
                workers.drain();
            }
            () = interrupts.heard(2) => break Ok(Run::Stopped),
            ended = workers.all_ended() => match ended {
                Ok(()) if is_draining => break Ok(Run::Drained),
                // The last of them heard that nothing is left before this process did.
                Ok(()) => workers.wait_no_more(),
                Err(words) => break Err(CliError::Workers(words)),
            },
        }
    };
    follower.finish();
    match &ran {
        Ok(Run::Finished | Run::Drained) => workers.leave().await,
        Ok(Run::Stopped) | Err(_) => workers.kill().await,
    }
    ran
}

/// A token for this process's own workers, known to nobody else and gone with the process.
#[cfg(feature = "local-workers")]
fn own_token(guard: &crate::rpc::Guard) -> Result<sweep_proto::join::JoinToken, CliError> {
    use crate::access::{AccessError, Role, fresh_token};
    let label = "local workers".to_owned();
    let made = fresh_token(&guard.authority, Role::Worker, label, crate::clock::wall_ms(), None);
    let (token, record) = made.map_err(AccessError::from)?;
    guard.book.add_own(record);
    Ok(token)
}
