//! TLS and tokens with real processes: a sweep by workers that come in with a token, what everybody else is told, and
//! that no secret is left anywhere.

use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::process::{children_of, run};
use system_tests::{Finished, Product, Running, Scratch, wait_until};

use crate::sweeps::{coordinator, leaderboard, scene, small_grid, without_times};

const PATIENCE: Duration = Duration::from_secs(120);
const GRID: &str = "model = [\"ae\", \"beta-vae\"]\nseed = [0, 1]";
/// Everything that the HTTP layer could ever let slip.
const LOUD: (&str, &str) = ("LATENTSWEEP_LOG", "trace");

/// Makes `<role>.token` in the scene's folder; returns its line.
fn make_token(scratch: &Scratch, role: &str) -> String {
    let file = format!("{role}.token");
    let _ = coordinator(scratch, &["token", "create", "--role", role, "--label", "test", "--out", &file])
        .expect_code(0);
    std::fs::read_to_string(scratch.join(&file)).unwrap().trim().to_owned()
}

/// A guarded coordinator and its address.
fn serve_guarded(scratch: &Scratch, bind: &str, more: &[&str]) -> (Running, String) {
    let args = [&["serve", "--bind", bind, "--tls"], more].concat();
    let binary = &Product::get().coordinator;
    let running = Running::start_with_env(binary, scratch.path(), "serve", &args, &[LOUD]);
    let url = wait_until("the coordinator's address", PATIENCE, || {
        let said = running.stderr_so_far();
        let rest = said.split_once("listening on https://")?.1;
        Some(format!("https://{}", rest.split_once('\n')?.0.trim()))
    });
    (running, url)
}

fn token_file(scratch: &Scratch, role: &str) -> String {
    scratch.join(&format!("{role}.token")).to_str().unwrap().to_owned()
}

/// A worker that has nothing but the network and, in a file, its token.
fn start_worker(folder: &Scratch, name: &str, url: &str, token: &str) -> Running {
    let cache = folder.join(&format!("cache-{name}"));
    let cache = cache.to_str().unwrap();
    let args =
        ["--coordinator", url, "--slots", "1", "--name", name, "--cache", cache, "--token-file", token];
    Running::start_with_env(&Product::get().worker, folder.path(), name, &args, &[LOUD])
}

/// Every file below `folder` that holds `needle`.
fn files_with(folder: &Path, needle: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_with(&path, needle, found);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let is_hit = bytes.windows(needle.len()).any(|part| part == needle.as_bytes());
            found.extend(is_hit.then_some(path));
        }
    }
}

