//! Our side of the training benchmarks: trials of one process, one thread each, sharing the matrix.

use anyhow::Context as _;
use domain::config::{Activation, AeSpec, BetaVaeSpec, BetaVscSpec, DcaSpec, LdvaeSpec, ScviSpec};
use domain::{Config, EvaluationSpec, ModelKind, ModelSpec, NetSpec, Preset, TrainSpec};
use models::{Control, TrainOptions, Trained, TrainingData};

/// The config of the peers' script: β 2, c 50, α 0.5, batch 256; models of counts with their papers' defaults.
#[must_use]
pub fn config(kind: ModelKind, preset: Preset, epochs: u32) -> Config {
    let net = NetSpec::of_preset(preset, kind, 6);
    let model = match kind {
        ModelKind::Pca => ModelSpec::Pca(domain::config::PcaSpec { latent_dim: 6 }),
        ModelKind::Ae => ModelSpec::Ae(AeSpec { net, latent_activation: Activation::None }),
        ModelKind::BetaVae => ModelSpec::BetaVae(BetaVaeSpec::new(net)),
        ModelKind::BetaVsc => ModelSpec::BetaVsc(BetaVscSpec::new(net)),
        ModelKind::Scvi => ModelSpec::Scvi(ScviSpec::default()),
        ModelKind::Ldvae => ModelSpec::Ldvae(LdvaeSpec::default()),
        ModelKind::Dca => ModelSpec::Dca(DcaSpec::default()),
    };
    Config {
        model,
        train: Some(TrainSpec { epochs, ..TrainSpec::of(kind) }),
        evaluation: EvaluationSpec::default(),
    }
}

/// Trains `count` trials (seeds 0, 1, …) at once, one thread each.
///
/// # Errors
/// When one of them fails.
pub fn train_at_once(
    config: &Config,
    data: &TrainingData<'_>,
    options: &TrainOptions,
    count: u64,
) -> anyhow::Result<Vec<Trained>> {
    at_once(count, |seed| Ok(models::train_on(config, seed, data, options, &mut |_| Control::Continue)?))
}

/// Runs `work` for 0..`count` at once, one thread each; the results in that order.
///
/// # Errors
/// When one of them fails.
pub fn at_once<T: Send>(
    count: u64,
    work: impl Fn(u64) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|seed| scope.spawn(move || work(seed))).collect();
        threads
            .into_iter()
            .map(|thread| {
                thread.join().map_err(|_| anyhow::anyhow!("a trial panicked"))?.context("a trial failed")
            })
            .collect()
    })
}

/// Median seconds of an epoch over trials that ran at once, divided by their number: seconds an epoch costs a trial.
#[must_use]
pub fn seconds_per_epoch_per_trial(trials: &[Trained]) -> f64 {
    let seconds: Vec<f64> =
        trials.iter().flat_map(|trained| trained.epochs.iter().map(|record| record.seconds)).collect();
    crate::median(&seconds) / trials.len() as f64
}
