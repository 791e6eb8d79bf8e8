//! Models of counts: against PyTorch from the same initial values and noise (`golden/counts.py`), how they end, that they
//! repeat.

use domain::config::{DcaSpec, EvaluationSpec, LdvaeSpec, ScviSpec};
use domain::{Config, MetricName, ModelSpec, OutcomeStatus, Schedule, TrainSpec};
use models::{Engine, TrainError, TrainOptions, Trainer, TrainingData};
use serde_json::Value;

use crate::common::{Matrix, metric, train};
use crate::parity::{assert_close, floats, number, widen, widths};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/counts.json")).unwrap()
}

fn counts(golden: &Value) -> Matrix {
    let values: Vec<f32> = floats(&golden["counts"]).iter().map(|count| *count as f32).collect();
    Matrix::from_dense(&values, number(&golden["genes"]) as usize)
}

fn spec_of(spec: &Value) -> ModelSpec {
    let real = |key: &str| spec[key].as_f64().unwrap();
    let latent_dim = number(&spec["latent_dim"]);
    let (encoder, dropout) = (widths(&spec["encoder"]), real("dropout"));
    let beta_schedule = || Schedule::Warmup { warmup: real("warmup") };
    match spec["kind"].as_str().unwrap() {
        "scvi" => ModelSpec::Scvi(ScviSpec {
            latent_dim,
            encoder,
            decoder: widths(&spec["decoder"]),
            dropout,
            beta: real("beta"),
            beta_schedule: beta_schedule(),
            free_bits: 0.0,
        }),
        "ldvae" => ModelSpec::Ldvae(LdvaeSpec {
            latent_dim,
            encoder,
            dropout,
            beta: real("beta"),
            beta_schedule: beta_schedule(),
            free_bits: 0.0,
        }),
        _ => ModelSpec::Dca(DcaSpec { latent_dim, encoder, decoder: widths(&spec["decoder"]), dropout }),
    }
}

fn golden_config(golden: &Value, name: &str) -> Config {
    let spec = &golden["specs"][name];
    let train = TrainSpec {
        epochs: number(&golden["epochs"]),
        batch_size: number(&golden["batch"]),
        learning_rate: spec["learning_rate"].as_f64().unwrap(),
        adam_eps: spec["adam_eps"].as_f64().unwrap(),
        weight_decay: spec["weight_decay"].as_f64().unwrap(),
        ..TrainSpec::default()
    };
    Config { model: spec_of(spec), train: Some(train), evaluation: EvaluationSpec::default() }
}

const NAMES: [&str; 3] = ["scvi", "ldvae", "dca"];

#[test]
fn gradients_equal_pytorchs() {
    let golden = golden();
    let matrix = counts(&golden);
    let data = TrainingData::new(matrix.view()).unwrap();
    let rows: Vec<u32> = (0..number(&golden["batch"])).collect();
    for name in NAMES {
        let expected = &golden["models"][name];
        let what = |part: &str| format!("{name}: {part}");
        let seed = golden["seed"].as_u64().unwrap();
        let config = golden_config(&golden, name);
        let mut trainer = Trainer::new(&config, seed, &data, &TrainOptions::default()).unwrap();
        let found = trainer.gradients(&rows).unwrap();
        let first = &expected["first_batch"];
        assert_close(&what("nll"), &[found.sse], &[first["nll"].as_f64().unwrap()], 1e-6);
        assert_close(&what("kl"), &[found.kl], &[first["kl"].as_f64().unwrap()], 1e-5);
        assert_eq!(found.tensors.len(), expected["gradients"].as_object().unwrap().len(), "{name}");
        let largest = |values: &[f64]| values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        for (tensor, gradient) in &found.tensors {
            let expected = floats(&expected["gradients"][tensor]);
            // The bias before a norm has no gradient but rounding.
            if largest(&expected) < 1e-12 {
                assert!(largest(&widen(gradient)) < 1e-5, "{}", what(tensor));
            } else {
                assert_close(&what(tensor), &widen(gradient), &expected, 2e-5);
            }
        }
        // Looking changes nothing, running statistics included.
        assert_eq!(trainer.gradients(&rows).unwrap(), found, "{name}");
    }
}

