//! Real kills. Each scenario asserts three things: the right result, that the fault fired, and that the system still
//! serves.

use std::time::Duration;

use system_tests::process::{children_of, kill_hard};
use system_tests::{Product, Running, Scratch, wait_until};

use crate::network::{serve, start_worker};
use crate::sweeps::{coordinator, leaderboard, scene, small_grid, without_times};

const PATIENCE: Duration = Duration::from_secs(300);

/// Long enough that a kill falls into the middle of a trial.
const GRID: &str = "model = [\"ae\", \"beta-vsc\"]\nseed = [0, 1]";
const EPOCHS: u32 = 400;

fn quiet_run() -> serde_json::Value {
    let scratch = scene(&small_grid("kill", GRID, EPOCHS));
    let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    without_times(leaderboard(&scratch, &["--per-trial"]))
}

#[test]
fn kill_9_of_one_of_two_local_workers_mid_trial() {
    let expected = quiet_run();
    let scratch = scene(&small_grid("kill", GRID, EPOCHS));
    let sweep = Running::start(
        &Product::get().coordinator,
        scratch.path(),
        "sweep",
        &["sweep", "grid.toml", "--workers", "2"],
    );
    let victim = wait_until("two local workers", PATIENCE, || {
        let workers = children_of(sweep.pid());
        (workers.len() == 2).then(|| workers[0])
    });
    // Mid-trial: the victim has burnt more CPU than starting takes.
    wait_until("the victim to train", PATIENCE, || (cpu_ticks(victim)? >= 30).then_some(()));
    kill_hard(victim);
    let finished = sweep.finish(PATIENCE).expect_code(0);
    let board = leaderboard(&scratch, &["--per-trial"]);
    assert_eq!(without_attempts(without_times(board.clone())), without_attempts(expected));
    // The fault did fire: some trial needed a second attempt, and the person was told.
    let attempts: u64 =
        board["rows"].as_array().unwrap().iter().filter_map(|row| row["attempts"].as_u64()).sum();
    assert_eq!(attempts, 5, "four trials, one of them twice: {}", finished.stderr);
}

#[test]
fn kill_9_of_a_remote_worker_mid_trial() {
    let expected = quiet_run();
    let scratch = scene(&small_grid("kill", GRID, EPOCHS));
    let (server, url) =
        serve(&scratch, &["grid.toml", "--until-done", "--lease-ttl", "2s", "--heartbeat", "500ms"]);
    let elsewhere = Scratch::new();
    let victim = start_worker(&elsewhere, "victim", &url);
    wait_until("the victim to train", PATIENCE, || (cpu_ticks(victim.pid())? >= 30).then_some(()));
    let survivor = start_worker(&elsewhere, "survivor", &url);
    kill_hard(victim.pid());
    let _ = server.finish(PATIENCE).expect_code(0);
    let _ = survivor.finish(PATIENCE).expect_code(0);
    let board = leaderboard(&scratch, &["--per-trial"]);
    let attempts: u64 =
        board["rows"].as_array().unwrap().iter().filter_map(|row| row["attempts"].as_u64()).sum();
    assert_eq!(attempts, 5, "four trials, one of them twice");
    assert_eq!(without_attempts(without_times(board)), without_attempts(expected));
}

#[test]
fn kill_9_of_the_coordinator_loses_nothing_that_was_finished() {
    let expected = quiet_run();
    let scratch = scene(&small_grid("kill", GRID, EPOCHS));
    let sweep = Running::start(
        &Product::get().coordinator,
        scratch.path(),
        "sweep",
        &["sweep", "grid.toml", "--workers", "1"],
    );
    wait_until("a first finished trial", PATIENCE, || {
        let finished = coordinator(&scratch, &["leaderboard", "--per-trial", "--format", "json"]);
        let board: serde_json::Value = serde_json::from_str(&finished.stdout).ok()?;
        let done = board["rows"].as_array()?.iter().filter(|row| row["state"] == "done").count();
        (done >= 1).then_some(())
    });
    let orphans = children_of(sweep.pid());
    kill_hard(sweep.pid());
    drop(sweep);
    let done_before: Vec<serde_json::Value> = finished_rows(&leaderboard(&scratch, &["--per-trial"]));
    assert!(!done_before.is_empty() && done_before.len() < 4, "killed in the middle: {}", done_before.len());
    wait_until("the orphaned worker to go", PATIENCE, || {
        orphans.iter().all(|pid| cpu_ticks(*pid).is_none()).then_some(())
    });

    let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    let after = leaderboard(&scratch, &["--per-trial"]);
    for row in done_before {
        // Not trained again: even its times are the same.
        let same_trial = finished_rows(&after).into_iter().find(|other| other["trial"] == row["trial"]);
        assert_eq!(same_trial.expect("it is still there")["metrics"], row["metrics"]);
    }
    assert_eq!(without_attempts(without_times(after)), without_attempts(expected));
}

fn finished_rows(board: &serde_json::Value) -> Vec<serde_json::Value> {
    let rows = board["rows"].as_array().expect("rows").iter();
    rows.filter(|row| row["state"] == "done").cloned().collect()
}

fn without_attempts(mut board: serde_json::Value) -> serde_json::Value {
    for row in board["rows"].as_array_mut().expect("rows") {
        row.as_object_mut().expect("a row").remove("attempts");
    }
    board
}

/// User time that a process has used, in clock ticks (1/100 s); `None` when it is gone.
fn cpu_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 2..];
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(11)?.parse().ok() // utime, field 14 of proc(5)
}
