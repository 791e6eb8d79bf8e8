//! A whole grid file from start to report, in one figure: the release binary, an empty state folder, all cores.
//!
//! `cargo run --release -p bench --bin study -- [--grid examples/study.toml]`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use bench::product::{binary, scratch};
use bench::{option, timed};

fn main() -> anyhow::Result<()> {
    let grid = option("grid", "examples/study.toml".to_owned())?;
    let coordinator = binary("coordinator")?;
    let folder = scratch()?;
    let in_folder = |args: &[&str]| {
        let mut command = Command::new(&coordinator);
        command.args(args).current_dir(folder.path()).env_remove("LATENTSWEEP_STATE");
        command
    };
    let (status, took) = timed(|| {
        in_folder(&["sweep", &grid, "--quiet"]).stdout(Stdio::null()).status().context("starting the sweep")
    })?;
    ensure!(status.success(), "the sweep ended with {status}");
    let reports = folder.path().join(".latentsweep/reports");
    let mut written = 0;
    for entry in std::fs::read_dir(&reports).context("the reports' folder")? {
        written += u32::from(entry?.path().join("report.html").is_file());
    }
    ensure!(written == 1, "{written} reports in {}", reports.display());
    println!("{grid}: {:.1} s from start to report", took.as_secs_f64());
    Ok(())
}
