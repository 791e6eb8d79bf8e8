//! What changes from step to step, and the β-VSC's limits: against PyTorch (`golden/annealing.py`), against finite
//! differences, and against the VAE that a VSC with open gates is.

use domain::config::{Activation, BetaVaeSpec, BetaVscSpec, Encode, Gate};
use domain::{Config, ModelSpec, Schedule};
use models::{BatchGradients, Engine, TrainOptions, TrainState, Trainer, TrainingData};
use serde_json::Value;

use crate::common::{Matrix, annealed_vae, annealed_vsc, beta_vae, beta_vsc, config, narrow, train};

const CELLS: u32 = 60;

fn dense() -> TrainOptions {
    TrainOptions { engine: Engine::Dense, isa: None }
}

fn all_rows() -> Vec<u32> {
    (0..CELLS).collect()
}

fn named<'g>(gradients: &'g BatchGradients, name: &str) -> &'g [f32] {
    &gradients.tensors.iter().find(|(tensor, _)| tensor == name).unwrap().1
}

/// Largest difference relative to the largest value.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    found.iter().zip(expected).fold(0.0_f32, |largest, (f, e)| largest.max((f - e).abs())) / scale
}

#[test]
fn with_open_gates_and_alpha_1_the_vsc_is_the_vae() {
    let matrix = Matrix::three_kinds(CELLS as usize, 50);
    let data = TrainingData::new(matrix.view()).unwrap();
    let net = narrow(Activation::None);
    let vae = config(beta_vae(net.clone(), Encode::Mean), 2, CELLS);
    // The margin that keeps log(1 − γ) finite bounds how close to 1 both can be; so steep a gate is a step.
    let open = BetaVscSpec { alpha: 1.0 - 1e-6, c: 1e9, ..BetaVscSpec::new(net) };
    let vsc = config(ModelSpec::BetaVsc(open), 2, CELLS);
    for engine in [Engine::Sparse, Engine::Dense] {
        let options = TrainOptions { engine, isa: None };
        let mut vae = Trainer::new(&vae, 4, &data, &options).unwrap();
        let mut vsc = Trainer::new(&vsc, 4, &data, &options).unwrap();
        let mut state = vsc.state().unwrap();
        for tensor in state.tensors.iter_mut().filter(|tensor| tensor.name.starts_with("spike.1")) {
            tensor.weight.fill(if tensor.name.ends_with("bias") { 1.0 } else { 0.0 });
        }
        vsc.restore(&state).unwrap();

        let (of_vae, of_vsc) = (vae.gradients(&all_rows()).unwrap(), vsc.gradients(&all_rows()).unwrap());
        assert!((of_vsc.sse / of_vae.sse - 1.0).abs() < 1e-6, "{} {}", of_vsc.sse, of_vae.sse);
        assert!((of_vsc.loss / of_vae.loss - 1.0).abs() < 1e-5, "{} {}", of_vsc.loss, of_vae.loss);
        assert!(of_vsc.kl_spike.abs() < 1e-4, "{}", of_vsc.kl_spike);
        for (name, expected) in &of_vae.tensors {
            let error = error(named(&of_vsc, name), expected);
            assert!(error < 1e-4, "{name}: {error}");
        }
        // The gates are pinned: nothing reaches their head.
        for (name, gradient) in of_vsc.tensors.iter().filter(|(name, _)| name.starts_with("spike")) {
            assert!(gradient.iter().all(|value| *value == 0.0), "{name}");
        }
        let trained = vsc.finish().unwrap();
        assert_eq!(trained.diagnostics.dead_gates, [0, 1, 2, 3]);
        assert_eq!(trained.diagnostics.mean_gate, [1.0; 4]);
        assert_eq!(
            (trained.diagnostics.zero_share, trained.diagnostics.hard_zero_share),
            (Some(0.0), Some(0.0))
        );
    }
}

