//! The training loop: epochs, shuffles, steps, the watch for divergence, and the pass over all cells at the end.
//!
//! ```text
//! options   what goes in and comes out        held_out  held-out cells and early stopping
//! measure   losses and times as metrics
//! ```
//!
//! Must not live here: what a model is (one file each), how the gene layers are computed (`engine`), scores against
//! labels (`eval`).

mod held_out;
mod measure;
mod options;

use cells::CsrView;
use domain::outcome::Diagnostics;
use domain::{Config, EpochRecord, ModelSpec, OutcomeStatus, TrainSpec};
use kernels::{Adam, Isa};

use crate::ae::Ae;
use crate::beta_vae::BetaVae;
use crate::beta_vsc::BetaVsc;
use crate::checkpoint::{KeptTensor, TensorState, TrainState};
use crate::checks;
use crate::dca::Dca;
use crate::diagnostics::LatentSummary;
use crate::engine::counts::CountsEngine;
use crate::engine::dense::DenseEngine;
use crate::engine::sparse::SparseEngine;
use crate::engine::{BatchLoss, GeneEngine, GeneLayout, InnerNet};
use crate::error::TrainError;
use crate::latent::{Encoded, EncodingNoise, LatentModel, StepNoise};
use crate::ldvae::Ldvae;
use crate::net::NetBuilder;
use crate::params::AdamStep;
use crate::penalty::{Place, sum_f64};
use crate::scvi::Scvi;
use crate::stopwatch::Stopwatch;
use crate::streams::Streams;
use crate::visits::Visits;

use held_out::{EarlyStopping, Split};
use measure::{loss_metrics, run_metrics};

pub(crate) use measure::{Term, in_order};
pub use options::{BatchGradients, Control, Engine, EpochReport, TrainOptions, Trained, TrainingData};

/// A loss above this many times the first epoch's has exploded.
const EXPLOSION: f64 = 1e6;

