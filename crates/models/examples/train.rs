//! Trains one model on a 10x folder and prints what it reached: the quickest way to see a change of the training code
//! in its numbers. From the workspace's root:
//!
//! ```text
//! cargo run --release -p models --example train -- MODEL SEED EPOCHS [sparse|dense] [report|code] [FOLDER]
//! ```
//!
//! MODEL is any of a grid file's; PCA takes EPOCHS as its number of components. Nets are the study's (6 dimensions, batch 256,
//! β = 2, c = 50, α = 0.5) or the defaults of a model of counts, FOLDER is `data/pbmc3k` by default.
#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;
use std::path::Path;

use domain::config::{
    Activation, AeSpec, BetaVaeSpec, BetaVscSpec, DcaSpec, EvaluationSpec, LdvaeSpec, NetSpec, PcaSpec,
    Preset, ScviSpec,
};
use domain::data::Input;
use domain::{Config, DataSpec, ModelKind, ModelSpec, TrainSpec};
use models::{Control, Engine, TrainOptions};

fn main() -> Result<(), Box<dyn Error>> {
    models::limit_threads()?;
    models::keep_freed_memory();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |position: usize, default: &'static str| words.get(position).map_or(default, String::as_str);
    let kind = ModelKind::from_name(word(0, "ae")).ok_or("no model is called so")?;
    let seed: u64 = word(1, "0").parse()?;
    let epochs: u32 = word(2, "10").parse()?;
    let engine = Engine::from_name(word(3, "sparse")).ok_or("the engine is sparse or dense")?;
    let preset = if word(4, "report") == "code" { Preset::Code } else { Preset::Report };

    let mut spec = DataSpec::of_path(word(5, "data/pbmc3k"));
    if kind.reconstruction().is_of_counts() {
        spec.input = Input::Counts;
    }
    let dataset = cells::prepare(&spec, Path::new("."))?;
    println!("{} cells × {} genes", dataset.n_cells(), dataset.n_genes());

    let config = Config {
        model: model(kind, preset, epochs),
        train: Some(TrainSpec { epochs, ..TrainSpec::default() }),
        evaluation: EvaluationSpec::default(),
    };
    let options = TrainOptions { engine, isa: None };
    let trained = models::train(&config, seed, dataset.matrix(), &options, &mut |report| {
        let record = report.record;
        if record.epoch.is_power_of_two() || record.epoch % 50 == 0 {
            println!(
                "epoch {:>4}: sse/cell {:.3}  kl/cell {:.4}  {:.4} s",
                record.epoch, record.sse_per_cell, record.kl_per_cell, record.seconds
            );
        }
        Control::Continue
    })?;
    println!("{kind} seed {seed}, {} engine, {}: {:?}", trained.engine, trained.isa, trained.status);
    for metric in &trained.metrics {
        println!("{:>20} {}", metric.name.name(), metric.value);
    }
    println!("{:#?}", trained.diagnostics);
    Ok(())
}

fn model(kind: ModelKind, preset: Preset, components: u32) -> ModelSpec {
    let net = NetSpec::of_preset(preset, kind, 6);
    match kind {
        ModelKind::Pca => ModelSpec::Pca(PcaSpec { latent_dim: components }),
        ModelKind::Ae => ModelSpec::Ae(AeSpec { net, latent_activation: Activation::None }),
        ModelKind::BetaVae => ModelSpec::BetaVae(BetaVaeSpec::new(net)),
        ModelKind::BetaVsc => ModelSpec::BetaVsc(BetaVscSpec::new(net)),
        ModelKind::Scvi => ModelSpec::Scvi(ScviSpec::default()),
        ModelKind::Ldvae => ModelSpec::Ldvae(LdvaeSpec::default()),
        ModelKind::Dca => ModelSpec::Dca(DcaSpec::default()),
    }
}
