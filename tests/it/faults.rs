//! Real kills. Each scenario asserts three things: the right result, that the fault fired, and that the system still
//! serves.

use std::time::Duration;

use nix::sys::signal::Signal;
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

pub(crate) fn without_attempts(mut board: serde_json::Value) -> serde_json::Value {
    for row in board["rows"].as_array_mut().expect("rows") {
        row.as_object_mut().expect("a row").remove("attempts");
    }
    board
}

/// User time that a process has used, in clock ticks (1/100 s); `None` when it is gone.
pub(crate) fn cpu_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 2..];
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(11)?.parse().ok() // utime, field 14 of proc(5)
}

/// Epochs that the worker says it need not train.
fn resumed_after(said: &str) -> Option<u32> {
    let (_, rest) = said.split_once("goes on after epoch ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn a_preempted_trial_goes_on_elsewhere_and_ends_with_the_same_bits() {
    const LONG: &str = "model = [\"beta-vsc\"]\nseed = [7]";
    let grid = small_grid("move", LONG, 3 * EPOCHS);
    let quiet = scene(&grid);
    let _ = coordinator(&quiet, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    for signal in [Signal::SIGTERM, Signal::SIGUSR1] {
        let scratch = scene(&grid);
        let (server, url) = serve(&scratch, &["grid.toml", "--until-done"]);
        let elsewhere = Scratch::new();
        let first = start_worker(&elsewhere, "first", &url);
        wait_until("the first worker to train", PATIENCE, || (cpu_ticks(first.pid())? >= 30).then_some(()));
        first.signal(signal);
        let first = first.finish(PATIENCE).expect_code(75);
        assert!(first.stderr.contains("given back after epoch"), "{}", first.stderr);

        // Another cache folder: nothing comes from the first worker but through the coordinator.
        let second = start_worker(&elsewhere, "second", &url);
        let _ = server.finish(PATIENCE).expect_code(0);
        let second = second.finish(PATIENCE).expect_code(0);
        let spared = resumed_after(&second.stderr).unwrap_or_else(|| panic!("{}", second.stderr));
        assert!((1..3 * EPOCHS).contains(&spared), "preempted in the middle: {spared}");
        let board = leaderboard(&scratch, &["--per-trial"]);
        assert_eq!(board["rows"][0]["attempts"], 2);
        let expected = without_times(leaderboard(&quiet, &["--per-trial"]));
        assert_eq!(without_attempts(without_times(board)), without_attempts(expected));
        let left = std::fs::read_dir(scratch.join(".latentsweep/checkpoints")).unwrap();
        let files = left.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap()).count();
        assert_eq!(files, 0, "nothing is kept of a trial that ended");
    }
}

#[test]
fn a_sweep_that_was_interrupted_goes_on_in_the_middle_of_a_trial() {
    const LONG: &str = "model = [\"ae\"]\nseed = [7]";
    let grid = small_grid("pause", LONG, 3 * EPOCHS);
    let quiet = scene(&grid);
    let _ = coordinator(&quiet, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    let scratch = scene(&grid);
    let binary = &Product::get().coordinator;
    let sweep = Running::start(binary, scratch.path(), "sweep", &["sweep", "grid.toml"]);
    let worker = wait_until("the local worker", PATIENCE, || children_of(sweep.pid()).first().copied());
    wait_until("it to train", PATIENCE, || (cpu_ticks(worker)? >= 30).then_some(()));
    sweep.signal(Signal::SIGINT);
    let _ = sweep.finish(PATIENCE).expect_code(75);
    let kept = std::fs::read_dir(scratch.join(".latentsweep/checkpoints")).unwrap().count();
    assert_eq!(kept, 1, "where the trial stood is kept");
    let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    assert_eq!(
        without_attempts(without_times(leaderboard(&scratch, &["--per-trial"]))),
        without_attempts(without_times(leaderboard(&quiet, &["--per-trial"])))
    );
}

#[test]
fn a_killed_workers_trial_goes_on_from_this_hosts_disk() {
    const LONG: &str = "model = [\"beta-vsc\"]\nseed = [7]";
    let grid = small_grid("shelf", LONG, 3 * EPOCHS);
    let quiet = scene(&grid);
    let _ = coordinator(&quiet, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    let scratch = scene(&grid);
    let (server, url) =
        serve(&scratch, &["grid.toml", "--until-done", "--lease-ttl", "1s", "--heartbeat", "200ms"]);
    let elsewhere = Scratch::new();
    let cache = elsewhere.join("cache");
    let args = [
        "--coordinator",
        &url,
        "--slots",
        "1",
        "--cache",
        cache.to_str().unwrap(),
        "--checkpoint-every",
        "100ms",
    ];
    let victim = Running::start(&Product::get().worker, elsewhere.path(), "victim", &args);
    wait_until("a checkpoint on the disk", PATIENCE, || {
        let mut files = std::fs::read_dir(cache.join("checkpoints")).ok()?.flatten();
        files.any(|file| file.path().extension().is_some_and(|ending| ending == "checkpoint")).then_some(())
    });
    kill_hard(victim.pid());
    let _ = victim.finish(PATIENCE);
    let next = Running::start(&Product::get().worker, elsewhere.path(), "next", &args);
    let _ = server.finish(PATIENCE).expect_code(0);
    let next = next.finish(PATIENCE).expect_code(0);
    assert!(resumed_after(&next.stderr).is_some_and(|epoch| epoch > 0), "{}", next.stderr);
    assert_eq!(
        without_attempts(without_times(leaderboard(&scratch, &["--per-trial"]))),
        without_attempts(without_times(leaderboard(&quiet, &["--per-trial"])))
    );
}
