//! The real trainer: trains with `models`, scores with `eval`, and makes an outcome of both. Runs on the calling thread
//! and knows nothing of coordinators.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use cells::Dataset;
use domain::ids::ArtifactHash;
use domain::outcome::{ArtifactKind, ArtifactRef, Environment};
use domain::{FailureKind, Fingerprint, Metric, MetricName, ModelSpec, Outcome, OutcomeStatus, Trial};
use eval::{Brake, Conduct, EvalError, Evaluation, EvaluationInput};
use models::{Control, Engine, EpochReport, Isa, TrainError, TrainOptions, Trained, TrainingData};
use prost::bytes::Bytes;

use crate::checkpoint::{self, Identity};
use crate::clock::Stopwatch;
use crate::config::EngineChoice;
use crate::cores::Cores;
use crate::host;
use crate::runner::{
    Finished, GoOn, Hardware, Observer, RunEnd, Saved, TrialFailure, TrialRunner, in_table_order,
};
use crate::running::{Phase, Progress};

/// Trains on this machine's processor.
#[derive(Debug, Clone)]
pub struct Trainer {
    options: TrainOptions,
    isa: Isa,
    cores: Arc<Cores>,
}

impl Trainer {
    /// A trainer for `slots` trials at once, with this engine and the processor's best instruction set.
    ///
    /// # Errors
    /// Words for people when the environment asks for an instruction set that there is not.
    pub fn new(choice: EngineChoice, slots: NonZeroUsize) -> Result<Self, String> {
        let engine = match choice {
            EngineChoice::Sparse => Engine::Sparse,
            EngineChoice::Dense => Engine::Dense,
        };
        let isa = Isa::best().map_err(|error| error.to_string())?;
        Ok(Self::with(engine, isa, slots))
    }

    /// A trainer with this engine and this instruction set, which the processor has.
    pub(crate) fn with(engine: Engine, isa: Isa, slots: NonZeroUsize) -> Self {
        Self { options: TrainOptions { engine, isa: Some(isa) }, isa, cores: Arc::new(Cores::new(slots)) }
    }

    /// Trains; a run that was told to stop comes back as its end.
    fn train(
        &self,
        trial: &Trial,
        data: &Dataset,
        saved: Option<Saved>,
        observer: &mut dyn Observer,
    ) -> Result<Trained, RunEnd> {
        let failed = |error: TrainError| failure_of(&error);
        if matches!(trial.config.model, ModelSpec::Pca(_)) {
            // A few seconds without epochs: nothing to save.
            let mut on_epoch = |_: EpochReport<'_>| Control::Continue;
            let trained =
                models::train(&trial.config, trial.seed, data.matrix(), &self.options, &mut on_epoch);
            return trained.map_err(failed);
        }
        let prepared = TrainingData::new(data.matrix()).map_err(failed)?;
        let begin =
            || models::Trainer::new(&trial.config, trial.seed, &prepared, &self.options).map_err(failed);
        let mut trainer = begin()?;
        let epochs = trainer.epochs();
        if let Some(saved) = saved {
            let restored = self.restore(trial, &mut trainer, &saved);
            if restored.is_err() {
                // What was restored before the trouble was seen must not stay.
                trainer = begin()?;
            }
            let is_trained = restored.is_ok() && saved.epoch == epochs;
            observer.resumed(restored.map(|()| saved.epoch));
            if is_trained {
                let progress =
                    Progress { phase: Phase::Evaluate, epoch: epochs, epochs, loss_per_cell: None };
                match observer.progress(progress) {
                    GoOn::Yes | GoOn::Save => {}
                    GoOn::Pause => return Err(RunEnd::Stopped(Some(saved))),
                    GoOn::No => return Err(RunEnd::Stopped(None)),
                }
            }
        }
        while let Some(record) = trainer.run_epoch().map_err(failed)? {
            let loss_per_cell = Some(record.loss_per_cell).filter(|loss| loss.is_finite());
            let phase = if record.epoch == epochs { Phase::Evaluate } else { Phase::Train };
            let progress = Progress { phase, epoch: record.epoch, epochs, loss_per_cell };
            match observer.progress(progress) {
                GoOn::Yes => {}
                GoOn::Save => {
                    self.save(trial, &trainer, record.epoch).into_iter().for_each(|now| observer.keep(now))
                }
                GoOn::Pause => return Err(RunEnd::Stopped(self.save(trial, &trainer, record.epoch))),
                GoOn::No => return Err(RunEnd::Stopped(None)),
            }
        }
        trainer.finish().map_err(failed)
    }

    fn identity(&self, trial: &Trial) -> Identity {
        let (engine, isa) = (self.options.engine.name(), self.isa.name());
        Identity { trial: trial.id, rng_version: domain::RNG_VERSION, engine, isa }
    }

    fn restore(&self, trial: &Trial, trainer: &mut models::Trainer<'_>, saved: &Saved) -> Result<(), String> {
        let state =
            checkpoint::decode(&self.identity(trial), &saved.bytes).map_err(|error| error.to_string())?;
        if state.records.len() != saved.epoch as usize {
            return Err(format!(
                "it was said to be of epoch {}, it is of {}",
                saved.epoch,
                state.records.len()
            ));
        }
        trainer.restore(&state).map_err(|error| words_of(&error))
    }