#[test]
fn five_epochs_of_training_equal_pytorchs() {
    let golden = golden();
    let matrix = counts(&golden);
    for name in NAMES {
        let expected = &golden["models"][name];
        let what = |part: &str| format!("{name}: {part}");
        let seed = golden["seed"].as_u64().unwrap();
        let config = golden_config(&golden, name);
        let trained = train(&config, seed, matrix.view(), &TrainOptions::default()).unwrap();
        let curve = expected["curve"].as_array().unwrap();
        assert_eq!(trained.epochs.len(), curve.len());
        for (record, expected) in trained.epochs.iter().zip(curve) {
            let expected = floats(expected);
            assert_close(&what("nll curve"), &[record.sse_per_cell], &expected[..1], 1e-5);
            assert_close(&what("kl curve"), &[record.kl_per_cell], &expected[1..], 1e-4);
        }
        assert_close(&what("codes"), &widen(&trained.latent), &floats(&expected["codes"]), 1e-3);
        let nll = metric(&trained, MetricName::NllPerCell).unwrap();
        assert_close(&what("nll"), &[nll], &[expected["nll_per_cell"].as_f64().unwrap()], 1e-5);
    }
}

/// Counts of cells of three kinds.
fn small_counts(cells: usize) -> Matrix {
    let lognorm = Matrix::three_kinds(cells, 60);
    lognorm.map(|value| value.exp().floor())
}

/// The defaults at a small size.
fn every_config(epochs: u32) -> Vec<(&'static str, Config)> {
    let models = [
        (
            "scvi",
            ModelSpec::Scvi(ScviSpec {
                latent_dim: 4,
                encoder: vec![24],
                decoder: vec![20],
                ..ScviSpec::default()
            }),
        ),
        (
            "ldvae",
            ModelSpec::Ldvae(LdvaeSpec { latent_dim: 4, encoder: vec![24, 12], ..LdvaeSpec::default() }),
        ),
        (
            "dca",
            ModelSpec::Dca(DcaSpec { latent_dim: 4, encoder: vec![24], decoder: vec![20], dropout: 0.1 }),
        ),
    ];
    let config = |model: ModelSpec| {
        let train = TrainSpec { epochs, batch_size: 32, ..TrainSpec::of(model.kind()) };
        Config { model, train: Some(train), evaluation: EvaluationSpec::default() }
    };
    models.into_iter().map(|(name, model)| (name, config(model))).collect()
}

