//! Counts the kernels' instructions under valgrind and fails when one of them has grown: `benches/kernels.rs` with the
//! counter's runner, which is installed under the target folder at the first use. Needs valgrind.
//!
//! `cargo run --release -p bench --bin instructions`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use bench::workspace_root;

/// Runner and library speak to each other in one version only: the one in the workspace's `Cargo.toml`.
const VERSION: &str = "0.20.0";

fn main() -> anyhow::Result<ExitCode> {
    let valgrind = Command::new("valgrind").arg("--version").output();
    ensure!(
        valgrind.is_ok_and(|said| said.status.success()),
        "valgrind is not installed: `apt install valgrind`"
    );
    let cargo = || {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace_root());
        cargo
    };
    let runner = match std::env::var_os("GUNGRAUN_RUNNER") {
        Some(path) => path.into(),
        None => {
            let root = workspace_root().join("target/gungraun");
            let runner = root.join(VERSION).join("bin/gungraun-runner");
            if !runner.is_file() {
                let mut install = cargo();
                install.args(["install", "gungraun-runner", "--locked", "--version", VERSION, "--root"]);
                let status = install.arg(root.join(VERSION)).status().context("starting cargo install")?;
                ensure!(status.success(), "gungraun-runner {VERSION} cannot be installed");
            }
            runner
        }
    };
    let mut bench = cargo();
    bench.args(["bench", "-p", "bench", "--bench", "kernels"]).env("GUNGRAUN_RUNNER", runner);
    let status = bench.status().context("starting cargo bench")?;
    if status.success() {
        println!("no kernel executes more instructions than its reference allows");
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
