//! The coordinator's disk runs full under it: no result is acknowledged that is not kept, workers keep what they finished,
//! nothing new is begun, whoever asks for health hears it, and all goes on when there is room again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::{Product, Running, Scratch, wait_until};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::faults::{cpu_ticks, without_attempts};
use crate::network::{address_of, start_worker};
use crate::sweeps::{coordinator, leaderboard, scene, small_grid, without_times};

const PATIENCE: Duration = Duration::from_secs(240);

/// Mounts a small file system over the first argument, seen by this process and its children only, and becomes the rest.
const IN_SMALL_DISK: &str = "mount -t tmpfs -o size=64m none \"$1\" && shift && exec \"$@\"";

/// Whether this machine lets a test have mounts of its own.
fn may_mount() -> bool {
    Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success())
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 20, 1 << 12] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

/// Copies regular files; the shared memory of the database's writer is made anew by its reader.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (kind, name) = (entry.file_type().unwrap(), entry.file_name());
        if kind.is_dir() {
            copy_folder(&entry.path(), &to.join(&name));
        } else if kind.is_file() && !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(&name)).unwrap();
        }
    }
}

fn health(url: &str) -> ServingStatus {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel =
            tonic::transport::Channel::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
        let service = "sweep.v1.WorkerService".to_owned();
        let answer = HealthClient::new(channel).check(HealthCheckRequest { service }).await.unwrap();
        answer.into_inner().status()
    })
}

fn status(scratch: &Scratch, url: &str) -> String {
    coordinator(scratch, &["status", "--coordinator", url]).expect_code(0).stdout
}

#[test]
fn a_full_disk_loses_nothing_and_new_work_waits_for_room() {
    if !may_mount() {
        println!("not made here: this machine lets no test mount a small disk (user namespaces are off)");
        return;
    }
    let grid = small_grid("full", "model = [\"ae\"]\nseed = [0, 1]", 300);
    let quiet = scene(&grid);
    let _ = coordinator(&quiet, &["sweep", "grid.toml", "--quiet"]).expect_code(0);

    let scratch = scene(&grid);
    let state = scratch.join("small");
    std::fs::create_dir(&state).unwrap();
    let (state_text, binary) = (state.to_str().unwrap(), Product::get().coordinator.to_str().unwrap());
    let args = [
        "-rm",
        "sh",
        "-c",
        IN_SMALL_DISK,
        "sh",
        state_text,
        binary,
        "serve",
        "grid.toml",
        "--state",
        state_text,
    ];
    let args = [&args[..], &["--bind", "127.0.0.1:0", "--heartbeat", "200ms"]].concat();
    let server = Running::start(Path::new("unshare"), scratch.path(), "serve", &args);
    let url = address_of(&server);
    assert_eq!(health(&url), ServingStatus::Serving);
    let elsewhere = Scratch::new();
    let worker = start_worker(&elsewhere, "w", &url);
    wait_until("it to train", PATIENCE, || (cpu_ticks(worker.pid())? >= 20).then_some(()));

    // The same folder as the server sees it.
    let inside = PathBuf::from(format!("/proc/{}/root{state_text}", server.pid()));
    let filler = inside.join("filler");
    fill(&filler);
    wait_until("health to say so", PATIENCE, || (health(&url) == ServingStatus::NotServing).then_some(()));
    let spool = elsewhere.join("cache-w/spool");
    wait_until("the finished trial to wait in the spool", PATIENCE, || {
        let mut files = std::fs::read_dir(&spool).ok()?.flatten();
        files.any(|file| file.path().extension().is_some_and(|ending| ending == "outcome")).then_some(())
    });
    let before = status(&scratch, &url);
    assert!(before.contains("full: 0 of 2 done"), "nothing is acknowledged that is not kept: {before}");
    assert!(before.contains("1 pending"), "nothing new is begun: {before}");

    std::fs::remove_file(&filler).unwrap();
    wait_until("health to be well again", PATIENCE, || {
        (health(&url) == ServingStatus::Serving).then_some(())
    });
    wait_until("both trials to be done", PATIENCE, || {
        status(&scratch, &url).contains("2 of 2 done").then_some(())
    });
    // The database cannot be opened through the server's eyes: a copy of its files is read, now that all is written.
    let copy = scratch.join("copy");
    copy_folder(&inside, &copy);
    let board = leaderboard(&scratch, &["--per-trial", "--state", copy.to_str().unwrap()]);
    assert_eq!(
        without_attempts(without_times(board)),
        without_attempts(without_times(leaderboard(&quiet, &["--per-trial"])))
    );
    worker.signal(Signal::SIGTERM);
    let _ = worker.finish(PATIENCE).expect_code(75);
    server.signal(Signal::SIGTERM);
    let _ = server.finish(PATIENCE);
}
