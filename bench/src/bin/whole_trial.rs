//! The whole of a trial (200 epochs, t-SNE 2-D and 3-D, k-means, scores) against PyTorch and scikit-learn, in turn.
//! Ours runs as many trials at once as there are cores, one thread each; the peer one trial on all cores, its best
//! arrangement.
//!
//! `cargo run --release -p bench --bin whole_trial -- [--model ae] [--epochs 200] [--rounds 1]`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use anyhow::Context as _;
use bench::{median, option, peer, timed, trials};
use domain::{ModelKind, Preset};
use eval::{Conduct, EvaluationInput};
use models::{Control, Engine, TrainOptions, TrainingData};

fn main() -> anyhow::Result<()> {
    models::limit_threads()?;
    models::keep_freed_memory();
    let model = option("model", "ae".to_owned())?;
    let kind = ModelKind::from_name(&model).context("--model ae|beta-vae|beta-vsc")?;
    let peer_name = match kind {
        ModelKind::Ae => "ae",
        ModelKind::BetaVae => "vae",
        ModelKind::BetaVsc => "vsc",
        other => anyhow::bail!("the peer has no {other}: --model ae|beta-vae|beta-vsc"),
    };
    let epochs: u32 = option("epochs", 200)?;
    let rounds = bench::rounds(1)?;
    let slots = bench::slots()?;
    let data = bench::pbmc3k()?;
    let config = trials::config(kind, Preset::Report, epochs);
    let (mut ours, mut theirs) = (vec![], vec![]);
    for _ in 0..rounds {
        let (_, wall) = timed(|| whole_trials(&config, &data, slots))?;
        ours.push(wall.as_secs_f64() / slots as f64);
        let text =
            peer::finish(peer::start("bench/peers/whole_trial.py", &[peer_name, "0", &epochs.to_string()])?)?;
        theirs.push(peer::number_before(&text[text.find("whole trial").unwrap_or(0)..], " s")?);
    }
    let (ours, theirs) = (median(&ours), median(&theirs));
    println!("{model}, {epochs} epochs, t-SNE 2-D and 3-D, k-means and scores; seconds a trial");
    println!("latentsweep {ours:.2}   PyTorch + scikit-learn {theirs:.2}   ratio {:.2}x", theirs / ours);
    Ok(())
}

/// `slots` trials from the first epoch to the last score, on one matrix in memory.
fn whole_trials(config: &domain::Config, data: &cells::Dataset, slots: u64) -> anyhow::Result<()> {
    let options = TrainOptions { engine: Engine::Sparse, isa: None };
    let labels = data.labels().map(|labels| (labels.of_cell.as_slice(), labels.classes.len()));
    let training_data = TrainingData::new(data.matrix())?;
    trials::at_once(slots, |seed| {
        let trained = models::train_on(config, seed, &training_data, &options, &mut |_| Control::Continue)?;
        let input = EvaluationInput {
            codes: &trained.latent,
            n_cells: data.n_cells(),
            dim: trained.latent_dim,
            labels,
            spec: &config.evaluation,
        };
        eval::evaluate(&input, Conduct::plain())?;
        Ok(())
    })?;
    Ok(())
}
