//! Held-out cells and early stopping.

use domain::config::Activation;
use domain::{Config, EpochRecord, MetricName, TrainSpec};
use models::streams::Streams;
use models::{TrainOptions, Trained, Trainer, TrainingData};

use crate::common::{
    Matrix, ae, annealed_vsc, config, every_model, fingerprint, metric, narrow, stopping_early, train,
};

const CELLS: u32 = 90;
const GENES: usize = 40;
const SEED: u64 = 8;

fn holding_out(config: Config, validation_fraction: f64) -> Config {
    let train = config.train.map(|train| TrainSpec { validation_fraction, ..train });
    Config { train, ..config }
}

fn dense_values() -> Vec<f32> {
    let mut stream = Streams::new(99).open("held out", 0);
    let levels: Vec<f32> = (0..3 * GENES).map(|_| 3.0 * stream.unit()).collect();
    let mut values = Vec::new();
    for cell in 0..CELLS as usize {
        for gene in 0..GENES {
            let level = levels[(cell % 3) * GENES + gene] + 0.5 * stream.unit();
            values.push(if stream.unit() < 0.4 { level } else { 0.0 });
        }
    }
    values
}

fn run(config: &Config, values: &[f32]) -> Trained {
    let matrix = Matrix::from_dense(values, GENES);
    train(config, SEED, matrix.view(), &TrainOptions::default()).unwrap()
}

fn training_losses(trained: &Trained) -> Vec<(f64, f64)> {
    trained.epochs.iter().map(|record| (record.loss_per_cell, record.kl_per_cell)).collect()
}

#[test]
fn held_out_cells_follow_from_the_seed_and_teach_nothing() {
    let held_out = &Streams::new(SEED).open("validation split", 0).permutation(CELLS)[..18];
    let values = dense_values();
    let mut changed = values.clone();
    // Other values at the same places: which genes are dense decides the order of sums.
    for cell in held_out {
        changed[*cell as usize * GENES..][..GENES].iter_mut().for_each(|value| *value *= 1.5);
    }
    for (name, model) in every_model() {
        let config = holding_out(config(model, 4, 32), 0.2);
        let (trained, on_changed) = (run(&config, &values), run(&config, &changed));
        assert_eq!(training_losses(&trained), training_losses(&on_changed), "{name}");
        let last = |trained: &Trained| trained.epochs[3].validation_loss_per_cell.unwrap();
        assert_ne!(last(&trained), last(&on_changed), "{name}");
    }
}

#[test]
fn metrics_say_that_they_are_of_held_out_cells() {
    let values = dense_values();
    for (name, model) in every_model() {
        let plain = run(&config(model.clone(), 3, 32), &values);
        let split = run(&holding_out(config(model.clone(), 3, 32), 0.2), &values);
        use MetricName::*;
        for (kinds, with, without) in [
            ([SsePerCell, SsePerEntry].as_slice(), &plain, &split),
            ([ValidationSsePerCell, ValidationSsePerEntry, ValidationLossPerCell].as_slice(), &split, &plain),
        ] {
            for kind in kinds {
                assert!(metric(with, *kind).is_some(), "{name}: {kind}");
                assert_eq!(metric(without, *kind), None, "{name}: {kind}");
            }
        }
        // After training the held-out cells are what they were after the last epoch.
        let last = split.epochs[2];
        assert_eq!(metric(&split, ValidationSsePerCell), last.validation_sse_per_cell, "{name}");
        assert_eq!(metric(&split, ValidationLossPerCell), last.validation_loss_per_cell, "{name}");
        assert!(plain.epochs.iter().all(|record| record.validation_sse_per_cell.is_none()), "{name}");
        // Every cell has a code, those held out too.
        assert_eq!(split.latent.len(), plain.latent.len(), "{name}");
        // SSE + β·KL at the full β, whatever the schedule says.
        let (sse, loss) = (last.validation_sse_per_cell.unwrap(), last.validation_loss_per_cell.unwrap());
        assert_eq!(loss > sse, model.beta().is_some(), "{name}: {loss} {sse}");
    }
}