/// Trains one trial and measures it: the same bits for the same config, seed, matrix, engine and instruction set, in
/// any process and beside any number of other trials. Runs on the calling thread.
///
/// A loss that is not finite or exceeds 10⁶ times the first epoch's ends the trial as [`OutcomeStatus::Diverged`].
///
/// # Errors
/// [`TrainError::BadConfig`] and [`TrainError::BadData`] for what can't be trained, [`TrainError::Stopped`] when
/// `on_epoch` says so.
pub fn train(
    config: &Config,
    seed: u64,
    matrix: CsrView<'_>,
    options: &TrainOptions,
    on_epoch: &mut dyn FnMut(EpochReport<'_>) -> Control,
) -> Result<Trained, TrainError> {
    train_on(config, seed, &TrainingData::new(matrix)?, options, on_epoch)
}

/// [`train`] on data that several trials share.
///
/// # Errors
/// As [`train`].
pub fn train_on(
    config: &Config,
    seed: u64,
    data: &TrainingData<'_>,
    options: &TrainOptions,
    on_epoch: &mut dyn FnMut(EpochReport<'_>) -> Control,
) -> Result<Trained, TrainError> {
    if let ModelSpec::Pca(spec) = &config.model {
        return crate::pca::run(spec, data.matrix, options);
    }
    let mut trainer = Trainer::new(config, seed, data, options)?;
    let epochs = trainer.epochs();
    while let Some(record) = trainer.run_epoch()? {
        if on_epoch(EpochReport { record: &record, epochs }) == Control::Stop {
            return Err(TrainError::Stopped { epoch: record.epoch });
        }
    }
    trainer.finish()
}

/// A trial in training, epoch by epoch: for callers that want checkpoints. [`train`] is the loop around it.
pub struct Trainer<'a> {
    spec: TrainSpec,
    engine_name: &'static str,
    isa: Isa,
    streams: Streams,
    split: Split,
    n_cells: usize,
    /// Of its indices and values.
    matrix_bytes: u64,
    term: Term,
    latent_dim: usize,
    parameters: u64,
    has_kl: bool,
    has_spike: bool,
    net: InnerNet,
    engine: Box<dyn GeneEngine + 'a>,
    steps: u64,
    records: Vec<EpochRecord>,
    early_stopping: Option<EarlyStopping>,
    has_diverged: bool,
}

/// Sums over the batches of an epoch.
#[derive(Default)]
struct EpochSums {
    sse: f64,
    kl: f64,
    kl_spike: f64,
    penalty: f64,
}

impl EpochSums {
    fn add(&mut self, loss: &BatchLoss) {
        self.sse += loss.sse;
        self.kl += loss.kl;
        self.kl_spike += loss.kl_spike;
        self.penalty += loss.penalty;
    }
}

/// Means over the held-out cells.
#[derive(Debug, Clone, Copy)]
struct HeldOutLoss {
    sse_per_cell: f64,
    loss_per_cell: f64,
}

impl<'a> Trainer<'a> {
    /// The trial of `config` with `seed` before its first epoch.
    ///
    /// # Errors
    /// [`TrainError::BadConfig`] for PCA (which has no epochs) and for a config without a `train` section or with
    /// values out of range.
    pub fn new(
        config: &Config,
        seed: u64,
        data: &'a TrainingData<'a>,
        options: &TrainOptions,
    ) -> Result<Self, TrainError> {
        let spec = checks::trainable(config)?;
        let isa = options.resolve_isa()?;
        let streams = Streams::new(seed);
        let CsrView { n_rows: n_cells, n_cols: n_genes, .. } = data.matrix;
        let split = Split::new(streams, n_cells, spec.validation_fraction)?;
        let steps = u64::from(spec.epochs) * split.training.len().div_ceil(spec.batch_size as usize) as u64;
        checks::schedules_fit(&config.model, steps)?;

        let mut builder = NetBuilder::new(streams);
        let model = latent_model(&config.model, n_genes, &mut builder)?;
        let net = InnerNet { model, params: builder.finish(), place: Place { step: 0, steps } };
        let max_batch = (spec.batch_size as usize).min(n_cells);
        let GeneLayers { engine, kind, parameters } =
            gene_layers(&config.model, data, options.engine, streams, max_batch, isa)?;
        let parameters = parameters + net.params.count();
        Ok(Self {
            early_stopping: EarlyStopping::new(&spec, config.model.warmup_share()),
            spec,
            engine_name: kind.name(),
            isa,
            streams,
            split,
            n_cells,
            matrix_bytes: size_of_val(data.matrix.indices) as u64 + size_of_val(data.matrix.values) as u64,
            term: Term { reconstruction: config.model.kind().reconstruction(), n_genes },
            latent_dim: config.model.latent_dim() as usize,
            parameters,
            has_kl: config.model.beta().is_some(),
            has_spike: matches!(config.model, ModelSpec::BetaVsc(_)),
            net,
            engine,
            steps: 0,
            records: Vec::new(),
            has_diverged: false,
        })
    }

    /// How many epochs there will be in all, if none stops it early.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        self.spec.epochs
    }

    /// Trains one epoch; `None` when there is none left, when early stopping has ended training, or when the trial has
    /// diverged in this one.
    ///
    /// # Errors
    /// [`TrainError::Tensor`], when memory runs out or candle fails otherwise.
    pub fn run_epoch(&mut self) -> Result<Option<EpochRecord>, TrainError> {
        let epoch = self.records.len() as u32 + 1;
        let is_stopped = |stopping: &EarlyStopping| stopping.has_ended(&self.records);
        if epoch > self.spec.epochs
            || self.has_diverged
            || self.early_stopping.as_ref().is_some_and(is_stopped)
        {
            return Ok(None);
        }
        let stopwatch = Stopwatch::start();
        let sums = self.run_steps(epoch)?;
        let held_out = match sums {
            Some(_) => self.held_out_loss()?,
            None => None,
        };
        let Some(sums) = sums.filter(|_| held_out.is_none_or(|loss| loss.loss_per_cell.is_finite())) else {
            self.has_diverged = true;
            return Ok(None);
        };

        let record = self.record(epoch, &sums, held_out, stopwatch.seconds());
        self.records.push(record);
        self.has_diverged = has_exploded(&self.records);
        if let Some(loss) = held_out {
            self.keep_if_best(epoch, loss.loss_per_cell)?;
        }
        Ok(Some(record))
    }

    /// The steps of one epoch over the training cells; `None` when a loss was not finite.
    fn run_steps(&mut self, epoch: u32) -> Result<Option<EpochSums>, TrainError> {
        let cells = &self.split.training;
        let mut stream = self.streams.open("shuffle", u64::from(epoch));
        let shuffled = Visits::USUAL.order(cells.len(), self.matrix_bytes, &mut stream);
        let order: Vec<u32> = shuffled.into_iter().map(|position| cells[position as usize]).collect();
        let mut sums = EpochSums::default();
        for rows in order.chunks(self.spec.batch_size as usize) {
            let noise = StepNoise { streams: self.streams, step: self.steps };
            self.net.place.step = self.steps;
            self.steps += 1;
            let decay = self.spec.weight_decay;
            let step = AdamStep { adam: self.adam(), decay, number: self.steps, isa: self.isa };
            let loss = self.engine.train_step(&mut self.net, rows, &noise, &step)?;
            if !loss.total().is_finite() {
                return Ok(None);
            }
            sums.add(&loss);
        }
        Ok(Some(sums))
    }

    fn record(
        &self,
        epoch: u32,
        sums: &EpochSums,
        held_out: Option<HeldOutLoss>,
        seconds: f64,
    ) -> EpochRecord {
        let n_cells = self.split.training.len() as f64;
        let objective = self.net.model.objective();
        let penalty = if objective.is_plain() { objective.full_penalty(sums.kl) } else { sums.penalty };
        EpochRecord {
            epoch,
            loss_per_cell: (sums.sse + penalty) / n_cells,
            sse_per_cell: sums.sse / n_cells,
            kl_per_cell: sums.kl / n_cells,
            kl_spike_per_cell: self.has_spike.then_some(sums.kl_spike / n_cells),
            validation_sse_per_cell: held_out.map(|loss| loss.sse_per_cell),
            validation_loss_per_cell: held_out.map(|loss| loss.loss_per_cell),
            seconds,
        }
    }

    /// Loss of the held-out cells under the present weights; `None` where there are none.
    fn held_out_loss(&mut self) -> Result<Option<HeldOutLoss>, TrainError> {
        if self.split.held_out.is_empty() {
            return Ok(None);
        }
        let held_out = std::mem::take(&mut self.split.held_out);
        let mut kl = 0.0;
        let sse = self.encode_cells(&held_out, &mut |block| {
            kl += block.kl.as_ref().map_or(Ok(0.0), sum_f64)?;
            Ok(())
        });
        let cells = held_out.len() as f64;
        self.split.held_out = held_out;
        let sse = sse?;
        let loss = sse + self.net.model.objective().full_penalty(kl);
        Ok(Some(HeldOutLoss { sse_per_cell: sse / cells, loss_per_cell: loss / cells }))
    }

    /// Encodes `rows` block by block; gives the squared error of their deterministic codes.
    fn encode_cells(
        &mut self,
        rows: &[u32],
        with: &mut dyn FnMut(&Encoded) -> candle_core::Result<()>,
    ) -> Result<f64, TrainError> {
        let mut sse = 0.0;
        for rows in rows.chunks(self.spec.batch_size as usize) {
            let first = self.engine.first_layer(rows)?;
            let noise = EncodingNoise { streams: self.streams, rows };
            let encoded = self.net.model.encode(&first, &noise)?;
            sse += self.engine.reconstruction(&self.net.model.decode(&encoded.mean)?)?;
            with(&encoded)?;
        }
        Ok(sse)
    }

    /// With early stopping: keeps the weights of the best epoch so far.
    fn keep_if_best(&mut self, epoch: u32, loss: f64) -> Result<(), TrainError> {
        if self.early_stopping.as_ref().is_none_or(|stopping| !stopping.is_better(loss)) {
            return Ok(());
        }
        let weights = self.tensors()?.into_iter().map(KeptTensor::from).collect();
        if let Some(stopping) = &mut self.early_stopping {
            stopping.keep(epoch, loss, weights);
        }
        Ok(())
    }

    fn tensors(&self) -> Result<Vec<TensorState>, TrainError> {
        let mut tensors = self.engine.export()?;
        tensors.extend(self.net.params.export()?);
        Ok(tensors)
    }

    /// The trial as it stands after the last epoch.
    ///
    /// # Errors
    /// [`TrainError::Tensor`], when memory runs out.
    pub fn state(&self) -> Result<TrainState, TrainError> {
        let kept = self.early_stopping.as_ref().and_then(|stopping| stopping.kept.clone());
        Ok(TrainState { records: self.records.clone(), steps: self.steps, tensors: self.tensors()?, kept })
    }

    /// Goes on from `state`, which the same trial gave: the rest gives the same bits as without the interruption
    /// (times apart).
    ///
    /// # Errors
    /// [`TrainError::BadCheckpoint`] when the state is not one of this trial; train from the start then.
    pub fn restore(&mut self, state: &TrainState) -> Result<(), TrainError> {
        let steps_an_epoch = self.split.training.len().div_ceil(self.spec.batch_size as usize) as u64;
        state.check(steps_an_epoch, self.spec.epochs, self.early_stopping.is_some())?;
        if let Some(kept) = &state.kept {
            kept.check(&state.tensors)?;
        }
        self.engine.import(&state.tensors)?;
        self.net.params.import(&state.tensors)?;
        self.records.clone_from(&state.records);
        self.steps = state.steps;
        self.has_diverged = has_exploded(&self.records);
        if let Some(stopping) = &mut self.early_stopping {
            stopping.kept.clone_from(&state.kept);
        }
        Ok(())
    }

    /// Loss and gradients of the cells `rows` under the present weights, the noise and the schedules of the next step.
    /// Changes nothing; made to hold engines and other implementations to each other.
    ///
    /// # Errors
    /// [`TrainError::BadData`] when a row does not exist or there are none or more than a batch of them.
    pub fn gradients(&mut self, rows: &[u32]) -> Result<BatchGradients, TrainError> {
        let most = (self.spec.batch_size as usize).min(self.n_cells);
        if rows.is_empty() || rows.len() > most || rows.iter().any(|row| *row as usize >= self.n_cells) {
            let problem = format!("a batch is 1 to {most} of the cells 0 to {}", self.n_cells - 1);
            return Err(TrainError::bad_data(problem));
        }
        let noise = StepNoise { streams: self.streams, step: self.steps };
        self.net.place.step = self.steps;
        let (loss, tensors) = self.engine.gradients(&self.net, rows, &noise)?;
        let BatchLoss { sse, kl, kl_spike, .. } = loss;
        Ok(BatchGradients { sse, kl, kl_spike, loss: loss.total(), tensors })
    }

    /// Encodes all cells, held-out ones included, and measures the trained model. With early stopping the model is that
    /// of the best epoch.
    ///
    /// # Errors
    /// [`TrainError::Tensor`], when memory runs out.
    pub fn finish(mut self) -> Result<Trained, TrainError> {
        if self.has_diverged {
            return Ok(self.diverged());
        }
        let best_epoch = self.restore_best_epoch()?;
        let mut summary = LatentSummary::new(self.latent_dim, self.n_cells);
        let all_cells: Vec<u32> = (0..self.n_cells as u32).collect();
        let sse = self.encode_cells(&all_cells, &mut |block| summary.add(block))?;
        let held_out = self.held_out_loss()?;
        if !sse.is_finite() || !summary.is_finite() {
            return Ok(self.diverged());
        }
        let objective = self.net.model.objective();
        let mut metrics = run_metrics(&self.records, self.parameters);
        metrics.extend(loss_metrics(&self.records, &objective, self.has_kl, self.term, best_epoch));
        metrics.extend(match held_out {
            Some(HeldOutLoss { sse_per_cell, loss_per_cell }) => {
                self.term.of_held_out(sse_per_cell, loss_per_cell)
            }
            None => self.term.of_all(sse / self.n_cells as f64),
        });
        metrics.push((domain::MetricName::ActiveUnits, summary.active_units() as f64));
        Ok(Trained {
            status: OutcomeStatus::Done,
            metrics: in_order(metrics),
            diagnostics: summary.diagnostics(),
            latent: summary.into_codes(),
            latent_dim: self.latent_dim,
            engine: self.engine_name,
            isa: self.isa.name(),
            epochs: self.records,
        })
    }

    /// Takes the kept weights, if any, and says of which epoch they are.
    fn restore_best_epoch(&mut self) -> Result<Option<u32>, TrainError> {
        let Some(kept) = self.early_stopping.as_mut().and_then(|stopping| stopping.kept.take()) else {
            return Ok(None);
        };
        let epoch = kept.epoch;
        let tensors: Vec<TensorState> = kept.weights.into_iter().map(TensorState::from).collect();
        self.engine.import(&tensors)?;
        self.net.params.import(&tensors)?;
        Ok(Some(epoch))
    }

    fn diverged(self) -> Trained {
        Trained {
            status: OutcomeStatus::Diverged,
            metrics: in_order(run_metrics(&self.records, self.parameters)),
            diagnostics: Diagnostics::default(),
            latent: Vec::new(),
            latent_dim: self.latent_dim,
            engine: self.engine_name,
            isa: self.isa.name(),
            epochs: self.records,
        }
    }

    /// Adam as the study and PyTorch have it.
    fn adam(&self) -> Adam {
        Adam { learning_rate: self.spec.learning_rate, beta1: 0.9, beta2: 0.999, eps: self.spec.adam_eps }
    }
}

