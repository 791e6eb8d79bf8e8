//! `coordinator serve`: hands out trials to workers on this and other machines, until it is stopped or, with
//! `--until-done`, until its grid files are done.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use domain::SweepName;
use sweep_engine::Mode;

use super::guard::{GuardArgs, check_tokens, url_of};
use super::screen::{Follower, Screen, active_counts};
use super::signals::Interrupts;
use super::station::{Station, settings};
use super::{intake, record, sweep};
use crate::config::{parse_bind, parse_time_ms};
use crate::error::{CliError, Ending};
use crate::leaderboard::text;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Grid files to run; others can be given later with `coordinator submit`
    grids: Vec<PathBuf>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7733", value_parser = parse_bind)]
    bind: SocketAddr,
    #[command(flatten)]
    guard: GuardArgs,
    /// End when every trial of the grid files has ended
    #[arg(long, requires = "grids")]
    until_done: bool,
    /// How long a lease lives without a heartbeat
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time_ms)]
    lease_ttl: u64,
    /// How often workers send a heartbeat; at most half of --lease-ttl
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time_ms)]
    heartbeat: u64,
    /// Say nothing but the address, warnings and errors
    #[arg(long, short)]
    quiet: bool,
}

pub(super) async fn run(state: &Path, args: Args) -> Result<Ending, CliError> {
    args.guard.check(args.bind)?;
    if args.heartbeat > args.lease_ttl / 2 {
        return Err(CliError::Usage(
            "--heartbeat may be at most half of --lease-ttl, or one late heartbeat would cost a lease"
                .to_owned(),
        ));
    }
    let screen = Screen::new(args.quiet);
    let interrupts = Interrupts::listen()?;
    let grids = args.grids.iter().map(|path| intake::read_grid(path)).collect::<Result<Vec<_>, _>>()?;
    let folder = Station::lock(state)?;
    let mut sweeps = Vec::new();
    for grid in grids {
        screen.say(&format!("reading {} …", text::terminal(&grid.file.data.path)));
        sweeps.push(intake::prepare_aside(grid, folder.datasets()).await?);
    }
    let mode = if args.until_done { Mode::UntilDone } else { Mode::Serve };
    let mut station = Station::start(folder, settings(mode, args.heartbeat, args.lease_ttl)).await?;
    let served = serve(state, &mut station, &args, sweeps, &screen, &interrupts).await;
    let names = match served {
        Ok(Served::Done(names)) => names,
        Ok(Served::Ended(ending)) => {
            station.stop().await;
            return Ok(ending);
        }
        Err(error) => {
            station.stop().await;
            return Err(error);
        }
    };
    let mut done = Vec::new();
    for name in &names {
        done.push(record::load_from(station.handle.store().as_ref(), state, Some(name)).await);
    }
    station.stop().await;
    let mut ending = Ending::Ok;
    for data in done {
        if sweep::conclude(state, data?, &screen, false).await? == Ending::SomeFailed {
            ending = Ending::SomeFailed;
        }
    }
    Ok(ending)
}

/// How serving ended.
enum Served {
    /// These sweeps are done.
    Done(Vec<SweepName>),
    /// A person stopped it.
    Ended(Ending),
}

async fn serve(
    state: &Path,
    station: &mut Station,
    args: &Args,
    sweeps: Vec<crate::rpc::PreparedSweep>,
    screen: &Screen,
    interrupts: &Interrupts,
) -> Result<Served, CliError> {
    let guard = args.guard.guard(state, args.bind).await?;
    check_tokens(guard.as_ref(), args.bind)?;
    let is_guarded = guard.is_some();
    let mut names = Vec::new();
    for sweep in sweeps {
        names.push(sweep.record.name.clone());
        station.names.learn(sweep.trials.iter());
        let name = sweep.record.name.clone();
        let receipt = station.handle.submit_sweep(sweep.record, sweep.trials).await?;
        screen.say(&format!("{name}: {} trials, {} ended before", receipt.trials, receipt.ended));
    }
    learn_recorded(station).await?;
    let url = url_of(station.listen(args.bind, guard).await?, is_guarded);
    screen.warn(&format!("listening on {url}"));
    let [worker, operator] = match is_guarded {
        true => [" --token-file worker.token", " --token-file operator.token"],
        false => [""; 2],
    };
    screen.say(&format!("  workers: worker --coordinator {url}{worker}"));
    screen.say(&format!("  sweeps:  coordinator submit GRID.toml --coordinator {url}{operator}"));
    if is_guarded {
        screen.say("  tokens:  coordinator token create --role worker|viewer|operator --out FILE");
    }

    let mut follower = Follower::new(screen, &station.names);
    let mut progress = station.handle.progress();
    let mut is_draining = false;
    let served = loop {
        let now = progress.borrow_and_update().clone();
        follower.show(&now);
        if now.is_finished && !is_draining && args.until_done {
            break Served::Done(names);
        }
        if is_draining && now.running.is_empty() {
            let counts = active_counts(&now);
            let is_open = counts.pending + counts.leased > 0;
            break Served::Ended(if is_open { Ending::Drained } else { Ending::Ok });
        }
        tokio::select! {
            changed = progress.changed() => {
                if changed.is_err() {
                    return Err(crate::runtime::RuntimeError::Stopped.into());
                }
            }
            () = interrupts.heard(1), if !is_draining => {
                is_draining = true;
                screen.warn("stopping: workers give back what they run; a second Ctrl-C stops at once");
                station.handle.drain().await?;
            }
            () = interrupts.heard(2) => break Served::Ended(Ending::Interrupted),
        }
    };
    follower.finish();
    if matches!(served, Served::Done(_)) {
        wait_for_workers_to_go(station, interrupts).await;
    }
    Ok(served)
}

/// What trials of earlier sweeps are called.
async fn learn_recorded(station: &Station) -> Result<(), CliError> {
    let store = station.handle.store();
    for sweep in store.list_sweeps().await? {
        if let Some(data) = store.load_sweep(&sweep.name).await? {
            station.names.learn(data.trials.iter().map(|record| &record.trial));
        }
    }
    Ok(())
}

/// Workers hear that nothing is left when they ask next; going away before that would look like a fault to them.
async fn wait_for_workers_to_go(station: &Station, interrupts: &Interrupts) {
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(15);
    let mut progress = station.handle.progress();
    let all_gone = progress.wait_for(|now| now.workers.is_empty());
    tokio::select! {
        _ = tokio::time::timeout(LIMIT, all_gone) => {}
        () = interrupts.heard(1) => {}
    }
}