/// For the tests of repetition, which hold every model.
pub(crate) fn repeated() -> (Matrix, Vec<(&'static str, Config)>) {
    // 97 cells in batches of 32: the last batch is a single cell, which has no variance.
    (small_counts(97), every_config(3))
}

#[test]
fn a_done_trial_has_the_numbers_of_a_likelihood_and_none_of_squares() {
    let matrix = small_counts(100);
    for (name, config) in every_config(4) {
        for engine in [Engine::Sparse, Engine::Dense] {
            let options = TrainOptions { engine, isa: None };
            let trained = train(&config, 1, matrix.view(), &options).unwrap();
            assert_eq!((trained.status, trained.engine), (OutcomeStatus::Done, "sparse"), "{name}");
            assert_eq!((trained.latent.len(), trained.latent_dim), (100 * 4, 4), "{name}");
            use MetricName::*;
            for promised in [TrainNllPerCell, NllPerCell, BestEpoch, Epochs, Parameters, ActiveUnits] {
                assert!(metric(&trained, promised).is_some(), "{name}: {promised}");
            }
            for foreign in [SsePerCell, TrainSsePerCell, SsePerEntry, TrainSsePerEntry] {
                assert_eq!(metric(&trained, foreign), None, "{name}: {foreign}");
            }
            let kl = metric(&trained, KlPerCell);
            assert_eq!(kl.is_some(), name != "dca");
            let elbo = kl.zip(metric(&trained, TrainNllPerCell)).map(|(kl, nll)| -(kl + nll));
            assert_eq!(metric(&trained, TrainElboPerCell), elbo);
            assert_eq!(trained.diagnostics.kl_per_dim.len(), if name == "dca" { 0 } else { 4 });
        }
    }
}

#[test]
fn held_out_cells_have_a_likelihood() {
    let matrix = small_counts(100);
    for (name, mut config) in every_config(4) {
        config.train.as_mut().unwrap().validation_fraction = 0.2;
        let trained = train(&config, 1, matrix.view(), &TrainOptions::default()).unwrap();
        let held_out = metric(&trained, MetricName::ValidationNllPerCell);
        assert!(held_out.is_some_and(|nll| nll > 0.0), "{name}");
        assert_eq!(metric(&trained, MetricName::NllPerCell), None, "{name}");
        assert_eq!(metric(&trained, MetricName::ValidationSsePerCell), None, "{name}");
    }
}

#[test]
fn training_learns() {
    let matrix = small_counts(300);
    for (name, config) in every_config(60) {
        let trained = train(&config, 1, matrix.view(), &TrainOptions::default()).unwrap();
        let (first, last) = (trained.epochs[0].sse_per_cell, trained.epochs[59].sse_per_cell);
        assert!(last < 0.8 * first, "{name}: {first} {last}");
    }
}

#[test]
fn parameters_are_counted() {
    let matrix = small_counts(40);
    let count = |position: usize| {
        let (_, config) = every_config(1).remove(position);
        metric(&train(&config, 1, matrix.view(), &TrainOptions::default()).unwrap(), MetricName::Parameters)
    };
    // W1, b1, its norm; μ and log σ²; decoder and its norm; W, b, r
    let scvi = 60 * 24 + 3 * 24 + 2 * (24 * 4 + 4) + 4 * 20 + 3 * 20 + 60 * (20 + 1 + 1);
    assert_eq!(count(0), Some(f64::from(scvi)));
    // two encoder layers; W, r, scale and shift of the logits
    let ldvae = 60 * 24 + 3 * 24 + 24 * 12 + 3 * 12 + 2 * (12 * 4 + 4) + 60 * (4 + 1 + 2);
    assert_eq!(count(1), Some(f64::from(ldvae)));
    // norms without scale
    let dca = 60 * 24 + 2 * 24 + 24 * 4 + 2 * 4 + 4 * 20 + 2 * 20 + 60 * (20 + 1 + 1);
    assert_eq!(count(2), Some(f64::from(dca)));
}

#[test]
fn a_loss_that_is_not_finite_is_a_result() {
    let matrix = small_counts(100);
    for (name, mut config) in every_config(20) {
        config.train.as_mut().unwrap().learning_rate = 1e30;
        let trained = train(&config, 1, matrix.view(), &TrainOptions::default()).unwrap();
        assert_eq!(trained.status, OutcomeStatus::Diverged, "{name}");
        assert!(trained.metrics.iter().all(|metric| metric.value.is_finite()), "{name}");
        assert_eq!(metric(&trained, MetricName::NllPerCell), None, "{name}");
        assert!(trained.latent.is_empty(), "{name}");
    }
}

#[test]
fn cells_without_counts_are_trained_on() {
    let mut dense = vec![0.0_f32; 40 * 30];
    for (position, value) in dense.iter_mut().enumerate().filter(|(position, _)| position / 30 % 4 != 0) {
        *value = (position % 7) as f32;
    }
    let matrix = Matrix::from_dense(&dense, 30);
    for (name, config) in every_config(3) {
        let trained = train(&config, 1, matrix.view(), &TrainOptions::default()).unwrap();
        assert_eq!(trained.status, OutcomeStatus::Done, "{name}");
    }
}

#[test]
fn what_is_no_count_is_refused_with_what_to_write() {
    let matrix = Matrix::three_kinds(20, 60);
    for (name, config) in every_config(1) {
        match train(&config, 1, matrix.view(), &TrainOptions::default()) {
            Err(TrainError::BadConfig { field: "model", problem }) => {
                assert!(problem.contains("input = \"counts\""), "{name}: {problem}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_trained_is_refused_by_field() {
    let matrix = small_counts(20);
    let refuse = |change: &dyn Fn(&mut ScviSpec, &mut TrainSpec), expected: &str| {
        let (mut spec, mut train_spec) = (ScviSpec::default(), TrainSpec::of(domain::ModelKind::Scvi));
        change(&mut spec, &mut train_spec);
        let config = Config {
            model: ModelSpec::Scvi(spec),
            train: Some(train_spec),
            evaluation: EvaluationSpec::default(),
        };
        match train(&config, 1, matrix.view(), &TrainOptions::default()) {
            Err(TrainError::BadConfig { field, .. }) => assert_eq!(field, expected),
            other => panic!("{expected}: {other:?}"),
        }
    };
    refuse(&|spec, _| spec.latent_dim = 0, "latent_dim");
    refuse(&|spec, _| spec.encoder.clear(), "encoder");
    refuse(&|spec, _| spec.decoder = vec![3, 0], "decoder");
    refuse(&|spec, _| spec.dropout = 1.0, "dropout");
    refuse(&|spec, _| spec.beta = f64::NAN, "beta");
    refuse(&|spec, _| spec.free_bits = -1.0, "free_bits");
    refuse(&|_, train| train.adam_eps = 0.0, "adam_eps");
    refuse(&|_, train| train.weight_decay = -1.0, "weight_decay");
}
