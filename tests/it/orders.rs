//! What a person orders about sweeps and trials: pause, resume, cancel, retry, replay, and a second signal.

use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::{Fault, Proxy, Scratch, wait_until};

use crate::faults::cpu_ticks;
use crate::network::{serve, start_worker};
use crate::sweeps::{coordinator, leaderboard, scene, small_grid};

const PATIENCE: Duration = Duration::from_secs(240);

#[test]
fn a_paused_sweep_waits_and_goes_on() {
    let scratch = scene(&small_grid("rest", "model = [\"ae\"]\nseed = [0, 1]", 3));
    let (server, url) = serve(&scratch, &[]);
    let _ = coordinator(&scratch, &["pause", "rest", "--coordinator", &url]).expect_code(5);
    let _ = coordinator(&scratch, &["submit", "grid.toml", "--coordinator", &url]).expect_code(0);
    let paused = coordinator(&scratch, &["pause", "rest", "--coordinator", &url]).expect_code(0);
    assert!(paused.stdout.contains("coordinator resume rest"), "{}", paused.stdout);
    let elsewhere = Scratch::new();
    let worker = start_worker(&elsewhere, "w", &url);
    let status = wait_until("the worker to be known", PATIENCE, || {
        let status = coordinator(&scratch, &["status", "--coordinator", &url]).expect_code(0).stdout;
        status.contains("worker w").then_some(status)
    });
    assert!(status.contains("paused") && status.contains("2 pending"), "{status}");

    let in_use = coordinator(&scratch, &["resume", "rest"]).expect_code(2);
    assert!(in_use.stderr.contains("--coordinator") && in_use.stderr.contains("pid"), "{}", in_use.stderr);
    let _ = coordinator(&scratch, &["resume", "rest", "--coordinator", &url]).expect_code(0);
    wait_until("both trials to be done", PATIENCE, || {
        let board = leaderboard(&scratch, &[]);
        (board["rows"][0]["n"] == 2).then_some(())
    });
    worker.signal(Signal::SIGTERM);
    let _ = worker.finish(PATIENCE).expect_code(75);
    server.signal(Signal::SIGTERM);
    let _ = server.finish(PATIENCE);
    // Without a coordinator, in the record itself.
    let cancelled = coordinator(&scratch, &["cancel", "rest"]).expect_code(0);
    assert!(cancelled.stdout.contains("0 trials cancelled"), "{}", cancelled.stdout);
    let retried = coordinator(&scratch, &["retry", "rest", "--failed"]).expect_code(0);
    assert!(retried.stdout.contains("nothing to retry"), "{}", retried.stdout);
    let _ = coordinator(&scratch, &["retry", "unknown", "--failed"]).expect_code(5);
    let _ = coordinator(&scratch, &["retry", "rest"]).expect_code(2);
    let absent = coordinator(&scratch, &["cancel", "rest", "--state", "nowhere"]).expect_code(5);
    assert!(absent.stderr.contains("nowhere") && !scratch.join("nowhere").exists(), "{}", absent.stderr);
}

#[test]
fn a_cancelled_sweep_stops_what_runs() {
    let scratch = scene(&small_grid("stop", "model = [\"beta-vsc\"]\nseed = [0, 1]", 100_000));
    let (server, url) = serve(&scratch, &["grid.toml"]);
    let elsewhere = Scratch::new();
    let worker = start_worker(&elsewhere, "w", &url);
    wait_until("it to train", PATIENCE, || (cpu_ticks(worker.pid())? >= 20).then_some(()));
    let cancelled = coordinator(&scratch, &["cancel", "stop", "--coordinator", &url]).expect_code(0);
    assert!(cancelled.stdout.contains("2 trials cancelled"), "{}", cancelled.stdout);
    wait_until("the worker to drop it", PATIENCE, || {
        worker.stderr_so_far().contains("cancelled").then_some(())
    });
    drop((worker, server));
    let board = leaderboard(&scratch, &["--per-trial"]);
    assert!(board["rows"].as_array().unwrap().iter().all(|row| row["state"] == "cancelled"), "{board}");
}