fn lowest(epochs: &[EpochRecord]) -> EpochRecord {
    let loss = |record: &EpochRecord| record.validation_loss_per_cell.unwrap();
    *epochs.iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap()
}

#[test]
fn the_best_epochs_weights_are_the_trials() {
    let values = dense_values();
    let mut stopped_early = 0;
    for (name, model) in every_model() {
        let mut config = stopping_early(config(model.clone(), 300, 16), 0.3, 4);
        config.train.as_mut().unwrap().learning_rate = 0.01;
        let trained = run(&config, &values);
        let best = lowest(&trained.epochs);
        assert_eq!(metric(&trained, MetricName::BestEpoch), Some(f64::from(best.epoch)), "{name}");
        assert_eq!(
            metric(&trained, MetricName::ValidationLossPerCell),
            best.validation_loss_per_cell,
            "{name}"
        );
        assert_eq!(
            metric(&trained, MetricName::ValidationSsePerCell),
            best.validation_sse_per_cell,
            "{name}"
        );
        let epochs = trained.epochs.len() as u32;
        if epochs < 300 {
            stopped_early += 1;
            // Not counted: the warm-up, which is the longest of the model's.
            let warm_up = (model.warmup_share() * 300.0).ceil() as u32;
            assert_eq!(epochs, best.epoch.max(warm_up) + 4, "{name}");
        }
        if model.schedules().iter().all(|(_, schedule)| schedule.is_constant()) {
            // The same trial, told from the start to end there.
            let mut short = config.clone();
            let train = short.train.as_mut().unwrap();
            (train.epochs, train.patience) = (best.epoch, None);
            assert_eq!(run(&short, &values).latent, trained.latent, "{name}");
        }
    }
    assert!(stopped_early >= 3, "{stopped_early} models stopped early");
}

#[test]
fn a_difference_below_min_delta_is_no_improvement() {
    let values = dense_values();
    let mut config = stopping_early(config(ae(narrow(Activation::None)), 50, 32), 0.2, 5);
    config.train.as_mut().unwrap().min_delta = 1e6;
    let trained = run(&config, &values);
    assert_eq!(trained.epochs.len(), 6);
    assert_eq!(metric(&trained, MetricName::BestEpoch), Some(1.0));
}

#[test]
fn watching_changes_nothing_but_the_end() {
    let values = dense_values();
    for (name, model) in every_model() {
        let watched = stopping_early(config(model.clone(), 6, 32), 0.2, 100);
        let unwatched = holding_out(config(model, 6, 32), 0.2);
        let (watched, unwatched) = (run(&watched, &values), run(&unwatched, &values));
        assert_eq!(training_losses(&watched), training_losses(&unwatched), "{name}");
        if lowest(&watched.epochs).epoch == 6 {
            assert_eq!(fingerprint(&watched), fingerprint(&unwatched), "{name}");
        }
    }
}

#[test]
fn a_trial_that_was_stopped_stays_stopped_when_it_goes_on() {
    let matrix = Matrix::from_dense(&dense_values(), GENES);
    let data = TrainingData::new(matrix.view()).unwrap();
    let mut config = stopping_early(config(annealed_vsc(domain::config::Gate::Sigmoid), 40, 16), 0.3, 2);
    config.train.as_mut().unwrap().min_delta = 1e9;
    let mut trainer = Trainer::new(&config, SEED, &data, &TrainOptions::default()).unwrap();
    while trainer.run_epoch().unwrap().is_some() {}
    let state = trainer.state().unwrap();
    // Warm-up over the whole run (c): only the last epochs could end it.
    assert_eq!(state.records.len(), 40);
    let mut resumed = Trainer::new(&config, SEED, &data, &TrainOptions::default()).unwrap();
    resumed.restore(&state).unwrap();
    assert_eq!(resumed.run_epoch().unwrap(), None);
    assert_eq!(fingerprint(&resumed.finish().unwrap()), fingerprint(&trainer.finish().unwrap()));
}