#[test]
fn a_sweep_over_tls_gives_the_same_numbers_and_leaves_no_secret_behind() {
    let quiet = scene(&small_grid("net", GRID, 3));
    let _ = coordinator(&quiet, &["sweep", "grid.toml", "--quiet"]).expect_code(0);

    let scratch = scene(&small_grid("net", GRID, 3));
    let [worker_line, viewer_line, operator_line] =
        ["worker", "viewer", "operator"].map(|role| make_token(&scratch, role));
    let (server, url) = serve_guarded(&scratch, "127.0.0.1:0", &[]);
    let (viewer, operator) = (token_file(&scratch, "viewer"), token_file(&scratch, "operator"));
    let submit = ["submit", "grid.toml", "--coordinator", &url, "--token-file", &operator];
    let _ = coordinator(&scratch, &submit).expect_code(0);

    let elsewhere = Scratch::new(); // the workers see no file of the coordinator but the token's
    let by_file = start_worker(&elsewhere, "one", &url, &token_file(&scratch, "worker"));
    let cache = elsewhere.join("cache-two");
    let args = ["--coordinator", &url, "--slots", "1", "--name", "two", "--cache", cache.to_str().unwrap()];
    let by_environment = Running::start_with_env(
        &Product::get().worker,
        elsewhere.path(),
        "two",
        &args,
        &[LOUD, ("LATENTSWEEP_TOKEN", &worker_line)],
    );
    // What everybody on the machine can read of a process.
    let lines = [&server, &by_file, &by_environment].map(|process| {
        std::fs::read_to_string(format!("/proc/{}/cmdline", process.pid())).unwrap_or_default()
    });

    let status = ["status", "--coordinator", &url, "--token-file", &viewer];
    wait_until("every trial", PATIENCE, || {
        let said = coordinator(&scratch, &status).expect_code(0).stdout;
        said.contains("4 of 4 done").then_some(())
    });
    let made = ["token", "list", "--coordinator", &url, "--token-file", &operator];
    let list = coordinator(&scratch, &made).expect_code(0).stdout;
    assert_eq!(list.matches("live").count(), 3, "{list}");
    for worker in [by_file, by_environment] {
        worker.signal(Signal::SIGTERM);
        let _ = worker.finish(PATIENCE).expect_code(75);
    }
    server.signal(Signal::SIGTERM);
    let _ = server.finish(PATIENCE).expect_code(0);
    let _ = coordinator(&scratch, &["report", "--out", "report"]).expect_code(0);
    let per_trial = coordinator(&scratch, &["leaderboard", "--per-trial", "--format", "csv"]).expect_code(0);
    scratch.write("trials.csv", &per_trial.stdout);
    assert_eq!(
        without_times(leaderboard(&scratch, &["--per-trial"])),
        without_times(leaderboard(&quiet, &["--per-trial"]))
    );

    let ca_key = std::fs::read_to_string(scratch.join(".latentsweep/tls/ca.key")).unwrap();
    let ca_key_line = ca_key.lines().nth(1).unwrap();
    let secrets = [&worker_line, &viewer_line, &operator_line].map(|line| line.rsplit('.').next().unwrap());
    for (secret, home) in secrets.into_iter().chain([ca_key_line]).zip([
        "worker.token",
        "viewer.token",
        "operator.token",
        "ca.key",
    ]) {
        assert!(secret.len() >= 60);
        let mut found = Vec::new();
        files_with(scratch.path(), secret, &mut found);
        files_with(elsewhere.path(), secret, &mut found);
        assert_eq!(found.len(), 1, "found in its own file alone: {found:?}");
        assert!(found[0].ends_with(home), "{found:?}");
        assert!(lines.iter().all(|line| !line.contains(secret)), "in the arguments of a process");
    }
    // The logs that were searched are those of the HTTP layer at its loudest.
    let loud = std::fs::read_to_string(elsewhere.join("one.err")).unwrap();
    assert!(loud.contains("TRACE") && loud.contains("h2::"), "the log was on");
}

