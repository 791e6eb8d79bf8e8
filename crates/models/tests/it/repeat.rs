//! A trial gives the same bits: again, beside others, in another process, and after an interruption.

use std::process::Command;

use domain::Config;
use models::{Engine, TrainOptions, Trained, Trainer, TrainingData};

use crate::common::{Matrix, config, every_model, fingerprint, pca, stopping_early, train};

const SEED: u64 = 17;

fn every_config() -> Vec<(&'static str, Config)> {
    let nets = every_model().into_iter().map(|(name, model)| (name, config(model, 3, 48)));
    let (_, model) = every_model().remove(3);
    let watched = stopping_early(config(model, 3, 48), 0.2, 2);
    nets.chain([("watched", watched), ("pca", pca(4))]).collect()
}

fn matrix() -> Matrix {
    Matrix::three_kinds(130, 90)
}

fn all_fingerprints() -> Vec<String> {
    let matrix = matrix();
    let engines = [Engine::Sparse, Engine::Dense];
    let run = |(_, config): (&str, Config)| {
        engines.map(|engine| {
            let trained = train(&config, SEED, matrix.view(), &TrainOptions { engine, isa: None }).unwrap();
            fingerprint(&trained)
        })
    };
    let (counts, configs) = crate::counts::repeated();
    let of_counts = |(_, config): (&str, Config)| {
        fingerprint(&train(&config, SEED, counts.view(), &TrainOptions::default()).unwrap())
    };
    every_config().into_iter().flat_map(run).chain(configs.into_iter().map(of_counts)).collect()
}

#[test]
fn trials_side_by_side_equal_trials_alone() {
    let alone = all_fingerprints();
    let beside: Vec<Vec<String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(all_fingerprints)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    beside.iter().for_each(|fingerprints| assert_eq!(*fingerprints, alone));
}

/// Prints the fingerprints when [`fresh_processes_agree_whatever_their_pools`] starts this binary again.
#[test]
fn child_prints_its_fingerprints() {
    if std::env::var_os(CHILD).is_some() {
        all_fingerprints().iter().for_each(|line| println!("{MARK}{line}"));
    }
}

const CHILD: &str = "MODELS_TEST_CHILD";
const MARK: &str = "fingerprint: ";

#[test]
fn fresh_processes_agree_whatever_their_pools() {
    let run = |threads: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "repeat::child_prints_its_fingerprints", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .env("RAYON_NUM_THREADS", threads)
            .env("CANDLE_NUM_THREADS", threads)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .filter_map(|line| line.split_once(MARK).map(|(_, fingerprint)| fingerprint.to_owned()))
            .collect::<Vec<_>>()
    };
    let expected = all_fingerprints();
    assert_eq!(run("1"), expected);
    assert_eq!(run("3"), expected);
}

#[test]
fn other_seeds_give_other_codes() {
    let matrix = matrix();
    let (_, config) = every_config().remove(0);
    let codes = |seed| train(&config, seed, matrix.view(), &TrainOptions::default()).unwrap().latent;
    assert_ne!(codes(1), codes(2));
}

#[test]
fn an_interrupted_trial_ends_as_an_undisturbed_one() {
    let matrix = matrix();
    let data = TrainingData::new(matrix.view()).unwrap();
    for engine in [Engine::Sparse, Engine::Dense] {
        let options = TrainOptions { engine, isa: None };
        let plain = every_model().into_iter().map(|(name, model)| (name, config(model, 5, 48)));
        // So fast that the best epoch comes before the interruption or after it, by the model.
        let watched = every_model().into_iter().map(|(name, model)| {
            let mut config = stopping_early(config(model, 9, 16), 0.3, 3);
            config.train.as_mut().unwrap().learning_rate = 0.03;
            (name, config)
        });
        for (name, config) in plain.chain(watched) {
            let finish = |mut trainer: Trainer<'_>| -> Trained {
                while trainer.run_epoch().unwrap().is_some() {}
                trainer.finish().unwrap()
            };
            let undisturbed = finish(Trainer::new(&config, SEED, &data, &options).unwrap());

            let mut interrupted = Trainer::new(&config, SEED, &data, &options).unwrap();
            interrupted.run_epoch().unwrap();
            interrupted.run_epoch().unwrap();
            let state = interrupted.state().unwrap();
            drop(interrupted);
            // A checkpoint is written and read.
            let text = serde_json::to_string(&state).unwrap();
            let state: models::TrainState = serde_json::from_str(&text).unwrap();

            let mut resumed = Trainer::new(&config, SEED, &data, &options).unwrap();
            resumed.restore(&state).unwrap();
            assert_eq!(fingerprint(&finish(resumed)), fingerprint(&undisturbed), "{name} {}", engine.name());
        }
    }
}

