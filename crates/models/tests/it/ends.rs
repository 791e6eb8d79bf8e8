//! How a trial ends: done, diverged, stopped, refused.

use domain::config::{Activation, Encode, Gate};
use domain::{Config, MetricName, ModelSpec, OutcomeStatus, Schedule};
use models::{Control, Engine, TrainError, TrainOptions};

use crate::common::{Matrix, ae, beta_vae, beta_vsc, config, every_model, metric, narrow, pca, train};

#[test]
fn a_done_trial_has_every_number_it_promises() {
    let matrix = Matrix::three_kinds(100, 60);
    for (name, model) in every_model() {
        let has_kl = model.beta().is_some();
        let trained = train(&config(model, 4, 32), 1, matrix.view(), &TrainOptions::default()).unwrap();
        assert_eq!(trained.status, OutcomeStatus::Done, "{name}");
        assert_eq!(
            trained.epochs.iter().map(|record| record.epoch).collect::<Vec<_>>(),
            [1, 2, 3, 4],
            "{name}"
        );
        assert_eq!((trained.latent.len(), trained.latent_dim), (100 * 4, 4), "{name}");
        assert!(trained.metrics.iter().all(|metric| metric.value.is_finite()), "{name}");
        assert!(trained.metrics.is_sorted_by_key(|metric| metric.name), "{name}");
        use MetricName::*;
        let always = [
            TrainSsePerCell,
            TrainSsePerEntry,
            SsePerCell,
            SsePerEntry,
            BestEpoch,
            Epochs,
            Parameters,
            ActiveUnits,
            TrainSeconds,
            SecondsPerEpoch,
        ];
        for promised in always {
            assert!(metric(&trained, promised).is_some(), "{name}: {promised}");
        }
        assert_eq!(metric(&trained, KlPerCell).is_some(), has_kl, "{name}");
        assert_eq!(trained.diagnostics.kl_per_dim.len(), if has_kl { 4 } else { 0 }, "{name}");
        assert_eq!(trained.diagnostics.code_variance.len(), 4, "{name}");
    }
}

#[test]
fn training_learns() {
    let matrix = Matrix::three_kinds(300, 100);
    for (name, model) in every_model() {
        let trained = train(&config(model, 60, 32), 1, matrix.view(), &TrainOptions::default()).unwrap();
        let (first, last) = (trained.epochs[0].sse_per_cell, trained.epochs[59].sse_per_cell);
        assert!(last < 0.7 * first, "{name}: {first} {last}");
    }
}

#[test]
fn parameters_are_counted() {
    let matrix = Matrix::three_kinds(20, 60);
    let trained =
        train(&config(ae(narrow(Activation::None)), 1, 32), 1, matrix.view(), &TrainOptions::default());
    // 60→24→12→8→4→6→12→20→60, weights and biases
    let expected = 60 * 24
        + 24
        + 24 * 12
        + 12
        + 12 * 8
        + 8
        + 8 * 4
        + 4
        + 4 * 6
        + 6
        + 6 * 12
        + 12
        + 12 * 20
        + 20
        + 20 * 60
        + 60;
    assert_eq!(metric(&trained.unwrap(), MetricName::Parameters), Some(f64::from(expected)));
}

#[test]
fn a_loss_that_is_not_finite_is_a_result() {
    let matrix = Matrix::three_kinds(100, 60);
    for engine in [Engine::Sparse, Engine::Dense] {
        for (name, model) in every_model() {
            let mut config = config(model, 5, 32);
            config.train.as_mut().unwrap().learning_rate = 1e30;
            let trained = train(&config, 1, matrix.view(), &TrainOptions { engine, isa: None }).unwrap();
            assert_eq!(trained.status, OutcomeStatus::Diverged, "{name}");
            assert!(trained.epochs.len() < 5, "{name}");
            assert!(trained.epochs.iter().all(|record| record.loss_per_cell.is_finite()), "{name}");
            assert!(trained.metrics.iter().all(|metric| metric.value.is_finite()), "{name}");
            assert_eq!(metric(&trained, MetricName::SsePerCell), None, "{name}");
            assert!(trained.latent.is_empty(), "{name}");
        }
    }
}