/// Asserts exit code and words of a command, and that it says nothing on stdout.
#[track_caller]
fn fails(finished: Finished, code: i32, words: &[&str]) {
    let finished = finished.expect_code(code);
    for word in words {
        assert!(finished.stderr.contains(word), "`{word}` is missing in:\n{}", finished.stderr);
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(finished.stdout.is_empty(), "{}", finished.stdout);
}

#[test]
fn who_may_not_come_in_is_told_why_with_the_documented_exit_code() {
    let scratch = scene(&small_grid("x", "model = [\"ae\"]\nseed = [0]", 2));
    for role in ["worker", "viewer", "operator"] {
        make_token(&scratch, role);
    }
    let _ = coordinator(
        &scratch,
        &["token", "create", "--role", "worker", "--expires", "1ms", "--out", "expired.token"],
    )
    .expect_code(0);
    let stranger = Scratch::new();
    make_token(&stranger, "worker");
    make_token(&stranger, "viewer");
    let (server, url) = serve_guarded(&scratch, "127.0.0.1:0", &[]);
    let plain = url.replace("https://", "http://");

    let worker = |url: &str, token: &str| {
        let args =
            ["--coordinator", url, "--cache", "cache", "--connect-timeout", "20s", "--token-file", token];
        run(&Product::get().worker, scratch.path(), &args)
    };
    let status = |url: &str, token: &str| {
        coordinator(&scratch, &["status", "--coordinator", url, "--token-file", token])
    };

    // Another coordinator's token: its CA is not the one that answers.
    let foreign = token_file(&stranger, "worker");
    fails(worker(&url, &foreign), 4, &[&url, "man in the middle", "coordinator token create"]);
    fails(status(&url, &token_file(&stranger, "viewer")), 4, &["man in the middle"]);
    // A secret that nobody was given.
    let line = std::fs::read_to_string(scratch.join("worker.token")).unwrap();
    let last = if line.trim().ends_with('0') { '1' } else { '0' };
    let forged = format!("{}{last}", &line.trim()[..line.trim().len() - 1]);
    let path = scratch.write("forged.token", &forged);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    fails(worker(&url, "forged.token"), 4, &["not known here"]);
    fails(worker(&url, "expired.token"), 4, &["has expired"]);
    fails(worker(&url, "viewer.token"), 4, &["viewer", "needs worker"]);
    let submit = ["submit", "grid.toml", "--coordinator", &url, "--token-file", "viewer.token"];
    fails(coordinator(&scratch, &submit), 4, &["viewer", "needs operator"]);
    fails(status(&url, "worker.token"), 4, &["worker", "needs viewer"]);

    // Nothing or rubbish instead of a token.
    std::fs::set_permissions(scratch.join("viewer.token"), std::fs::Permissions::from_mode(0o644)).unwrap();
    fails(status(&url, "viewer.token"), 78, &["chmod 600 viewer.token"]);
    fails(worker(&url, "viewer.token"), 78, &["chmod 600 viewer.token"]);
    fails(worker(&url, "grid.toml"), 78, &["grid.toml"]);
    fails(worker(&url, "nowhere.token"), 78, &["nowhere.token"]);
    fails(
        coordinator(&scratch, &["status", "--coordinator", &url]),
        2,
        &["--token-file", "LATENTSWEEP_TOKEN"],
    );

    // TLS on one side only.
    fails(worker(&plain, "worker.token"), 3, &[&plain, "https://"]);
    fails(coordinator(&scratch, &["status", "--coordinator", &plain]), 3, &["https://"]);
    let other = Scratch::new();
    let (plain_server, plain_url) = crate::network::serve(&other, &[]);
    let as_tls = plain_url.replace("http://", "https://");
    fails(worker(&as_tls, "worker.token"), 3, &["does not speak TLS", "--tls"]);
    fails(status(&as_tls, "operator.token"), 3, &["does not speak TLS"]);
    // Nobody was disturbed.
    let _ = status(&url, "operator.token").expect_code(0);
    drop((server, plain_server));
}

#[test]
fn revoking_a_token_puts_a_running_worker_out() {
    let scratch = scene(&small_grid("x", "model = [\"ae\"]\nseed = [0, 1]", 100_000));
    make_token(&scratch, "worker");
    let beat = ["grid.toml", "--lease-ttl", "4s", "--heartbeat", "500ms"];
    let (server, url) = serve_guarded(&scratch, "127.0.0.1:0", &beat);
    let elsewhere = Scratch::new();
    let worker = start_worker(&elsewhere, "victim", &url, &token_file(&scratch, "worker"));
    wait_until("the worker to join", PATIENCE, || {
        worker.stderr_so_far().contains("joined https://").then_some(())
    });
    let list = coordinator(&scratch, &["token", "list"]).expect_code(0).stdout;
    let id = list.lines().find(|line| line.contains("worker")).unwrap().split_whitespace().next().unwrap();
    let said = coordinator(&scratch, &["token", "revoke", id]).expect_code(0).stdout;
    assert!(said.contains("revoked"), "{said}");
    let ended = worker.finish(Duration::from_secs(20)).expect_code(4);
    assert!(ended.stderr.contains("was revoked"), "{}", ended.stderr);
    let again = coordinator(&scratch, &["token", "revoke", id]).expect_code(0).stdout;
    assert!(again.contains("before"), "{again}");
    let _ = coordinator(&scratch, &["token", "revoke", "0000000000000000"]).expect_code(5);

    // What it ran is leased again to who may come in.
    let _ = coordinator(&scratch, &["token", "create", "--role", "worker", "--out", "second.token"])
        .expect_code(0);
    let next = start_worker(&elsewhere, "next", &url, scratch.join("second.token").to_str().unwrap());
    wait_until("the next worker to train", PATIENCE, || {
        next.stderr_so_far().contains("joined https://").then_some(())
    });
    next.signal(Signal::SIGTERM);
    let _ = next.finish(PATIENCE).expect_code(75);
    drop(server);
}

#[test]
fn no_start_where_others_could_come_in_unasked() {
    let scratch = Scratch::new();
    let serve = |more: &[&str]| coordinator(&scratch, &[&["serve", "--bind", "0.0.0.0:0"], more].concat());
    fails(serve(&[]), 2, &["0.0.0.0", "--tls", "coordinator token create", "ssh -L"]);
    fails(serve(&["--tls"]), 2, &["no token", "coordinator token create"]);
    let sweep = scene(&small_grid("x", "model = [\"ae\"]\nseed = [0]", 2));
    fails(coordinator(&sweep, &["sweep", "grid.toml", "--bind", "0.0.0.0:0"]), 2, &["--tls"]);
    assert!(!sweep.join(".latentsweep").exists(), "refused before anything was made");
}

#[test]
fn one_command_with_tls_lets_its_own_workers_in() {
    let scratch = scene(&small_grid("own", "model = [\"ae\"]\nseed = [0, 1]", 40));
    let sweep = Running::start(
        &Product::get().coordinator,
        scratch.path(),
        "sweep",
        &["sweep", "grid.toml", "--tls", "--bind", "0.0.0.0:0", "--workers", "2"],
    );
    let lines = wait_until("a local worker", PATIENCE, || {
        let lines: Vec<String> = children_of(sweep.pid())
            .iter()
            .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok())
            .filter(|line| line.contains("https://127.0.0.1:"))
            .collect();
        (!lines.is_empty()).then_some(lines)
    });
    assert!(lines.iter().all(|line| !line.contains("lst1")), "no token in an argument: {lines:?}");
    let finished = sweep.finish(PATIENCE).expect_code(0);
    assert!(!finished.stderr.contains("lst1") && !finished.stdout.contains("lst1"));
    let list = coordinator(&scratch, &["token", "list"]).expect_code(0).stdout;
    assert!(list.contains("no tokens"), "its own token is nobody else's: {list}");
}