#[test]
fn a_recorded_trial_gives_again_what_was_recorded_and_a_forged_record_is_found_out() {
    let scratch = scene(&small_grid("again", "model = [\"ae\", \"beta-vsc\", \"pca\"]\nseed = [3]", 5));
    let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    let board = leaderboard(&scratch, &["--per-trial"]);
    let trials: Vec<&str> =
        board["rows"].as_array().unwrap().iter().map(|row| row["trial"].as_str().unwrap()).collect();
    for trial in &trials {
        let verified = coordinator(&scratch, &["replay", trial, "--verify"]).expect_code(0);
        assert!(verified.stdout.contains("verified: trial"), "{}", verified.stdout);
        assert_eq!(verified.stdout.matches("equal").count(), 5, "{}", verified.stdout);
    }
    let plain = coordinator(&scratch, &["replay", trials[0], "--quiet"]).expect_code(0);
    assert!(plain.stdout.contains("sse_per_cell") && plain.stderr.is_empty(), "{plain:?}");
    let _ = coordinator(&scratch, &["replay", "0123456789abcdef"]).expect_code(5);
    let _ = coordinator(&scratch, &["replay", "xyz"]).expect_code(2);

    // One digit of one loss in the record, as a forger or a bad disk would have it.
    let forge = format!(
        "UPDATE events SET json = replace(json, '\"loss_per_cell\":', '\"loss_per_cell\":1')
         WHERE kind = 'outcome-accepted' AND json LIKE '%{}%'",
        trials.iter().find(|trial| !is_pca(&board, trial)).unwrap()
    );
    forge_record(&scratch, &forge);
    let forged = trials.iter().find(|trial| !is_pca(&board, trial)).unwrap();
    let differing = coordinator(&scratch, &["replay", forged, "--verify", "--quiet"]).expect_code(1);
    assert!(differing.stdout.contains("NOT verified"), "{}", differing.stdout);
    assert!(differing.stdout.contains("from epoch 1 on: loss_per_cell 1"), "{}", differing.stdout);
}

fn is_pca(board: &serde_json::Value, trial: &str) -> bool {
    board["rows"].as_array().unwrap().iter().any(|row| row["trial"] == trial && row["model"] == "pca")
}

/// Changes the record behind the product's back.
fn forge_record(scratch: &Scratch, sql: &str) {
    use sqlx::{ConnectOptions, Connection};
    let path = scratch.join(".latentsweep/coordinator.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = options.connect().await.unwrap();
        let changed =
            sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "the forgery hit");
        connection.close().await.unwrap();
    });
}

#[test]
fn a_second_sigterm_ends_a_worker_at_once() {
    let scratch = scene(&small_grid("twice", "model = [\"beta-vsc\"]\nseed = [0]", 100_000));
    let (_server, url) = serve(&scratch, &["grid.toml"]);
    let proxy = Proxy::start(url.strip_prefix("http://").unwrap().parse().unwrap());
    let elsewhere = Scratch::new();
    let mut worker = start_worker(&elsewhere, "w", &proxy.url());
    wait_until("it to train", PATIENCE, || (cpu_ticks(worker.pid())? >= 20).then_some(()));
    // Nothing that it says on its way out is heard: it waits.
    proxy.set(Fault::Stall);
    worker.signal(Signal::SIGTERM);
    let shelf = elsewhere.join("cache-w/checkpoints");
    wait_until("the trial to be given up", PATIENCE, || {
        std::fs::read_dir(&shelf).ok()?.next().is_some().then_some(())
    });
    assert!(worker.is_running(), "the first signal leaves time to hand over");
    worker.signal(Signal::SIGTERM);
    let _ = worker.finish(Duration::from_secs(10)).expect_code(75);
    assert!(proxy.fired() > 0);
}
