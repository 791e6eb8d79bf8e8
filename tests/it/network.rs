//! `coordinator serve` and workers that share nothing with it but the network.

use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::{Product, Running, Scratch, wait_until};

use crate::sweeps::{coordinator, leaderboard, scene, small_grid, without_times};

const PATIENCE: Duration = Duration::from_secs(120);

/// A serving coordinator and its address.
pub(crate) fn serve(scratch: &Scratch, more: &[&str]) -> (Running, String) {
    serve_at(scratch, "127.0.0.1:0", more)
}

/// A coordinator serving on `bind`, and its address.
pub(crate) fn serve_at(scratch: &Scratch, bind: &str, more: &[&str]) -> (Running, String) {
    let args = [&["serve", "--bind", bind], more].concat();
    let running = Running::start(&Product::get().coordinator, scratch.path(), "serve", &args);
    let url = address_of(&running);
    (running, url)
}

/// Where a coordinator says that it listens.
pub(crate) fn address_of(running: &Running) -> String {
    wait_until("the coordinator's address", PATIENCE, || {
        let said = running.stderr_so_far();
        let (_, rest) = said.split_once("listening on ")?;
        Some(rest.split_once('\n')?.0.trim().to_owned())
    })
}

/// A worker with a cache of its own, as on another machine.
pub(crate) fn start_worker(folder: &Scratch, name: &str, url: &str) -> Running {
    let cache = folder.join(&format!("cache-{name}"));
    let args = ["--coordinator", url, "--slots", "1", "--name", name, "--cache", cache.to_str().unwrap()];
    Running::start(&Product::get().worker, folder.path(), name, &args)
}

const GRID: &str = "model = [\"ae\", \"beta-vae\"]\nseed = [0, 1, 2]";

#[test]
fn workers_over_the_network_do_what_one_command_does() {
    let quiet = scene(&small_grid("net", GRID, 3));
    let _ = coordinator(&quiet, &["sweep", "grid.toml", "--quiet"]).expect_code(0);

    let scratch = scene(&small_grid("net", GRID, 3));
    let (server, url) = serve(&scratch, &["grid.toml", "--until-done"]);
    let elsewhere = Scratch::new(); // the workers see no file of the coordinator
    let workers: Vec<Running> = ["one", "two"].map(|name| start_worker(&elsewhere, name, &url)).into();
    let _ = server.finish(PATIENCE).expect_code(0);
    for worker in workers {
        let _ = worker.finish(PATIENCE).expect_code(0);
    }
    assert_eq!(
        without_times(leaderboard(&scratch, &["--per-trial"])),
        without_times(leaderboard(&quiet, &["--per-trial"]))
    );
}

#[test]
fn a_grid_submitted_to_a_serving_coordinator_is_run() {
    let scratch = scene(&small_grid("late", "model = [\"ae\"]\nseed = [0, 1]", 2));
    let (server, url) = serve(&scratch, &[]);
    let elsewhere = Scratch::new();
    let worker = start_worker(&elsewhere, "early", &url);
    let submitted = coordinator(&scratch, &["submit", "grid.toml", "--coordinator", &url]).expect_code(0);
    assert!(submitted.stdout.contains("late") || submitted.stderr.contains("late"), "{submitted:?}");
    // The leaderboard is read beside the coordinator that writes.
    wait_until("both trials in the leaderboard", PATIENCE, || {
        let finished = coordinator(&scratch, &["leaderboard", "late", "--format", "json"]);
        let board: serde_json::Value = serde_json::from_str(&finished.stdout).ok()?;
        (board["rows"][0]["n"] == 2).then_some(())
    });
    worker.signal(Signal::SIGTERM);
    let _ = worker.finish(PATIENCE).expect_code(75);
    server.signal(Signal::SIGTERM);
    let finished = server.finish(PATIENCE);
    assert!(matches!(finished.code, Some(0 | 75 | 130)), "{finished:?}");
}