#[test]
fn a_token_file_is_made_private_and_never_over_another() {
    let scratch = Scratch::new();
    make_token(&scratch, "worker");
    let mode = |name: &str| scratch.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(
        [mode("worker.token"), mode(".latentsweep/tls/ca.key"), mode(".latentsweep/tls")],
        [0o600, 0o600, 0o700]
    );
    let again = coordinator(&scratch, &["token", "create", "--role", "worker", "--out", "worker.token"]);
    fails(again, 78, &["worker.token"]);
    // On stdout it is one line and nothing else.
    let shown = coordinator(&scratch, &["token", "create", "--role", "viewer"]).expect_code(0);
    assert!(shown.stdout.starts_with("lst1.") && shown.stdout.lines().count() == 1, "{}", shown.stdout);
    assert!(!shown.stderr.contains("lst1."), "{}", shown.stderr);
}

/// A network namespace with a cable to this one: another machine as far as TCP can tell. Needs root.
struct Machine {
    name: String,
    near: String,
}

impl Machine {
    fn start() -> Option<Self> {
        let tag = std::process::id() % 60_000;
        let name = format!("lsweep{tag}");
        let (inner, outer) = (format!("lsi{tag}"), format!("lso{tag}"));
        let near = format!("10.231.{}.1", tag % 256);
        let far = format!("10.231.{}.2", tag % 256);
        let ip = |args: &[&str]| {
            Command::new("ip").args(args).output().is_ok_and(|output| output.status.success())
        };
        if !ip(&["netns", "add", &name]) {
            return None;
        }
        let machine = Self { name, near };
        let is_up = ip(&["link", "add", &outer, "type", "veth", "peer", "name", &inner])
            && ip(&["link", "set", &inner, "netns", &machine.name])
            && ip(&["addr", "add", &format!("{}/24", machine.near), "dev", &outer])
            && ip(&["link", "set", &outer, "up"])
            && ip(&["-n", &machine.name, "addr", "add", &format!("{far}/24"), "dev", &inner])
            && ip(&["-n", &machine.name, "link", "set", &inner, "up"]);
        is_up.then_some(machine)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its end of the cable goes with it, and with that the other end.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

/// An address of this machine that others could reach, if it has one. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn a_worker_on_another_machine_comes_in_over_tls() {
    let scratch = scene(&small_grid("far", "model = [\"ae\"]\nseed = [0, 1]", 2));
    make_token(&scratch, "worker");
    let machine = Machine::start();
    let own = own_address().map(|address| address.to_string());
    let Some(near) = machine.as_ref().map(|machine| machine.near.clone()).or(own) else {
        // Neither root nor any network but loopback: then the refusals above are all that can be seen here.
        return;
    };
    let (server, url) = serve_guarded(&scratch, &format!("{near}:0"), &["grid.toml", "--until-done"]);
    assert!(url.starts_with(&format!("https://{near}:")), "{url}");
    let cache = scratch.join("far-cache");
    let token = token_file(&scratch, "worker");
    let args = ["--coordinator", &url, "--cache", cache.to_str().unwrap(), "--token-file", &token];
    let binary = &Product::get().worker;
    let worker = match &machine {
        Some(machine) => {
            let enter = ["netns", "exec", &machine.name, binary.to_str().unwrap()];
            let args = [&enter[..], &args[..]].concat();
            Running::start(Path::new("ip"), scratch.path(), "worker", &args)
        }
        None => Running::start(binary, scratch.path(), "worker", &args),
    };
    let _ = worker.finish(PATIENCE).expect_code(0);
    let _ = server.finish(PATIENCE).expect_code(0);
    assert_eq!(leaderboard(&scratch, &[])["rows"][0]["n"], 2);
}
