//! The price of never losing a trial: no-op trials through lease and result with a real `coordinator serve`, each result
//! on disk before it is acknowledged. Printed are milliseconds a trial end to end, memory, size of the database, the time of
//! the leaderboard, and how soon a killed coordinator leases again.
//!
//! `cargo run --release -p bench --bin bookkeeping -- [--trials 100000] [--workers 8] [--slots 32]`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bench::fleet::{self, Tally, client, register, serve};
use bench::product::{binary, scratch};
use bench::{median, option, timed};
use sweep_proto::v1;

/// Bars: milliseconds a trial, milliseconds of the leaderboard, seconds from start to the first lease.
const BARS: (f64, f64, f64) = (0.2, 200.0, 2.0);
/// Trials that are left for after the restart.
const LEFT: usize = 64;

fn main() -> anyhow::Result<()> {
    let trials: usize = option("trials", 100_000)?;
    let workers: usize = option("workers", 8)?;
    let slots: u32 = option("slots", 32)?;
    ensure!(trials > LEFT && workers > 0, "more than {LEFT} trials and at least one worker");
    let coordinator = binary("coordinator")?;
    let folder = scratch()?;
    let grid = format!(
        "name = \"noop\"\n[data]\npath = \"data/pbmc3k\"\nlabels = \"data/pbmc3k/labels.csv\"\n\
         [grid]\nmodel = [\"ae\"]\nseed = {{ start = 0, count = {trials} }}\n[train]\nepochs = 1\n"
    );
    std::fs::write(folder.path().join("noop.toml"), grid).context("writing the grid file")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;

    let (mut process, url) = serve(&coordinator, folder.path(), &["noop.toml", "--bind", "127.0.0.1:0"])?;
    let tally = Tally::of(trials - LEFT);
    let ((), took) = timed(|| {
        runtime.block_on(async {
            let tasks = (0..workers).map(|number| {
                let (url, tally) = (url.clone(), std::sync::Arc::clone(&tally));
                tokio::spawn(fleet::work(url, format!("bench-{number}"), slots, tally))
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await??;
            }
            anyhow::Ok(())
        })
    })?;
    process.glance()?;
    let ended = tally.ended();
    let each_ms = took.as_secs_f64() * 1e3 / ended as f64;
    println!(
        "{ended} no-op trials, {workers} workers of {slots} slots, results durable before they are acknowledged"
    );
    println!("end to end    {each_ms:>9.3} ms a trial ({:.1} s; bar {} ms)", took.as_secs_f64(), BARS.0);
    println!("coordinator   {:>9.0} MB of memory at its peak", process.peak_mb());
    let state = folder.path().join(".latentsweep");
    println!(
        "database      {:>9.1} MB with its log ({:.0} bytes a trial)",
        megabytes(&state),
        1e6 * megabytes(&state) / ended as f64
    );

    let mut times = Vec::new();
    for _ in 0..5 {
        let mut command = Command::new(&coordinator);
        command.args(["leaderboard", "--format", "json"]).current_dir(folder.path()).stdout(Stdio::null());
        let (status, took) = timed(|| Ok(command.status()?))?;
        ensure!(status.success(), "the leaderboard ended with {status}");
        times.push(took.as_secs_f64() * 1e3);
    }
    println!("leaderboard   {:>9.0} ms from command to output (bar {} ms)", median(&times), BARS.1);

    // Killed, as by the system: dropping the watch sends SIGKILL.
    drop(process);
    let address = url.trim_start_matches("http://").to_owned();
    let ((process, leases), back) = timed(|| {
        let (process, url) = serve(&coordinator, folder.path(), &["--bind", &address])?;
        let leases = runtime.block_on(first_leases(&url))?;
        Ok((process, leases))
    })?;
    ensure!(leases > 0, "the restarted coordinator leases what was left");
    println!("after kill -9 {:>9.2} s from start to a lease (bar {} s)", back.as_secs_f64(), BARS.2);
    drop(process);
    Ok(())
}

async fn first_leases(url: &str) -> anyhow::Result<usize> {
    let mut client = client(url, None)?;
    let session = register(&mut client, "after", 1).await?;
    for _ in 0..1000 {
        let request = v1::LeaseTrialsRequest { session: session.clone(), want: 1 };
        let leases = client.lease_trials(request).await?.into_inner().leases.len();
        if leases > 0 {
            return Ok(leases);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(0)
}

/// Size of the database and what belongs to it.
fn megabytes(state: &Path) -> f64 {
    let length = |name: &str| std::fs::metadata(state.join(name)).map_or(0, |meta| meta.len());
    (length("coordinator.db") + length("coordinator.db-wal")) as f64 / 1e6
}