/// Running statistics and dropout included.
#[test]
fn an_interrupted_trial_of_counts_ends_as_an_undisturbed_one() {
    let (counts, configs) = crate::counts::repeated();
    let data = TrainingData::new(counts.view()).unwrap();
    for (name, config) in configs {
        let fresh = || Trainer::new(&config, SEED, &data, &TrainOptions::default()).unwrap();
        let finish = |mut trainer: Trainer<'_>| -> Trained {
            while trainer.run_epoch().unwrap().is_some() {}
            trainer.finish().unwrap()
        };
        let undisturbed = finish(fresh());

        let mut interrupted = fresh();
        interrupted.run_epoch().unwrap();
        let state = interrupted.state().unwrap();
        drop(interrupted);
        let mut resumed = fresh();
        resumed.restore(&state).unwrap();
        assert_eq!(fingerprint(&finish(resumed)), fingerprint(&undisturbed), "{name}");

        // Without its running statistics a checkpoint is none.
        let mut short = state;
        short.tensors.retain(|tensor| !tensor.name.ends_with("running_variance"));
        let refused = fresh().restore(&short);
        assert!(matches!(refused, Err(models::TrainError::BadCheckpoint { .. })), "{name}: {refused:?}");
    }
}

#[test]
fn a_trial_that_exploded_stays_diverged_after_an_interruption() {
    let matrix = Matrix::three_kinds(100, 60);
    let data = TrainingData::new(matrix.view()).unwrap();
    let (_, model) = every_model().remove(0);
    // One step an epoch; see `ends::a_loss_that_explodes_is_a_result_with_its_curve`.
    let mut config = config(model, 50, 100);
    config.train.as_mut().unwrap().learning_rate = 3.0;
    let options = TrainOptions::default();
    let mut exploding = Trainer::new(&config, 1, &data, &options).unwrap();
    while exploding.run_epoch().unwrap().is_some() {}
    let state = exploding.state().unwrap();
    assert!(state.records.len() < 50);
    let mut resumed = Trainer::new(&config, 1, &data, &options).unwrap();
    resumed.restore(&state).unwrap();
    assert_eq!(resumed.run_epoch().unwrap(), None);
    assert_eq!(fingerprint(&resumed.finish().unwrap()), fingerprint(&exploding.finish().unwrap()));
}

#[test]
fn a_checkpoint_of_another_trial_is_refused() {
    let matrix = matrix();
    let data = TrainingData::new(matrix.view()).unwrap();
    let options = TrainOptions::default();
    let models = every_model();
    let state_of = |position: usize| {
        let (_, model) = &models[position];
        let mut trainer = Trainer::new(&config(model.clone(), 3, 48), SEED, &data, &options).unwrap();
        trainer.run_epoch().unwrap();
        trainer.state().unwrap()
    };
    let (_, model) = &models[0];
    let mut trainer = Trainer::new(&config(model.clone(), 3, 48), SEED, &data, &options).unwrap();
    for other in [1, 2, 3] {
        let refused = trainer.restore(&state_of(other));
        assert!(matches!(refused, Err(models::TrainError::BadCheckpoint { .. })), "{refused:?}");
    }
    let mut wrong_steps = state_of(0);
    wrong_steps.steps += 1;
    assert!(trainer.restore(&wrong_steps).is_err());
    let (_, model) = &models[0];
    let watched_config = stopping_early(config(model.clone(), 3, 48), 0.2, 2);
    let mut watched = Trainer::new(&watched_config, SEED, &data, &options).unwrap();
    watched.run_epoch().unwrap();
    let mut kept_is_another = watched.state().unwrap();
    kept_is_another.kept.as_mut().unwrap().weights.pop();
    assert!(watched.restore(&kept_is_another).is_err());
    let mut nothing_kept = watched.state().unwrap();
    nothing_kept.kept = None;
    assert!(watched.restore(&nothing_kept).is_err());
    assert!(watched.restore(&watched.state().unwrap()).is_ok());
    assert!(trainer.restore(&state_of(0)).is_ok());
}
