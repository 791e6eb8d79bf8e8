//! Faults of the network between a worker and its coordinator, made by a proxy. Each scenario asserts the right result,
//! that the fault hit, and that the system still serves.

use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use system_tests::{Fault, Proxy, Running, Scratch, wait_until};

use crate::faults::{cpu_ticks, without_attempts};
use crate::network::{serve, start_worker};
use crate::sweeps::{coordinator, leaderboard, scene, small_grid, without_times};

const PATIENCE: Duration = Duration::from_secs(240);
const GRID: &str = "model = [\"ae\", \"beta-vae\"]\nseed = [0, 1]";
/// Long enough that a fault falls into the middle of a trial.
const EPOCHS: u32 = 400;

fn grid() -> String {
    small_grid("wire", GRID, EPOCHS)
}

fn board(scratch: &Scratch) -> Value {
    leaderboard(scratch, &["--per-trial"])
}

fn bits(board: Value) -> Value {
    without_attempts(without_times(board))
}

fn attempts(board: &Value) -> u64 {
    board["rows"].as_array().unwrap().iter().filter_map(|row| row["attempts"].as_u64()).sum()
}

/// The numbers of a run that nothing disturbed.
fn quiet() -> &'static Value {
    static QUIET: OnceLock<Value> = OnceLock::new();
    QUIET.get_or_init(|| {
        let scratch = scene(&grid());
        let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
        bits(board(&scratch))
    })
}

struct Wire {
    scratch: Scratch,
    elsewhere: Scratch,
    server: Running,
    url: String,
    proxy: Proxy,
}

impl Wire {
    fn new(ttl: &str, heartbeat: &str) -> Self {
        let scratch = scene(&grid());
        let (server, url) =
            serve(&scratch, &["grid.toml", "--until-done", "--lease-ttl", ttl, "--heartbeat", heartbeat]);
        let upstream = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { scratch, elsewhere: Scratch::new(), server, url, proxy: Proxy::start(upstream) }
    }

    /// A worker whose every word goes through the proxy.
    fn worker(&self, name: &str) -> Running {
        start_worker(&self.elsewhere, name, &self.proxy.url())
    }

    /// Waits for the end of the sweep; its leaderboard.
    fn finish(self) -> Value {
        let _ = self.server.finish(PATIENCE).expect_code(0);
        assert!(self.proxy.fired() > 0, "the fault did not hit");
        board(&self.scratch)
    }
}

#[test]
fn a_slow_line_costs_time_only() {
    let wire = Wire::new("2s", "500ms");
    wire.proxy.set(Fault::Delay(Duration::from_millis(40)));
    let worker = wire.worker("slow");
    let board = wire.finish();
    let _ = worker.finish(PATIENCE).expect_code(0);
    assert_eq!(attempts(&board), 4, "no lease is lost");
    assert_eq!(bits(board), *quiet());
}

#[test]
fn a_partition_longer_than_a_lease_moves_the_trial_and_the_late_worker_changes_nothing() {
    let wire = Wire::new("1s", "200ms");
    let cut_off = wire.worker("cut-off");
    wait_until("it to train", PATIENCE, || (cpu_ticks(cut_off.pid())? >= 20).then_some(()));
    wire.proxy.set(Fault::Stall);
    // Another way to the coordinator.
    let other = start_worker(&wire.elsewhere, "other", &wire.url);
    wait_until("the partition to hit", PATIENCE, || (wire.proxy.fired() > 0).then_some(()));
    wait_until("the other worker to finish a trial", PATIENCE, || {
        other.stderr_so_far().contains("done in").then_some(())
    });
    wire.proxy.set(Fault::None);
    let board = wire.finish();
    let _ = other.finish(PATIENCE).expect_code(0);
    drop(cut_off);
    assert!(attempts(&board) >= 5, "the trial of the worker that was cut off was leased again");
    assert_eq!(bits(board), *quiet());
}

#[test]
fn lost_replies_cost_nothing_but_a_repetition() {
    let wire = Wire::new("30s", "200ms");
    let worker = wire.worker("deaf");
    wait_until("it to train", PATIENCE, || (cpu_ticks(worker.pid())? >= 20).then_some(()));
    // What the worker says arrives; what it is told does not.
    wire.proxy.set(Fault::StallReplies);
    wait_until("replies to be held", PATIENCE, || (wire.proxy.fired() > 0).then_some(()));
    // The fault's length: trials end meanwhile, and the lease is longer.
    std::thread::sleep(Duration::from_secs(2));
    wire.proxy.set(Fault::None);
    let board = wire.finish();
    let _ = worker.finish(PATIENCE).expect_code(0);
    assert_eq!(attempts(&board), 4, "no lease is lost, whatever was said twice");
    assert_eq!(bits(board), *quiet());
}

#[test]
fn connections_cut_in_the_middle_of_messages_lose_nothing() {
    // Within the registration, the data set, an upload: each connection dies after so many bytes.
    for fault in [Fault::CutRepliesAfter(30_000), Fault::CutRequestsAfter(6_000), Fault::HalfClose] {
        let wire = Wire::new("20s", "200ms");
        wire.proxy.set(fault);
        let worker = wire.worker("cut");
        wait_until("cuts", PATIENCE, || (wire.proxy.fired() >= 3).then_some(()));
        wire.proxy.set(Fault::None);
        let board = wire.finish();
        let _ = worker.finish(PATIENCE).expect_code(0);
        assert_eq!(bits(board), *quiet(), "{fault:?}");
    }
}

#[test]
fn a_worker_that_slept_past_its_lease_and_wakes_changes_nothing() {
    let wire = Wire::new("1s", "200ms");
    let sleeper = start_worker(&wire.elsewhere, "sleeper", &wire.url);
    wait_until("it to train", PATIENCE, || (cpu_ticks(sleeper.pid())? >= 20).then_some(()));
    sleeper.signal(Signal::SIGSTOP);
    let other = wire.worker("other");
    wire.proxy.set(Fault::Delay(Duration::from_millis(1)));
    wait_until("the sleeper's trial to be leased again", PATIENCE, || {
        let rows = board(&wire.scratch);
        rows["rows"].as_array()?.iter().any(|row| row["attempts"] == 2).then_some(())
    });
    sleeper.signal(Signal::SIGCONT);
    let board = wire.finish();
    let _ = other.finish(PATIENCE).expect_code(0);
    drop(sleeper);
    assert_eq!(bits(board), *quiet());
}
