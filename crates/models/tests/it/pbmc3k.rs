//! On the data that everyone knows: PBMC3k, log-normalised, all genes.

use std::path::Path;
use std::sync::OnceLock;

use cells::Dataset;
use domain::config::{Encode, Gate, NetSpec, Preset};
use domain::{DataSpec, MetricName, ModelKind};
use models::{Engine, TrainOptions, Trainer, TrainingData};

use crate::common::{ae, beta_vae, beta_vsc, config, metric, pca, train};
use crate::engines::assert_gradients_agree;

fn dataset() -> &'static Dataset {
    static DATASET: OnceLock<Dataset> = OnceLock::new();
    DATASET.get_or_init(|| {
        let spec = DataSpec::of_path("data/pbmc3k");
        cells::prepare(&spec, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
    })
}

/// Squared error per cell of the best rank-k approximation of the centred matrix, from `golden/pbmc3k_pca.py`
/// (all eigenvalues of the Gram matrix in f64, numpy 2.4).
const PCA_SSE_PER_CELL: [(u32, f64); 3] = [(2, 1832.2756), (6, 1776.6838), (10, 1757.0819)];

#[test]
fn pca_reaches_the_best_error_of_its_rank() {
    for (components, expected) in PCA_SSE_PER_CELL {
        let trained = train(&pca(components), 0, dataset().matrix(), &TrainOptions::default()).unwrap();
        let found = metric(&trained, MetricName::SsePerCell).unwrap();
        assert!((found - expected).abs() < 1e-3, "{components} components: {found}, expected {expected}");
    }
}

#[test]
fn engines_agree_on_a_batch_of_the_studys_nets() {
    let data = TrainingData::new(dataset().matrix()).unwrap();
    let rows: Vec<u32> = (0..256).map(|position| position * 10).collect();
    let report = |kind| NetSpec::of_preset(Preset::Report, kind, 6);
    let models = [
        ("ae", ae(report(ModelKind::Ae))),
        ("beta-vae", beta_vae(report(ModelKind::BetaVae), Encode::Mean)),
        ("beta-vsc", beta_vsc(report(ModelKind::BetaVsc), Gate::ExpRelu, Encode::Mean)),
    ];
    for (name, model) in models {
        let config = config(model, 1, 256);
        let gradients = |engine| {
            let options = TrainOptions { engine, isa: None };
            Trainer::new(&config, 3, &data, &options).unwrap().gradients(&rows).unwrap()
        };
        assert_gradients_agree(name, &gradients(Engine::Sparse), &gradients(Engine::Dense), 1e-5);
    }
}

/// Seed 1 of every model keeps the engines within 1e-6 of each other on every instruction set. Not every seed can: where
/// a pre-activation falls within rounding of ReLU's kink, the two engines go different ways from there (β-VAE seed 2 and
/// β-VSC seeds 0 and 2 do, by up to 3e-3 in one epoch).
#[test]
fn losses_of_55_steps_agree_within_1e_4() {
    let report = |kind| NetSpec::of_preset(Preset::Report, kind, 6);
    let models = [
        ("ae", ae(report(ModelKind::Ae))),
        ("beta-vae", beta_vae(report(ModelKind::BetaVae), Encode::Mean)),
        ("beta-vsc", beta_vsc(report(ModelKind::BetaVsc), Gate::ExpRelu, Encode::Mean)),
    ];
    for (name, model) in models {
        let config = config(model, 5, 256);
        let losses = |engine| {
            let trained = train(&config, 1, dataset().matrix(), &TrainOptions { engine, isa: None }).unwrap();
            trained.epochs.iter().map(|record| record.loss_per_cell).collect::<Vec<_>>()
        };
        let (sparse, dense) = (losses(Engine::Sparse), losses(Engine::Dense));
        assert_eq!((sparse.len(), dense.len()), (5, 5));
        for (sparse, dense) in sparse.iter().zip(dense) {
            assert!((sparse / dense - 1.0).abs() < 1e-4, "{name}: {sparse} {dense}");
        }
    }
}

#[test]
fn two_epochs_of_the_studys_autoencoder_are_the_pinned_ones() {
    // What RNG_VERSION 1 gives: a change here is a change of every trial's numbers and needs a new version.
    let config = config(ae(NetSpec::of_preset(Preset::Report, ModelKind::Ae, 6)), 2, 256);
    let trained = train(&config, 0, dataset().matrix(), &TrainOptions::default()).unwrap();
    let found: Vec<f64> = trained.epochs.iter().map(|record| record.sse_per_cell).collect();
    for (found, expected) in found.iter().zip([3958.238, 3363.500]) {
        assert!((found - expected).abs() < 0.05, "{found} {expected}");
    }
}