/// The inner net of a model; PCA has none.
fn latent_model(
    spec: &ModelSpec,
    n_genes: usize,
    builder: &mut NetBuilder,
) -> Result<Box<dyn LatentModel>, TrainError> {
    Ok(match spec {
        ModelSpec::Ae(spec) => Box::new(Ae::new(spec, n_genes, builder)?),
        ModelSpec::BetaVae(spec) => Box::new(BetaVae::new(spec, n_genes, builder)?),
        ModelSpec::BetaVsc(spec) => Box::new(BetaVsc::new(spec, n_genes, builder)?),
        ModelSpec::Scvi(spec) => Box::new(Scvi::new(spec, n_genes, builder)?),
        ModelSpec::Ldvae(spec) => Box::new(Ldvae::new(spec, n_genes, builder)?),
        ModelSpec::Dca(spec) => Box::new(Dca::new(spec, n_genes, builder)?),
        ModelSpec::Pca(_) => return Err(TrainError::bad_config("model", "pca is not trained by epochs")),
    })
}

/// The layers that touch genes, and who computes them.
struct GeneLayers<'a> {
    engine: Box<dyn GeneEngine + 'a>,
    kind: Engine,
    /// Number of trained values.
    parameters: u64,
}

/// The gene layers of a model. Those of counts have one engine, whatever `kind` says.
fn gene_layers<'a>(
    model: &ModelSpec,
    data: &'a TrainingData<'a>,
    kind: Engine,
    streams: Streams,
    max_batch: usize,
    isa: Isa,
) -> Result<GeneLayers<'a>, TrainError> {
    let Some(net) = model.net() else {
        let engine = CountsEngine::new(model, data.matrix, streams, max_batch, isa)?;
        let parameters = engine.count();
        return Ok(GeneLayers { engine: Box::new(engine), kind: Engine::Sparse, parameters });
    };
    let layout = GeneLayout::new(net, data.matrix.n_cols, streams);
    let parameters = layout.count();
    let engine: Box<dyn GeneEngine + 'a> = match kind {
        Engine::Sparse => Box::new(SparseEngine::new(&layout, &data.prepared, max_batch, isa)?),
        Engine::Dense => Box::new(DenseEngine::new(layout, data.matrix)?),
    };
    Ok(GeneLayers { engine, kind, parameters })
}

/// Whether the last epoch's loss is out of all proportion to the first's.
fn has_exploded(records: &[EpochRecord]) -> bool {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return false };
    last.loss_per_cell > EXPLOSION * first.loss_per_cell.abs()
}
