//! The sparse engine against the dense one: same weights, same batch, same numbers up to rounding.

use models::{BatchGradients, Engine, TrainOptions, Trainer, TrainingData};

use crate::common::{Matrix, config, every_model, train};

const BATCH: u32 = 64;

fn options(engine: Engine) -> TrainOptions {
    TrainOptions { engine, isa: None }
}

/// Largest difference of each tensor's gradients relative to its largest gradient, at most `limit`.
pub(crate) fn assert_gradients_agree(
    name: &str,
    sparse: &BatchGradients,
    dense: &BatchGradients,
    limit: f64,
) {
    assert!((sparse.sse / dense.sse - 1.0).abs() < limit, "{name}: SSE {} {}", sparse.sse, dense.sse);
    assert!((sparse.kl - dense.kl).abs() <= limit * dense.kl.abs(), "{name}: KL {} {}", sparse.kl, dense.kl);
    assert_eq!(sparse.tensors.len(), dense.tensors.len(), "{name}");
    for ((tensor, ours), (dense_tensor, theirs)) in sparse.tensors.iter().zip(&dense.tensors) {
        assert_eq!(tensor, dense_tensor, "{name}");
        assert_eq!(ours.len(), theirs.len(), "{name}: {tensor}");
        let scale = theirs.iter().fold(0.0_f64, |largest, value| largest.max(f64::from(value.abs())));
        let error = ours
            .iter()
            .zip(theirs)
            .fold(0.0_f64, |largest, (our, their)| largest.max((f64::from(*our) - f64::from(*their)).abs()));
        assert!(error <= limit * scale, "{name}: {tensor}: error {error:.3e}, largest gradient {scale:.3e}");
    }
}

#[test]
fn gradients_agree_within_1e_5() {
    for matrix in [Matrix::three_kinds(200, 300), Matrix::z_scores(200, 300)] {
        gradients_agree(&matrix);
    }
}

fn gradients_agree(matrix: &Matrix) {
    let data = TrainingData::new(matrix.view()).unwrap();
    let rows: Vec<u32> = (0..BATCH).map(|position| (position * 37) % 200).collect();
    for (name, model) in every_model() {
        let config = config(model, 1, BATCH);
        let gradients = |engine| {
            let mut trainer = Trainer::new(&config, 5, &data, &options(engine)).unwrap();
            trainer.gradients(&rows).unwrap()
        };
        assert_gradients_agree(name, &gradients(Engine::Sparse), &gradients(Engine::Dense), 1e-5);
    }
}

#[test]
fn losses_of_52_steps_agree_within_1e_4() {
    let matrix = Matrix::three_kinds(200, 300);
    for (name, model) in every_model() {
        let config = config(model, 13, BATCH);
        let losses = |engine| -> Vec<f64> {
            let trained = train(&config, 5, matrix.view(), &options(engine)).unwrap();
            trained.epochs.iter().map(|record| record.loss_per_cell).collect()
        };
        for (sparse, dense) in losses(Engine::Sparse).iter().zip(losses(Engine::Dense)) {
            assert!((sparse / dense - 1.0).abs() < 1e-4, "{name}: {sparse} {dense}");
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_losses_up_to_rounding() {
    use kernels::Isa;
    let matrix = Matrix::three_kinds(120, 150);
    for (name, model) in every_model() {
        let config = config(model, 5, BATCH);
        let run =
            |isa| train(&config, 5, matrix.view(), &TrainOptions { engine: Engine::Sparse, isa: Some(isa) });
        let portable = run(Isa::Portable).unwrap();
        assert_eq!(portable.isa, "portable");
        for isa in [Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_supported()) {
            for (one, other) in run(isa).unwrap().epochs.iter().zip(&portable.epochs) {
                assert!(
                    (one.loss_per_cell / other.loss_per_cell - 1.0).abs() < 1e-4,
                    "{name} {}",
                    isa.name()
                );
            }
        }
    }
}
