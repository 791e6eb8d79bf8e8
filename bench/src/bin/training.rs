//! Training against PyTorch: seconds that one epoch costs one trial, each side in its best arrangement on this
//! machine, in turn.
//!
//! `cargo run --release -p bench --bin training -- [--preset report|code] [--epochs 10] [--rounds 3] [--model ae|beta-vae|beta-vsc]`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use anyhow::Context as _;
use bench::{median, option, peer, trials};
use domain::{ModelKind, Preset};
use models::{Engine, TrainOptions, TrainingData};

fn main() -> anyhow::Result<()> {
    models::limit_threads()?;
    models::keep_freed_memory();
    let preset = match option("preset", "report".to_owned())?.as_str() {
        "report" => Preset::Report,
        "code" => Preset::Code,
        other => anyhow::bail!("--preset report|code, not {other}"),
    };
    let epochs: u32 = option("epochs", 10)?;
    let rounds = bench::rounds(3)?;
    let chosen = option("model", String::new())?;
    let slots = bench::slots()?;
    let cores = std::thread::available_parallelism()?.get();
    let data = bench::pbmc3k()?;
    let data = TrainingData::new(data.matrix())?;
    let options = TrainOptions { engine: Engine::Sparse, isa: None };
    println!(
        "PBMC3k, {preset:?} nets, batch 256, {epochs} epochs, {rounds} rounds in turn; seconds an epoch costs a trial"
    );
    println!(
        "latentsweep: {slots} trials at once; PyTorch n x t: n trials at once of t threads each; ratio to its better one"
    );
    let [many, wide] = [format!("PyTorch {cores} x 1"), format!("PyTorch 1 x {cores}")];
    println!("{:<10} {:>14} {many:>16} {wide:>16} {:>8}", "model", "latentsweep", "ratio");
    for (model, peer_name) in
        [(ModelKind::Ae, "ae"), (ModelKind::BetaVae, "vae"), (ModelKind::BetaVsc, "vsc")]
    {
        if !chosen.is_empty() && chosen != model.name() {
            continue;
        }
        let config = trials::config(model, preset, epochs);
        let (mut ours, mut torch_at_once, mut torch_threads) = (vec![], vec![], vec![]);
        for _ in 0..rounds {
            let trained = trials::train_at_once(&config, &data, &options, slots)?;
            ours.push(trials::seconds_per_epoch_per_trial(&trained));
            torch_at_once.push(torch(peer_name, epochs, preset, cores, 1)?);
            torch_threads.push(torch(peer_name, epochs, preset, 1, cores)?);
        }
        let (ours, at_once, threads) = (median(&ours), median(&torch_at_once), median(&torch_threads));
        let best = at_once.min(threads);
        println!("{:<10} {ours:>14.4} {at_once:>16.4} {threads:>16.4} {:>7.2}x", model.name(), best / ours);
    }
    Ok(())
}

/// Seconds an epoch costs a trial when PyTorch trains `at_once` trials with `threads` threads each.
fn torch(model: &str, epochs: u32, preset: Preset, at_once: usize, threads: usize) -> anyhow::Result<f64> {
    let (epochs, threads) = (epochs.to_string(), threads.to_string());
    let preset = if preset == Preset::Code { "code" } else { "report" };
    let seeds: Vec<String> = (0..at_once).map(|seed| seed.to_string()).collect();
    let running: Vec<_> = seeds
        .iter()
        .map(|seed| peer::start("tests/data/pytorch_reference.py", &[model, seed, &epochs, preset, &threads]))
        .collect::<anyhow::Result<_>>()?;
    let mut seconds = Vec::with_capacity(at_once);
    for child in running {
        let text = peer::finish(child)?;
        seconds.push(peer::number_before(&text, " s/epoch").context("reading PyTorch's line")?);
    }
    Ok(median(&seconds) / at_once as f64)
}
