//! The real binary: signals, the end of its parent, exit codes and words.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::World;

fn worker(world: &World, extra: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command
        .args(["--coordinator", &world.coordinator.url(), "--slots", "1", "--cache"])
        .arg(world.cache.path());
    command.args(extra).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

fn words(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn each_signal_drains() {
    for which in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1] {
        let world = World::new();
        world.shared().with(|memory| memory.serves_for_ever = true);
        let child = worker(&world, &[]).spawn().unwrap();
        world.shared().wait_until("it asks for trials", |memory| memory.calls.contains(&"lease"));
        signal(&child, which);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(75), "{}", words(&output));
        assert!(words(&output).contains("joined http://127.0.0.1:"), "{}", words(&output));
        assert!(words(&output).contains("drained"), "{}", words(&output));
        world.shared().with(|memory| assert_eq!(memory.left, 1));
    }
}

#[test]
fn nothing_left_is_exit_0_and_quiet_is_quiet() {
    let world = World::new();
    let output = worker(&world, &["--quiet"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(words(&output), "");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_coordinator_that_is_not_there_is_exit_3() {
    let mut world = World::new();
    world.coordinator.stop();
    let output = worker(&world, &["--quiet", "--connect-timeout", "50ms"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(words(&output).contains("cannot reach the coordinator at"), "{}", words(&output));
}

#[test]
fn wrong_usage_is_exit_2() {
    let world = World::new();
    let output = worker(&world, &["--slots", "none"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("--slots"), "{}", words(&output));
}

#[test]
fn a_worker_ends_with_its_parent() {
    let world = World::new();
    world.shared().with(|memory| memory.serves_for_ever = true);
    let cache = world.cache.path().to_str().unwrap();
    // A shell that starts the worker and lives until its input ends.
    let script =
        r#""$0" --coordinator "$1" --cache "$2" --slots 1 --quiet --exit-with-parent=$$ & read line"#;
    let mut shell = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_worker"), &world.coordinator.url(), cache])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    world.shared().wait_until("it asks for trials", |memory| memory.calls.contains(&"lease"));
    world.shared().with(|memory| assert_eq!(memory.left, 0));
    let mut input = shell.stdin.take().unwrap();
    input.write_all(b"end\n").unwrap();
    drop(input);
    shell.wait().unwrap();
    world.shared().wait_until("it leaves", |memory| memory.left == 1);
}