#[test]
fn a_loss_that_explodes_is_a_result_with_its_curve() {
    let matrix = Matrix::three_kinds(100, 60);
    // One step an epoch: the first epoch's loss is that of the initial weights, the second follows one wild step.
    let mut config = config(ae(narrow(Activation::None)), 50, 100);
    config.train.as_mut().unwrap().learning_rate = 3.0;
    let trained = train(&config, 1, matrix.view(), &TrainOptions::default()).unwrap();
    assert_eq!(trained.status, OutcomeStatus::Diverged);
    let (first, last) = (&trained.epochs[0], trained.epochs.last().unwrap());
    assert!(last.loss_per_cell > 1e6 * first.loss_per_cell && last.loss_per_cell.is_finite(), "{trained:?}");
    assert!(trained.epochs.len() < 50);
}

#[test]
fn the_caller_can_stop_after_any_epoch() {
    let matrix = Matrix::three_kinds(50, 30);
    let config = config(ae(narrow(Activation::None)), 10, 32);
    let mut seen = Vec::new();
    let result = models::train(&config, 1, matrix.view(), &TrainOptions::default(), &mut |report| {
        seen.push((report.record.epoch, report.epochs));
        if report.record.epoch == 3 { Control::Stop } else { Control::Continue }
    });
    assert!(matches!(result, Err(TrainError::Stopped { epoch: 3 })));
    assert_eq!(seen, [(1, 10), (2, 10), (3, 10)]);
}

#[test]
fn a_batch_may_be_larger_than_the_data() {
    let matrix = Matrix::three_kinds(7, 30);
    let options = TrainOptions::default();
    let large = train(&config(ae(narrow(Activation::None)), 2, 1000), 1, matrix.view(), &options).unwrap();
    let fitting = train(&config(ae(narrow(Activation::None)), 2, 7), 1, matrix.view(), &options).unwrap();
    assert_eq!(large.latent, fitting.latent);
}

#[test]
fn what_cannot_be_trained_is_refused_by_field() {
    let matrix = Matrix::three_kinds(5, 30);
    let refuse =
        |config: Config, expected: &str| match train(&config, 1, matrix.view(), &TrainOptions::default()) {
            Err(TrainError::BadConfig { field, .. }) => assert_eq!(field, expected),
            other => panic!("{expected}: {other:?}"),
        };
    let good = config(ae(narrow(Activation::None)), 1, 8);
    let change = |change: &dyn Fn(&mut Config)| {
        let mut config = good.clone();
        change(&mut config);
        config
    };
    refuse(pca(6), "latent_dim");
    refuse(pca(0), "latent_dim");
    refuse(change(&|config| config.train = None), "train");
    refuse(change(&|config| config.train.as_mut().unwrap().batch_size = 0), "batch_size");
    refuse(change(&|config| config.train.as_mut().unwrap().epochs = 0), "epochs");
    refuse(change(&|config| config.train.as_mut().unwrap().learning_rate = f64::NAN), "learning_rate");
    let net = |change: &dyn Fn(&mut domain::NetSpec)| {
        let mut net = narrow(Activation::None);
        change(&mut net);
        config(ae(net), 1, 8)
    };
    refuse(net(&|net| net.encoder.clear()), "encoder");
    refuse(net(&|net| net.decoder = vec![4, 0]), "decoder");
    refuse(net(&|net| net.branch = vec![0]), "branch");
    refuse(net(&|net| net.latent_dim = 0), "latent_dim");
    refuse(config(beta_vae(narrow(Activation::None), Encode::Thresholded), 1, 8), "encode");
    let vsc = |change: &dyn Fn(&mut domain::config::BetaVscSpec)| {
        let ModelSpec::BetaVsc(mut spec) = beta_vsc(narrow(Activation::None), Gate::ExpRelu, Encode::Mean)
        else {
            unreachable!("it is a beta-vsc");
        };
        change(&mut spec);
        config(ModelSpec::BetaVsc(spec), 1, 8)
    };
    refuse(vsc(&|spec| spec.alpha = 1.0), "alpha");
    refuse(vsc(&|spec| spec.c = 0.0), "c");
    refuse(vsc(&|spec| spec.beta = -1.0), "beta");
    refuse(vsc(&|spec| spec.c_start = Some(0.0)), "c_start");
    refuse(vsc(&|spec| spec.free_bits = f64::INFINITY), "free_bits");
    refuse(vsc(&|spec| spec.beta_schedule = Schedule::Warmup { warmup: 0.0 }), "beta_schedule");
    refuse(vsc(&|spec| spec.lambda_schedule = Schedule::Cycles { cycles: 9, ramp: 0.5 }), "lambda_schedule");
    let training = |change: &dyn Fn(&mut domain::TrainSpec)| {
        let mut config = good.clone();
        change(config.train.as_mut().unwrap());
        config
    };
    refuse(training(&|train| train.validation_fraction = 1.0), "validation_fraction");
    refuse(training(&|train| train.validation_fraction = 0.99), "validation_fraction");
    refuse(training(&|train| train.patience = Some(3)), "patience");
    refuse(training(&|train| (train.validation_fraction, train.patience) = (0.5, Some(0))), "patience");
    refuse(training(&|train| train.min_delta = f64::NAN), "min_delta");
}

