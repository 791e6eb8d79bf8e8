//! The coordinator dies where it hurts, and anywhere: between receiving, committing and replying, and at random. What was
//! acknowledged stays, nothing is counted twice, and the report is that of the quiet run.

use std::time::Duration;

use serde_json::Value;
use system_tests::process::kill_hard;
use system_tests::{Product, Running, Scratch, wait_until};

use crate::faults::without_attempts;
use crate::network::start_worker;
use crate::sweeps::{coordinator, leaderboard, scene, small_grid, without_times};

const PATIENCE: Duration = Duration::from_secs(240);
/// How many kills; the long run is asked for by this variable.
const KILLS_ENV: &str = "LATENTSWEEP_TEST_KILLS";
const KILLS: u32 = 4;

fn kills() -> u32 {
    std::env::var(KILLS_ENV).ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS)
}

fn bits(scratch: &Scratch) -> Value {
    without_attempts(without_times(leaderboard(scratch, &["--per-trial"])))
}

fn quiet(grid: &str) -> Value {
    let scratch = scene(grid);
    let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    bits(&scratch)
}

/// A port that was free a moment ago: the coordinator has to come back under the same address.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn serve_at(scratch: &Scratch, port: u16, environment: &[(&str, &str)]) -> Running {
    let bind = format!("127.0.0.1:{port}");
    let args =
        ["serve", "grid.toml", "--until-done", "--bind", &bind, "--lease-ttl", "4s", "--heartbeat", "200ms"];
    Running::start_with_env(&Product::get().coordinator, scratch.path(), "serve", &args, environment)
}

#[test]
fn a_death_between_receive_commit_and_reply_loses_nothing_and_doubles_nothing() {
    let grid = small_grid("places", "model = [\"ae\"]\nseed = [0, 1]", 4);
    let expected = quiet(&grid);
    // The first commit is the submission's; then leases and outcomes.
    let places = [
        "received:4",
        "before-commit:2",
        "after-commit:2",
        "before-commit:3",
        "after-commit:3",
        "artifact-stored:1",
    ];
    for place in places {
        let scratch = scene(&grid);
        let port = free_port();
        let mut server = serve_at(&scratch, port, &[("LATENTSWEEP_ABORT_AT", place)]);
        let elsewhere = Scratch::new();
        let worker = start_worker(&elsewhere, "w", &format!("http://127.0.0.1:{port}"));
        wait_until("the coordinator to die", PATIENCE, || (!server.is_running()).then_some(()));
        let died = server.finish(PATIENCE);
        assert_eq!(died.code, None, "{place}: it was to be ended by a signal: {}", died.stderr);
        let again = serve_at(&scratch, port, &[]);
        let _ = again.finish(PATIENCE).expect_code(0);
        let _ = worker.finish(PATIENCE).expect_code(0);
        assert_eq!(bits(&scratch), expected, "{place}");
    }
}

/// A number that looks random and is not.
fn drawn(seed: u64, below: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) % below
}

#[test]
fn random_kills_of_coordinator_and_worker_end_with_the_quiet_report() {
    let count = kills();
    let seeds: Vec<String> = (0..6 + count / 4).map(|seed| seed.to_string()).collect();
    let grid =
        small_grid("kills", &format!("model = [\"ae\", \"beta-vsc\"]\nseed = [{}]", seeds.join(", ")), 40);
    let expected = quiet(&grid);
    let scratch = scene(&grid);
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let elsewhere = Scratch::new();
    let mut server = serve_at(&scratch, port, &[]);
    let mut worker = start_worker(&elsewhere, "w0", &url);
    let mut fired = [0, 0];
    for kill in 0..count {
        // From the middle of a start to the middle of a trial.
        std::thread::sleep(Duration::from_millis(100 + drawn(u64::from(kill), 900)));
        let is_coordinator = kill % 2 == 0;
        if is_coordinator {
            if !server.is_running() {
                break;
            }
            kill_hard(server.pid());
            let _ = server.finish(PATIENCE);
            server = serve_at(&scratch, port, &[]);
        } else {
            if !worker.is_running() {
                break;
            }
            kill_hard(worker.pid());
            let _ = worker.finish(PATIENCE);
            // The same cache folder or another: what the dead one left may be found or not.
            let name = format!("w{}", kill % 3);
            worker = start_worker(&elsewhere, &name, &url);
        }
        fired[usize::from(!is_coordinator)] += 1;
    }
    assert!(fired[0] > 0 && fired[1] > 0, "kills of coordinator and worker: {fired:?}");
    let _ = server.finish(PATIENCE).expect_code(0);
    // It may be waiting to try again when the coordinator has gone for good.
    drop(worker);
    assert_eq!(bits(&scratch), expected);
}