    /// Where the trial stands. Trouble with it is no trouble of the trial: there is just nothing to go on from.
    fn save(&self, trial: &Trial, trainer: &models::Trainer<'_>, epoch: u32) -> Option<Saved> {
        let state = trainer.state().map_err(|error| words_of(&error));
        let file = state.and_then(|state| {
            checkpoint::encode(&self.identity(trial), &state).map_err(|error| error.to_string())
        });
        match file {
            Ok(bytes) => Some(Saved { epoch, bytes: bytes.into() }),
            Err(why) => {
                tracing::warn!(trial = %trial.id, why, "no checkpoint of the trial can be made");
                None
            }
        }
    }

    /// Scores a trained trial, on a second core where another slot stands idle; also says how many seconds it took.
    fn evaluate(
        &self,
        trial: &Trial,
        data: &Dataset,
        trained: &Trained,
        is_stopped: &mut dyn FnMut() -> bool,
    ) -> Result<(Evaluation, f64), EvalError> {
        let stopwatch = Stopwatch::start();
        let input = EvaluationInput {
            codes: &trained.latent,
            n_cells: data.n_cells(),
            dim: trained.latent_dim,
            labels: data.labels().map(|labels| (labels.of_cell.as_slice(), labels.classes.len())),
            spec: &trial.config.evaluation,
        };
        let spare = self.cores.spare();
        let conduct = Conduct { brake: Brake::new(is_stopped), has_second_core: spare.is_some() };
        let evaluation = eval::evaluate(&input, conduct)?;
        Ok((evaluation, stopwatch.elapsed().as_secs_f64()))
    }
}

impl TrialRunner for Trainer {
    type Data = Dataset;

    fn hardware(&self) -> Hardware {
        Hardware {
            device: "cpu".to_owned(),
            isa: self.isa.name().to_owned(),
            engine: self.options.engine.name().to_owned(),
        }
    }

    fn open(&self, path: &Path, fingerprint: Fingerprint) -> Result<Dataset, String> {
        Dataset::open_verified(path, fingerprint).map_err(|error| error.to_string())
    }

    fn run(
        &self,
        trial: &Trial,
        data: &Dataset,
        saved: Option<Saved>,
        observer: &mut dyn Observer,
    ) -> RunEnd {
        let _own = self.cores.own();
        let mut trained = match self.train(trial, data, saved, observer) {
            Ok(trained) => trained,
            Err(end) => return end,
        };
        let mut metrics = std::mem::take(&mut trained.metrics);
        let mut artifact = None;
        if trained.status == OutcomeStatus::Done {
            let epochs = u32::try_from(trained.epochs.len()).unwrap_or(u32::MAX);
            let last = trained.epochs.last().map(|record| record.loss_per_cell);
            let progress = Progress { phase: Phase::Evaluate, epoch: epochs, epochs, loss_per_cell: last };
            // A pause waits for the scores: they take seconds, training again would take minutes.
            match self.evaluate(trial, data, &trained, &mut || observer.progress(progress) == GoOn::No) {
                Ok((evaluation, seconds)) => {
                    metrics.extend(evaluation.metrics);
                    metrics.push(Metric { name: MetricName::EvaluationSeconds, value: seconds });
                    artifact = Some(Bytes::from(evaluation.embedding.encode()));
                }
                Err(EvalError::Stopped) => return RunEnd::Stopped(None),
                Err(error) => return RunEnd::Failed(end_of_evaluation(&error)),
            }
        }
        if let Some(peak) = host::peak_memory_bytes() {
            // Exact up to 8 PiB.
            metrics.push(Metric { name: MetricName::PeakMemoryBytes, value: peak as f64 });
        }
        RunEnd::Finished(Box::new(finish(trained, metrics, artifact)))
    }
}

fn end_of_evaluation(error: &EvalError) -> TrialFailure {
    TrialFailure {
        kind: FailureKind::BadConfig,
        message: format!("the trained trial cannot be scored: {error}"),
    }
}

fn finish(trained: Trained, metrics: Vec<Metric>, artifact: Option<Bytes>) -> Finished {
    let artifacts: Vec<Bytes> = artifact.into_iter().collect();
    let references = artifacts.iter().map(|content| ArtifactRef {
        kind: ArtifactKind::Embedding,
        hash: ArtifactHash::of(content),
        bytes: content.len() as u64,
    });
    let outcome = Outcome {
        status: trained.status,
        metrics: in_table_order(metrics),
        epochs: trained.epochs,
        diagnostics: trained.diagnostics,
        artifacts: references.collect(),
        environment: Environment {
            isa: trained.isa.to_owned(),
            engine: trained.engine.to_owned(),
            ..Environment::default()
        },
    };
    Finished { outcome, artifacts }
}

fn failure_of(error: &TrainError) -> RunEnd {
    let kind = match error {
        TrainError::BadConfig { .. } | TrainError::BadData { .. } => FailureKind::BadConfig,
        _ => FailureKind::Internal,
    };
    RunEnd::Failed(TrialFailure { kind, message: words_of(error) })
}

fn words_of(error: &TrainError) -> String {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    message
}
