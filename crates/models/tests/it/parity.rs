//! Against PyTorch and numpy: `golden/parity.py` wrote what tiny nets give there, with the random streams written down
//! a second time.

use domain::config::{Activation, AeSpec, BetaVaeSpec, BetaVscSpec, EvaluationSpec, Gate, NetSpec};
use domain::{Config, MetricName, ModelSpec, TrainSpec};
use models::streams::Streams;
use models::{Engine, TrainOptions, Trainer, TrainingData};
use serde_json::Value;

use crate::common::{Matrix, metric, pca, train};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/parity.json")).unwrap()
}

pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|item| item.as_f64().unwrap()).collect()
}

pub(crate) fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

pub(crate) fn widths(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn matrix(golden: &Value) -> Matrix {
    let dense: Vec<f32> = floats(&golden["matrix"]).iter().map(|value| *value as f32).collect();
    Matrix::from_dense(&dense, number(&golden["genes"]) as usize)
}

fn activation(value: &Value) -> Activation {
    serde_json::from_value(value.clone()).unwrap()
}

fn config(golden: &Value, name: &str) -> Config {
    let spec = &golden["specs"][name];
    let net = NetSpec {
        latent_dim: number(&spec["latent_dim"]),
        encoder: widths(&spec["encoder"]),
        branch: widths(&spec["branch"]),
        decoder: widths(&spec["decoder"]),
        first_activation: activation(&spec["first_activation"]),
    };
    let beta = spec["beta"].as_f64().unwrap();
    let model = match name.split_once("-v").map_or("ae", |(_, rest)| &rest[..2]) {
        "ae" if name.starts_with("ae") => {
            ModelSpec::Ae(AeSpec { net, latent_activation: activation(&spec["latent_activation"]) })
        }
        "ae" => ModelSpec::BetaVae(BetaVaeSpec { beta, ..BetaVaeSpec::new(net) }),
        _ => ModelSpec::BetaVsc(BetaVscSpec {
            beta,
            alpha: spec["alpha"].as_f64().unwrap(),
            c: spec["c"].as_f64().unwrap(),
            gate: serde_json::from_value::<Gate>(spec["gate"].clone()).unwrap(),
            ..BetaVscSpec::new(net)
        }),
    };
    let train = TrainSpec {
        epochs: number(&golden["epochs"]),
        batch_size: number(&golden["batch"]),
        learning_rate: golden["learning_rate"].as_f64().unwrap(),
        ..TrainSpec::default()
    };
    Config { model, train: Some(train), evaluation: EvaluationSpec::default() }
}

/// Largest difference relative to the largest expected value, at most `limit`.
pub(crate) fn assert_close(what: &str, found: &[f64], expected: &[f64], limit: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let error = found.iter().zip(expected).fold(0.0_f64, |largest, (f, e)| largest.max((f - e).abs()));
    assert!(error <= limit * scale, "{what}: error {error:.3e}, scale {scale:.3e}");
}

pub(crate) fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

const NAMES: [&str; 5] = ["ae", "ae-relu", "beta-vae", "beta-vsc", "beta-vsc-sigmoid"];

#[test]
fn the_first_values_of_the_streams_are_pinned() {
    let golden = golden();
    let expected = &golden["streams"];
    let open = |seed, purpose: &str, part| Streams::new(seed).open(purpose, part);
    let mut words = open(7, "epsilon", 3);
    for word in expected["words"].as_array().unwrap() {
        assert_eq!(u64::from(words.bits()), word.as_u64().unwrap());
    }
    let exact = |found: Vec<f32>, key: &str| {
        let expected: Vec<f32> = floats(&expected[key]).iter().map(|value| *value as f32).collect();
        assert_eq!(found, expected, "{key}");
    };
    exact(open(u64::MAX, "u", 0).uniforms(3), "unit");
    exact(open(0, "s", 1 << 40).symmetric(3, 0.25), "symmetric");
    exact(open(5, "n", 1).normals(5), "normals");
    assert_eq!(open(0, "shuffle", 1).permutation(10), widths(&expected["permutation"]));
}

#[test]
fn gradients_equal_pytorchs() {
    let golden = golden();
    let matrix = matrix(&golden);
    let data = TrainingData::new(matrix.view()).unwrap();
    let rows: Vec<u32> = (0..number(&golden["batch"])).collect();
    for name in NAMES {
        let expected = &golden["models"][name];
        for engine in [Engine::Sparse, Engine::Dense] {
            let what = |part: &str| format!("{name}, {} engine: {part}", engine.name());
            let options = TrainOptions { engine, isa: None };
            let mut trainer =
                Trainer::new(&config(&golden, name), golden["seed"].as_u64().unwrap(), &data, &options)
                    .unwrap();
            let found = trainer.gradients(&rows).unwrap();
            let first = &expected["first_batch"];
            assert_close(&what("sse"), &[found.sse], &[first["sse"].as_f64().unwrap()], 1e-5);
            assert_close(&what("kl"), &[found.kl], &[first["kl"].as_f64().unwrap()], 1e-5);
            assert_eq!(found.tensors.len(), expected["gradients"].as_object().unwrap().len(), "{name}");
            for (tensor, gradient) in &found.tensors {
                assert_close(&what(tensor), &widen(gradient), &floats(&expected["gradients"][tensor]), 2e-5);
            }
        }
    }
}

#[test]
fn five_epochs_of_training_equal_pytorchs() {
    let golden = golden();
    let matrix = matrix(&golden);
    for name in NAMES {
        let expected = &golden["models"][name];
        for engine in [Engine::Sparse, Engine::Dense] {
            let what = |part: &str| format!("{name}, {} engine: {part}", engine.name());
            let options = TrainOptions { engine, isa: None };
            let seed = golden["seed"].as_u64().unwrap();
            let trained = train(&config(&golden, name), seed, matrix.view(), &options).unwrap();
            let curve = expected["curve"].as_array().unwrap();
            assert_eq!(trained.epochs.len(), curve.len());
            for (record, expected) in trained.epochs.iter().zip(curve) {
                let expected = floats(expected);
                assert_close(&what("sse curve"), &[record.sse_per_cell], &expected[..1], 1e-4);
                assert_close(&what("kl curve"), &[record.kl_per_cell], &expected[1..], 1e-3);
            }
            assert_close(&what("codes"), &widen(&trained.latent), &floats(&expected["codes"]), 1e-3);
            let sse = metric(&trained, MetricName::SsePerCell).unwrap();
            assert_close(&what("sse"), &[sse], &[expected["sse_per_cell"].as_f64().unwrap()], 1e-4);
        }
    }
}

#[test]
fn pca_equals_numpys() {
    let golden = golden();
    let matrix = matrix(&golden);
    let trained = train(&pca(3), 0, matrix.view(), &TrainOptions::default()).unwrap();
    assert_close("scores", &widen(&trained.latent), &floats(&golden["pca"]["scores"]), 1e-6);
    let sse = metric(&trained, MetricName::SsePerCell).unwrap();
    assert_close("sse", &[sse], &[golden["pca"]["sse_per_cell"].as_f64().unwrap()], 1e-8);
}
