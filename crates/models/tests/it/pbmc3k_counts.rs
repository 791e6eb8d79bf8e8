//! Models of counts on PBMC3k beside scvi-tools' own: raw counts of the 2,000 most variable genes, a tenth of the cells
//! held out, 100 epochs (`golden/pbmc3k_scvi.py`).

use std::path::Path;

use domain::config::{EvaluationSpec, LdvaeSpec, ScviSpec};
use domain::data::{Genes, Input};
use domain::{Config, DataSpec, MetricName, ModelSpec, TrainSpec};
use models::TrainOptions;

use crate::common::{metric, train};

/// A trial, and what scvi-tools reaches on the same held-out cells: −log NB summed over genes at the posterior mean, mean
/// over cells. (Seed 2 of SCVI: 686.838. The spread over seeds is that of the splits: on the training cells SCVI reaches
/// 613.5, 609.8 and 610.2.)
struct Beside {
    name: &'static str,
    model: ModelSpec,
    seed: u64,
    scvi_tools: f64,
    limit: f64,
}

fn trials() -> [Beside; 3] {
    let scvi = || ModelSpec::Scvi(ScviSpec::default());
    let ldvae = ModelSpec::Ldvae(LdvaeSpec::default());
    [
        Beside { name: "scvi", model: scvi(), seed: 0, scvi_tools: 663.790, limit: 0.02 },
        Beside { name: "scvi", model: scvi(), seed: 1, scvi_tools: 701.532, limit: 0.02 },
        // After 100 epochs a linear decoder still descends by 1.7 an epoch, and two seeds of ours lie 2 % apart.
        Beside { name: "ldvae", model: ldvae, seed: 0, scvi_tools: 732.728, limit: 0.04 },
    ]
}

#[test]
fn held_out_likelihoods_are_those_of_scvi_tools() {
    let spec = DataSpec { input: Input::Counts, genes: Genes::Hvg(2000), ..DataSpec::of_path("data/pbmc3k") };
    let dataset = cells::prepare(&spec, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    let matrix = dataset.matrix();
    let run = |trial: &Beside| {
        let train_spec =
            TrainSpec { epochs: 100, validation_fraction: 0.1, ..TrainSpec::of(trial.model.kind()) };
        let config = Config {
            model: trial.model.clone(),
            train: Some(train_spec),
            evaluation: EvaluationSpec::default(),
        };
        let trained = train(&config, trial.seed, matrix, &TrainOptions::default()).unwrap();
        metric(&trained, MetricName::ValidationNllPerCell).unwrap()
    };
    let (trials, run) = (trials(), &run);
    let found: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = trials.iter().map(|trial| scope.spawn(move || run(trial))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (Beside { name, seed, scvi_tools, limit, .. }, found) in trials.iter().zip(found) {
        assert!(
            (found / scvi_tools - 1.0).abs() < *limit,
            "{name} seed {seed}: {found}, scvi-tools {scvi_tools}"
        );
    }
}
