//! A trial gives the same bits: again, beside others, in another process, and after an interruption.

use std::process::Command;

use domain::Config;
use models::{Engine, TrainOptions, Trained, Trainer, TrainingData};

use crate::common::{Matrix, config, every_model, fingerprint, pca, train};

const SEED: u64 = 17;

fn every_config() -> Vec<(&'static str, Config)> {
    let nets = every_model().into_iter().map(|(name, model)| (name, config(model, 3, 48)));
    nets.chain([("pca", pca(4))]).collect()
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
    every_config().into_iter().flat_map(run).collect()
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
        for (name, model) in every_model() {
            let config = config(model, 5, 48);
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

            let mut resumed = Trainer::new(&config, SEED, &data, &options).unwrap();
            resumed.restore(&state).unwrap();
            assert_eq!(fingerprint(&finish(resumed)), fingerprint(&undisturbed), "{name} {}", engine.name());
        }
    }
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
    assert!(trainer.restore(&state_of(0)).is_ok());
}
