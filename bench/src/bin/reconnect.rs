//! A launch comes back: thousands of workers, each with two connections as a real one (calls, heartbeat), register with
//! one real coordinator, which is then killed and started again. Printed is how long it takes until all are registered, at
//! first and after the restart.
//!
//! `cargo run --release -p bench --bin reconnect -- [--workers 2000] [--tls true]`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bench::fleet::{client, register, serve};
use bench::product::{binary, scratch};
use bench::{option, timed};
use sweep_proto::join::JoinToken;
use sweep_proto::v1;
use tokio::sync::watch;

/// All back within this.
const BAR_S: f64 = 60.0;
/// The worker's own pace: first delay, growth, longest, deviation.
const PACE: (f64, f64, f64, f64) = (1.0, 1.6, 120.0, 0.2);
/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let workers: usize = option("workers", 2000)?;
    let tls: bool = option("tls", false)?;
    raise_file_limit();
    let coordinator = binary("coordinator")?;
    let folder = scratch()?;
    let token = if tls { Some(make_token(&coordinator, folder.path())?) } else { None };
    let guard: &[&str] = if tls { &["--tls"] } else { &[] };
    let (process, url) = serve(&coordinator, folder.path(), &[&["--bind", "127.0.0.1:0"], guard].concat())?;
    let address = url.split_once("://").map(|(_, address)| address.to_owned()).context("an address")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (count, registered) = watch::channel(0_usize);
    let count = Arc::new(count);

    let ((), first) = timed(|| {
        for number in 0..workers {
            let life = live(url.clone(), token, number, Arc::clone(&count));
            runtime.spawn(life);
        }
        runtime.block_on(all_registered(registered.clone(), workers))
    })?;
    let kind = if tls { "TLS and tokens" } else { "no TLS" };
    println!(
        "{workers} workers in one process, two connections each, {kind}, one coordinator on the same machine"
    );
    println!("registered first       {:>6.1} s", first.as_secs_f64());

    drop(process); // SIGKILL
    runtime.block_on(async {
        let mut registered = registered.clone();
        let all_lost = registered.wait_for(|count| *count == 0);
        tokio::time::timeout(Duration::from_secs(60), all_lost).await.context("every worker notices")??;
        anyhow::Ok(())
    })?;
    let ((mut process, _), back) = timed(|| {
        let (process, _) = serve(&coordinator, folder.path(), &[&["--bind", &address], guard].concat())?;
        runtime.block_on(all_registered(registered.clone(), workers))?;
        Ok((process, ()))
    })?;
    process.glance()?;
    println!("back after a restart   {:>6.1} s (bar {BAR_S} s)", back.as_secs_f64());
    println!("coordinator            {:>6.0} MB of memory at its peak", process.peak_mb());
    Ok(())
}

fn make_token(coordinator: &std::path::Path, folder: &std::path::Path) -> anyhow::Result<JoinToken> {
    let mut make = Command::new(coordinator);
    make.args(["token", "create", "--role", "worker", "--out", "worker.token"]).current_dir(folder);
    ensure!(make.stdout(std::process::Stdio::null()).status()?.success(), "a token can be made");
    Ok(JoinToken::read(&folder.join("worker.token"))?)
}

async fn all_registered(mut registered: watch::Receiver<usize>, workers: usize) -> anyhow::Result<()> {
    let all = registered.wait_for(|count| *count == workers);
    tokio::time::timeout(Duration::from_secs(300), all).await.context("every worker registers")??;
    Ok(())
}

/// One worker: registers, sends heartbeats over another connection, registers again whenever that is refused.
async fn live(url: String, token: Option<JoinToken>, number: usize, count: Arc<watch::Sender<usize>>) {
    let (Ok(mut calls), Ok(mut beats)) = (client(&url, token.as_ref()), client(&url, token.as_ref())) else {
        return;
    };
    let name = format!("bench-{number}");
    loop {
        let mut tries = 0;
        let session = loop {
            match register(&mut calls, &name, 1).await {
                Ok(session) => break session,
                Err(_) => tokio::time::sleep(delay(tries, number)).await,
            }
            tries += 1;
        };
        count.send_modify(|count| *count += 1);
        loop {
            let request = v1::HeartbeatRequest { session: session.clone(), running: Vec::new() };
            if beats.heartbeat(request).await.is_err() {
                break;
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
        count.send_modify(|count| *count -= 1);
    }
}

/// The delay after so many failed tries, spread over the workers.
fn delay(tries: i32, number: usize) -> Duration {
    let (first, growth, longest, deviation) = PACE;
    let spread = (number as f64 * 0.618_033_988_75).fract() * 2.0 - 1.0;
    Duration::from_secs_f64((first * growth.powi(tries)).min(longest) * (1.0 + deviation * spread))
}

/// Two connections a worker are two files each here.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard)
    {
        println!("the limit of open files stays at {soft}: {error}");
    }
}