#[test]
fn a_sigmoid_gate_is_never_dead_and_shut_gates_are_zeros() {
    let matrix = Matrix::three_kinds(CELLS as usize, 50);
    let data = TrainingData::new(matrix.view()).unwrap();
    for (gate, bias, dead, zeros) in
        [(Gate::Sigmoid, 3.0, 0, 0.0), (Gate::Sigmoid, -40.0, 0, 1.0), (Gate::ExpRelu, -90.0, 0, 1.0)]
    {
        let model = beta_vsc(narrow(Activation::None), gate, Encode::Mean);
        let mut vsc = Trainer::new(&config(model, 1, CELLS), 4, &data, &dense()).unwrap();
        let mut state = vsc.state().unwrap();
        let bias_of = |state: &mut TrainState| {
            state.tensors.iter_mut().find(|tensor| tensor.name == "spike.1.bias").unwrap().weight.fill(bias);
        };
        bias_of(&mut state);
        vsc.restore(&state).unwrap();
        let diagnostics = vsc.finish().unwrap().diagnostics;
        assert_eq!(diagnostics.dead_gates.len(), dead, "{gate:?} {bias}");
        assert_eq!(diagnostics.zero_share, Some(zeros), "{gate:?} {bias}");
        assert!((diagnostics.hard_zero_share.unwrap() - zeros).abs() < 0.2, "{gate:?} {bias}");
    }
}

#[test]
fn kl_below_the_free_bits_costs_their_sum_and_has_no_gradient() {
    let matrix = Matrix::three_kinds(CELLS as usize, 50);
    let data = TrainingData::new(matrix.view()).unwrap();
    let net = narrow(Activation::None);
    let vae = |beta, free_bits| {
        let spec = BetaVaeSpec { beta, free_bits, ..BetaVaeSpec::new(net.clone()) };
        let config = config(ModelSpec::BetaVae(spec), 1, CELLS);
        Trainer::new(&config, 4, &data, &dense()).unwrap().gradients(&all_rows()).unwrap()
    };
    let (free, unweighted) = (vae(3.0, 10.0), vae(0.0, 0.0));
    assert_eq!((free.sse, free.kl), (unweighted.sse, unweighted.kl));
    // 4 dimensions of 10 nat for each cell
    assert_eq!(free.loss - free.sse, 3.0 * 4.0 * 10.0 * f64::from(CELLS));
    for (name, gradient) in &free.tensors {
        assert_eq!(error(gradient, named(&unweighted, name)), 0.0, "{name}");
    }
    // A bound that every dimension exceeds changes nothing.
    let (bound, plain) = (vae(3.0, 1e-9), vae(3.0, 0.0));
    assert!((bound.loss / plain.loss - 1.0).abs() < 1e-6);
    for (name, gradient) in &bound.tensors {
        assert!(error(gradient, named(&plain, name)) < 1e-5, "{name}");
    }
}

#[test]
fn schedules_stand_where_the_steps_stand() {
    let matrix = Matrix::three_kinds(CELLS as usize, 50);
    let data = TrainingData::new(matrix.view()).unwrap();
    // 10 epochs of 3 steps: β grows over 15 steps, λ over 12.
    let spec = BetaVscSpec {
        beta_schedule: Schedule::Warmup { warmup: 0.5 },
        lambda_schedule: Schedule::Warmup { warmup: 0.4 },
        ..BetaVscSpec::new(narrow(Activation::None))
    };
    let config = config(ModelSpec::BetaVsc(spec), 10, 20);
    let mut trainer = Trainer::new(&config, 4, &data, &TrainOptions::default()).unwrap();
    let rows: Vec<u32> = (0..20).collect();
    for epoch in 0..=5 {
        let found = trainer.gradients(&rows).unwrap();
        let beta = 2.0 * f64::from(3 * epoch) / 15.0;
        assert!((found.loss - (found.sse + beta * found.kl)).abs() < 1e-9 * found.loss, "epoch {epoch}");
        // At λ = 0 the slab is the prior's.
        assert_eq!((found.kl - found.kl_spike).abs() < 1e-4, epoch == 0, "epoch {epoch}");
        trainer.run_epoch().unwrap();
    }
}

