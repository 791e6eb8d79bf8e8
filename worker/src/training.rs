//! The real trainer: trains with `models`, scores with `eval`, and makes an outcome of both. Runs on the calling thread
//! and knows nothing of coordinators.

use std::path::Path;

use cells::Dataset;
use domain::ids::ArtifactHash;
use domain::outcome::{ArtifactKind, ArtifactRef, Environment};
use domain::{FailureKind, Fingerprint, Metric, MetricName, Outcome, OutcomeStatus, Trial};
use eval::{Evaluation, EvaluationInput};
use models::{Control, Engine, EpochReport, Isa, TrainError, TrainOptions, Trained};
use prost::bytes::Bytes;

use crate::clock::Stopwatch;
use crate::config::EngineChoice;
use crate::host;
use crate::runner::{Finished, GoOn, Hardware, RunEnd, TrialFailure, TrialRunner, in_table_order};
use crate::running::{Phase, Progress};

/// Trains on this machine's processor.
#[derive(Debug, Clone)]
pub struct Trainer {
    options: TrainOptions,
    isa: Isa,
}

impl Trainer {
    /// A trainer with this engine and the processor's best instruction set.
    ///
    /// # Errors
    /// Words for people when the environment asks for an instruction set that there is not.
    pub fn new(choice: EngineChoice) -> Result<Self, String> {
        let engine = match choice {
            EngineChoice::Sparse => Engine::Sparse,
            EngineChoice::Dense => Engine::Dense,
        };
        let isa = Isa::best().map_err(|error| error.to_string())?;
        Ok(Self { options: TrainOptions { engine, isa: Some(isa) }, isa })
    }

    fn train(
        &self,
        trial: &Trial,
        data: &Dataset,
        watch: &mut dyn FnMut(Progress) -> GoOn,
    ) -> Result<Trained, TrainError> {
        let mut on_epoch = |report: EpochReport<'_>| {
            let progress = Progress {
                phase: Phase::Train,
                epoch: report.record.epoch,
                epochs: report.epochs,
                loss_per_cell: Some(report.record.loss_per_cell).filter(|loss| loss.is_finite()),
            };
            match watch(progress) {
                GoOn::Yes => Control::Continue,
                GoOn::No => Control::Stop,
            }
        };
        models::train(&trial.config, trial.seed, data.matrix(), &self.options, &mut on_epoch)
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

    fn run(&self, trial: &Trial, data: &Dataset, watch: &mut dyn FnMut(Progress) -> GoOn) -> RunEnd {
        let mut trained = match self.train(trial, data, watch) {
            Ok(trained) => trained,
            Err(error) => return end_of_training(&error),
        };
        let mut metrics = std::mem::take(&mut trained.metrics);
        let mut artifact = None;
        if trained.status == OutcomeStatus::Done {
            let epochs = u32::try_from(trained.epochs.len()).unwrap_or(u32::MAX);
            let last = trained.epochs.last().map(|record| record.loss_per_cell);
            let progress = Progress { phase: Phase::Evaluate, epoch: epochs, epochs, loss_per_cell: last };
            if watch(progress) == GoOn::No {
                return RunEnd::Stopped;
            }
            match evaluate(trial, data, &trained) {
                Ok((evaluation, seconds)) => {
                    metrics.extend(evaluation.metrics);
                    metrics.push(Metric { name: MetricName::EvaluationSeconds, value: seconds });
                    artifact = Some(Bytes::from(evaluation.embedding.encode()));
                }
                Err(failure) => return RunEnd::Failed(failure),
            }
        }
        if let Some(peak) = host::peak_memory_bytes() {
            // Exact up to 8 PiB.
            metrics.push(Metric { name: MetricName::PeakMemoryBytes, value: peak as f64 });
        }
        RunEnd::Finished(Box::new(finish(trained, metrics, artifact)))
    }
}

fn evaluate(trial: &Trial, data: &Dataset, trained: &Trained) -> Result<(Evaluation, f64), TrialFailure> {
    let stopwatch = Stopwatch::start();
    let input = EvaluationInput {
        codes: &trained.latent,
        n_cells: data.n_cells(),
        dim: trained.latent_dim,
        labels: data.labels().map(|labels| (labels.of_cell.as_slice(), labels.classes.len())),
        spec: &trial.config.evaluation,
    };
    let evaluation = eval::evaluate(&input).map_err(|error| TrialFailure {
        kind: FailureKind::BadConfig,
        message: format!("the trained trial cannot be scored: {error}"),
    })?;
    Ok((evaluation, stopwatch.elapsed().as_secs_f64()))
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

fn end_of_training(error: &TrainError) -> RunEnd {
    let kind = match error {
        TrainError::Stopped { .. } => return RunEnd::Stopped,
        TrainError::BadConfig { .. } | TrainError::BadData { .. } => FailureKind::BadConfig,
        _ => FailureKind::Internal,
    };
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    RunEnd::Failed(TrialFailure { kind, message })
}
