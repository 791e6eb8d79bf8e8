//! Memory of a worker: a coordinator serves as many trials on PBMC3k as the worker has slots, so that all run at once;
//! printed is the most that either process held, from the data set's arrival to the last score.
//!
//! `cargo run --release -p bench --bin memory -- [--slots 2] [--epochs 20] [--model ae] [--preset report|code]`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use std::process::{Command, Stdio};

use anyhow::Context as _;
use bench::option;
use bench::product::{Watched, binary, scratch, wait_until};

/// What a worker with two slots may hold.
const BAR_MB: f64 = 600.0;

fn main() -> anyhow::Result<()> {
    let slots: u64 = option("slots", 2)?;
    let epochs: u32 = option("epochs", 20)?;
    let model = option("model", "ae".to_owned())?;
    let preset = option("preset", "report".to_owned())?;
    let (coordinator, worker) = (binary("coordinator")?, binary("worker")?);
    let folder = scratch()?;
    let file = |name: &str| folder.path().join(name);
    let grid = format!(
        "name = \"memory\"\n[data]\npath = \"data/pbmc3k\"\nlabels = \"data/pbmc3k/labels.csv\"\n\
         [grid]\nmodel = [\"{model}\"]\nseed = {{ start = 0, count = {slots} }}\n\
         [train]\nepochs = {epochs}\n[model]\npreset = \"{preset}\"\nlatent_dim = 6\n"
    );
    std::fs::write(file("memory.toml"), grid).context("writing the grid file")?;

    let mut serve = Command::new(coordinator);
    serve.args(["serve", "memory.toml", "--bind", "127.0.0.1:0", "--until-done"]).current_dir(folder.path());
    serve.stdout(Stdio::null()).stderr(std::fs::File::create(file("serve.err"))?);
    let mut serve = Watched::start("the coordinator", &mut serve)?;
    let mut url = None;
    wait_until(|| {
        url = address(&std::fs::read_to_string(file("serve.err"))?);
        anyhow::ensure!(serve.glance()? || url.is_some(), "the coordinator ended before it served");
        Ok(url.is_some())
    })?;

    let mut work = Command::new(worker);
    work.arg("--coordinator").arg(url.context("no address")?).args([
        "--slots",
        &slots.to_string(),
        "--quiet",
    ]);
    work.arg("--cache").arg(file("cache")).stdout(Stdio::null());
    let mut work = Watched::start("the worker", &mut work)?;
    wait_until(|| Ok(!(work.glance()? | serve.glance()?)))?;

    println!(
        "PBMC3k, {slots} trials of {model} ({preset} nets, {epochs} epochs) at once in one worker: peak resident memory"
    );
    println!(
        "worker      {:>6.0} MB   ({:.2} of the {BAR_MB:.0} MB that two slots may take)",
        work.peak_mb(),
        work.peak_mb() / BAR_MB
    );
    println!("coordinator {:>6.0} MB", serve.peak_mb());
    Ok(())
}

/// The first address that a coordinator has printed, when its port is complete.
fn address(said: &str) -> Option<String> {
    let rest = &said[said.find("http://127.0.0.1:")?..];
    let scheme = "http://".len();
    let end = rest[scheme..].find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    Some(rest[..scheme + end].to_owned())
}