#[test]
fn a_matrix_without_cells_or_with_broken_indices_is_refused() {
    let config = config(ae(narrow(Activation::None)), 1, 8);
    let empty = Matrix::from_dense(&[], 30);
    let refused = train(&config, 1, empty.view(), &TrainOptions::default());
    assert!(matches!(refused, Err(TrainError::BadData { .. })), "{refused:?}");
    for model in [config, pca(1)] {
        let broken = cells::CsrView { n_rows: 1, n_cols: 2, indptr: &[0, 1], indices: &[7], values: &[1.0] };
        let refused = train(&model, 1, broken, &TrainOptions::default());
        assert!(matches!(refused, Err(TrainError::Kernels(_))), "{refused:?}");
    }
}

#[test]
fn encodings_are_what_their_names_say() {
    let matrix = Matrix::three_kinds(150, 60);
    let run = |model: ModelSpec, batch| {
        let trained = train(&config(model, 20, batch), 3, matrix.view(), &TrainOptions::default()).unwrap();
        (trained.latent.clone(), trained)
    };
    let vsc = |encode| run(beta_vsc(narrow(Activation::None), Gate::Sigmoid, encode), 32);
    let (mean, trained) = vsc(Encode::Mean);
    let (mu, _) = vsc(Encode::Mu);
    let (thresholded, _) = vsc(Encode::Thresholded);
    let (sample, _) = vsc(Encode::Sample);
    for position in 0..mean.len() {
        assert!(mean[position].abs() <= mu[position].abs() * 1.000_001, "γ is at most 1");
        assert!(thresholded[position] == 0.0 || thresholded[position] == mu[position]);
    }
    let share_of_zeros =
        |codes: &[f32]| Some(codes.iter().filter(|value| **value == 0.0).count() as f64 / codes.len() as f64);
    let diagnostics = &trained.diagnostics;
    assert_eq!(diagnostics.zero_share, share_of_zeros(&thresholded));
    // The hard gates of the statistics are those of the sample.
    assert_eq!(diagnostics.hard_zero_share, share_of_zeros(&sample));
    let mean_gate = diagnostics.mean_gate.iter().sum::<f64>() / 4.0;
    let error = (mean_gate * (1.0 - mean_gate) / 600.0).sqrt();
    let expected = 1.0 - mean_gate;
    assert!((diagnostics.hard_zero_share.unwrap() - expected).abs() < 4.0 * error, "{diagnostics:?}");
    assert_eq!((diagnostics.mean_gate.len(), diagnostics.kl_spike_per_dim.len()), (4, 4));
    assert!(diagnostics.kl_spike_per_dim.iter().zip(&diagnostics.kl_per_dim).all(|(spike, kl)| spike <= kl));
    assert_ne!(sample, mean);

    let (mean, _) = run(beta_vae(narrow(Activation::None), Encode::Mean), 32);
    let (sample, _) = run(beta_vae(narrow(Activation::None), Encode::Sample), 32);
    assert_ne!(sample, mean);
}