/// Directional derivatives of the loss along each tensor's gradient, by central differences, within 1 % (and what the
/// rounding of a loss of some 3,000 in f32 makes of a difference).
#[test]
fn gradients_are_those_of_the_loss() {
    let matrix = Matrix::three_kinds(CELLS as usize, 50);
    let data = TrainingData::new(matrix.view()).unwrap();
    let models = [
        ("vae", annealed_vae()),
        ("vsc", annealed_vsc(Gate::Sigmoid)),
        ("vsc exp-relu", annealed_vsc(Gate::ExpRelu)),
    ];
    for (name, model) in models {
        // In the middle of every schedule.
        let mut trainer = Trainer::new(&config(model, 16, CELLS), 4, &data, &dense()).unwrap();
        for _ in 0..4 {
            trainer.run_epoch().unwrap();
        }
        let state = trainer.state().unwrap();
        let gradients = trainer.gradients(&all_rows()).unwrap();
        let largest = gradients.tensors.iter().map(|(_, gradient)| length(gradient)).fold(0.0, f64::max);
        let mut compared = 0;
        for (tensor, gradient) in &gradients.tensors {
            let expected = length(gradient);
            // A derivative that is small beside the loss drowns in its rounding.
            if expected < 2e-3 * largest {
                continue;
            }
            let mut loss_at = |step: f64| {
                let mut moved = state.clone();
                let weight =
                    &mut moved.tensors.iter_mut().find(|other| other.name == *tensor).unwrap().weight;
                for (weight, slope) in weight.iter_mut().zip(gradient) {
                    *weight += (step * f64::from(*slope) / expected) as f32;
                }
                trainer.restore(&moved).unwrap();
                trainer.gradients(&all_rows()).unwrap().loss
            };
            let step = 2e-3;
            let found = (loss_at(step) - loss_at(-step)) / (2.0 * step);
            let error = (found - expected).abs();
            assert!(error < 0.01 * expected + 0.05, "{name}: {tensor}: {found}, expected {expected}");
            compared += 1;
        }
        assert!(compared >= 8, "{name}: {compared} tensors");
    }
}

fn length(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// One step an epoch: each record is a step.
fn of_golden(golden: &Value, spec: &Value) -> Config {
    let read = |key: &str| serde_json::from_value::<ModelSpec>(spec[key].clone()).unwrap();
    let number = |key: &str| u32::try_from(golden[key].as_u64().unwrap()).unwrap();
    let mut config = config(read("config"), number("steps"), number("cells"));
    config.train.as_mut().unwrap().learning_rate = golden["learning_rate"].as_f64().unwrap();
    config
}

#[test]
fn five_steps_equal_pytorchs() {
    let golden: Value = serde_json::from_str(include_str!("../golden/annealing.json")).unwrap();
    let floats = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|item| item.as_f64().unwrap()).collect()
    };
    let values: Vec<f32> = floats(&golden["matrix"]).iter().map(|value| *value as f32).collect();
    let matrix = Matrix::from_dense(&values, golden["genes"].as_u64().unwrap() as usize);
    let models = golden["models"].as_object().unwrap();
    assert_eq!(models.len(), 4);
    for (name, expected) in models {
        let config = of_golden(&golden, expected);
        for engine in [Engine::Sparse, Engine::Dense] {
            let options = TrainOptions { engine, isa: None };
            let trained = train(&config, golden["seed"].as_u64().unwrap(), matrix.view(), &options).unwrap();
            assert_eq!(trained.epochs.len(), 5);
            for (step, record) in trained.epochs.iter().enumerate() {
                let found = [
                    ("loss", record.loss_per_cell),
                    ("sse", record.sse_per_cell),
                    ("kl", record.kl_per_cell),
                    ("kl_spike", record.kl_spike_per_cell.unwrap_or(0.0)),
                ];
                for (what, found) in found {
                    let expected = expected[what][step].as_f64().unwrap();
                    let error = (found - expected).abs();
                    assert!(
                        error <= 1e-4 * expected.abs() + 1e-5,
                        "{name}, {} engine, step {step}: {what} {found}, PyTorch {expected}",
                        engine.name()
                    );
                }
            }
        }
    }
}
