//! The training loop: epochs, shuffles, steps, the watch for divergence, and what is measured at the end.
//!
//! Must not live here: what a model is (one file each), how the gene layers are computed (`engine`), scores against
//! labels (`eval`).

use cells::CsrView;
use domain::outcome::Diagnostics;
use domain::{Config, EpochRecord, Metric, MetricName, ModelSpec, OutcomeStatus, TrainSpec};
use kernels::{Adam, Isa, PreparedMatrix};

use crate::ae::Ae;
use crate::beta_vae::BetaVae;
use crate::beta_vsc::BetaVsc;
use crate::checkpoint::TrainState;
use crate::checks;
use crate::diagnostics::LatentSummary;
use crate::engine::dense::DenseEngine;
use crate::engine::sparse::SparseEngine;
use crate::engine::{GeneEngine, GeneLayout, InnerNet};
use crate::error::TrainError;
use crate::latent::{EncodingNoise, LatentModel, StepNoise};
use crate::net::NetBuilder;
use crate::params::AdamStep;
use crate::stopwatch::Stopwatch;
use crate::streams::Streams;

/// A loss above this many times the first epoch's has exploded.
const EXPLOSION: f64 = 1e6;

/// How the layers that touch genes are computed. Both give the same numbers up to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// Own kernels on the sparse matrix.
    #[default]
    Sparse,
    /// Plain candle on dense batches: the readable reference, ten times slower and more.
    Dense,
}

impl Engine {
    /// `sparse` or `dense`, as in [`domain::outcome::Environment`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sparse => "sparse",
            Self::Dense => "dense",
        }
    }

    /// The engine of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sparse, Self::Dense].into_iter().find(|engine| engine.name() == name)
    }
}

/// How to train; nothing here is part of a trial's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrainOptions {
    /// Engine of the gene layers.
    pub engine: Engine,
    /// Instruction set; `None` is the best of this processor (or what `LATENTSWEEP_ISA` says).
    pub isa: Option<Isa>,
}

/// Whether training goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Yes.
    Continue,
    /// No: [`TrainError::Stopped`].
    Stop,
}

/// One epoch that is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochReport<'a> {
    /// What it gave.
    pub record: &'a EpochRecord,
    /// How many epochs there will be.
    pub epochs: u32,
}

/// A trained model's numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// How training ended.
    pub status: OutcomeStatus,
    /// Those that exist, finite, in the order of [`MetricName::ALL`]. A diverged trial has no losses.
    pub metrics: Vec<Metric>,
    /// One record an epoch, finite; empty for a model that is not trained by epochs.
    pub epochs: Vec<EpochRecord>,
    /// The latent space; empty when diverged.
    pub diagnostics: Diagnostics,
    /// Codes, n_cells × latent_dim, row-major; empty when diverged.
    pub latent: Vec<f32>,
    /// Dimensions of a code.
    pub latent_dim: usize,
    /// `sparse` or `dense`.
    pub engine: &'static str,
    /// `avx512`, `avx2` or `portable`.
    pub isa: &'static str,
}

/// A matrix ready for training, to be shared by the trials of a process. It copies no values.
#[derive(Debug)]
pub struct TrainingData<'a> {
    pub(crate) matrix: CsrView<'a>,
    pub(crate) prepared: PreparedMatrix<'a>,
}

impl<'a> TrainingData<'a> {
    /// Checks `matrix` (cells × genes) and counts it once.
    ///
    /// # Errors
    /// [`TrainError::BadData`] for a matrix without cells or genes, [`TrainError::Kernels`] for one that breaks the
    /// promises of [`CsrView`].
    pub fn new(matrix: CsrView<'a>) -> Result<Self, TrainError> {
        if matrix.n_rows == 0 || matrix.n_cols == 0 {
            let problem =
                format!("{} cells × {} genes: both must be at least 1", matrix.n_rows, matrix.n_cols);
            return Err(TrainError::bad_data(problem));
        }
        let CsrView { n_rows, n_cols, indptr, indices, values } = matrix;
        let view = kernels::CsrView::new(n_rows, n_cols, indptr, indices, values)?;
        Ok(Self { matrix, prepared: PreparedMatrix::new(view) })
    }
}

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

/// Loss of a batch and its gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchGradients {
    /// Squared error, summed over genes and cells.
    pub sse: f64,
    /// KL terms, summed over dimensions and cells, not multiplied by β.
    pub kl: f64,
    /// Name of every trained tensor and the gradient of SSE + β·KL by it.
    pub tensors: Vec<(String, Vec<f32>)>,
}

/// A trial in training, epoch by epoch: for callers that want checkpoints. [`train`] is the loop around it.
pub struct Trainer<'a> {
    spec: TrainSpec,
    engine_name: &'static str,
    isa: Isa,
    streams: Streams,
    n_cells: usize,
    n_genes: usize,
    latent_dim: usize,
    parameters: u64,
    has_kl: bool,
    net: InnerNet,
    engine: Box<dyn GeneEngine + 'a>,
    steps: u64,
    records: Vec<EpochRecord>,
    has_diverged: bool,
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
        let net_spec = config
            .model
            .net()
            .ok_or_else(|| TrainError::bad_config("model", "pca is not trained by epochs"))?;
        let isa = resolve_isa(options)?;
        let streams = Streams::new(seed);
        let CsrView { n_rows: n_cells, n_cols: n_genes, .. } = data.matrix;

        let mut builder = NetBuilder::new(streams);
        let model: Box<dyn LatentModel> = match &config.model {
            ModelSpec::Ae(spec) => Box::new(Ae::new(spec, n_genes, &mut builder)?),
            ModelSpec::BetaVae(spec) => Box::new(BetaVae::new(spec, n_genes, &mut builder)?),
            ModelSpec::BetaVsc(spec) => Box::new(BetaVsc::new(spec, n_genes, &mut builder)?),
            ModelSpec::Pca(_) => return Err(TrainError::bad_config("model", "pca is not trained by epochs")),
        };
        let net = InnerNet { model, params: builder.finish() };
        let layout = GeneLayout::new(net_spec, n_genes, streams);
        let parameters = layout.count() + net.params.count();
        let max_batch = (spec.batch_size as usize).min(n_cells);
        let engine: Box<dyn GeneEngine + 'a> = match options.engine {
            Engine::Sparse => Box::new(SparseEngine::new(&layout, &data.prepared, max_batch, isa)?),
            Engine::Dense => Box::new(DenseEngine::new(layout, data.matrix)?),
        };
        Ok(Self {
            spec,
            engine_name: options.engine.name(),
            isa,
            streams,
            n_cells,
            n_genes,
            latent_dim: net_spec.latent_dim as usize,
            parameters,
            has_kl: config.model.beta().is_some(),
            net,
            engine,
            steps: 0,
            records: Vec::new(),
            has_diverged: false,
        })
    }

    /// How many epochs there will be in all.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        self.spec.epochs
    }

    /// Trains one epoch; `None` when there is none left, or when the trial has diverged in this one.
    ///
    /// # Errors
    /// [`TrainError::Tensor`], when memory runs out or candle fails otherwise.
    pub fn run_epoch(&mut self) -> Result<Option<EpochRecord>, TrainError> {
        let epoch = self.records.len() as u32 + 1;
        if epoch > self.spec.epochs || self.has_diverged {
            return Ok(None);
        }
        let stopwatch = Stopwatch::start();
        let order = self.streams.open("shuffle", u64::from(epoch)).permutation(self.n_cells as u32);
        let beta = self.net.model.beta();
        let (mut sse, mut kl) = (0.0, 0.0);
        for rows in order.chunks(self.spec.batch_size as usize) {
            let noise = StepNoise { streams: self.streams, step: self.steps };
            self.steps += 1;
            let step = AdamStep { adam: self.adam(), number: self.steps, isa: self.isa };
            let loss = self.engine.train_step(&mut self.net, rows, &noise, &step)?;
            if !loss.total(beta).is_finite() {
                self.has_diverged = true;
                return Ok(None);
            }
            sse += loss.sse;
            kl += loss.kl;
        }
        let n_cells = self.n_cells as f64;
        let record = EpochRecord {
            epoch,
            loss_per_cell: (sse + beta * kl) / n_cells,
            sse_per_cell: sse / n_cells,
            kl_per_cell: kl / n_cells,
            seconds: stopwatch.seconds(),
        };
        let first_loss = self.records.first().unwrap_or(&record).loss_per_cell;
        self.has_diverged = record.loss_per_cell > EXPLOSION * first_loss.abs();
        self.records.push(record);
        Ok(Some(record))
    }

    /// The trial as it stands after the last epoch.
    ///
    /// # Errors
    /// [`TrainError::Tensor`], when memory runs out.
    pub fn state(&self) -> Result<TrainState, TrainError> {
        let mut tensors = self.engine.export()?;
        tensors.extend(self.net.params.export()?);
        Ok(TrainState { records: self.records.clone(), steps: self.steps, tensors })
    }

    /// Goes on from `state`, which the same trial gave: the rest gives the same bits as without the interruption
    /// (times apart).
    ///
    /// # Errors
    /// [`TrainError::BadCheckpoint`] when the state is not one of this trial; train from the start then.
    pub fn restore(&mut self, state: &TrainState) -> Result<(), TrainError> {
        let steps_an_epoch = self.n_cells.div_ceil(self.spec.batch_size as usize) as u64;
        let expected_steps = steps_an_epoch * state.records.len() as u64;
        if state.steps != expected_steps {
            let problem = format!("{} steps, expected {expected_steps} for its epochs", state.steps);
            return Err(TrainError::bad_checkpoint(problem));
        }
        if state.records.len() > self.spec.epochs as usize {
            let problem = format!("{} epochs, the config has {}", state.records.len(), self.spec.epochs);
            return Err(TrainError::bad_checkpoint(problem));
        }
        self.engine.import(&state.tensors)?;
        self.net.params.import(&state.tensors)?;
        self.records.clone_from(&state.records);
        self.steps = state.steps;
        Ok(())
    }

    /// Loss and gradients of the cells `rows` under the present weights and the noise of the next step. Changes
    /// nothing; made to hold engines and other implementations to each other.
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
        let (loss, gradients) = self.engine.gradients(&self.net, rows, &noise)?;
        Ok(BatchGradients { sse: loss.sse, kl: loss.kl, tensors: gradients })
    }

    /// Encodes all cells and measures the trained model.
    ///
    /// # Errors
    /// [`TrainError::Tensor`], when memory runs out.
    pub fn finish(mut self) -> Result<Trained, TrainError> {
        if self.has_diverged {
            return Ok(self.diverged());
        }
        let mut summary = LatentSummary::new(self.latent_dim, self.n_cells);
        let mut sse = 0.0;
        let all_cells: Vec<u32> = (0..self.n_cells as u32).collect();
        for rows in all_cells.chunks(self.spec.batch_size as usize) {
            let first = self.engine.first_layer(rows)?;
            let noise = EncodingNoise { streams: self.streams, first_cell: u64::from(rows[0]) };
            let encoded = self.net.model.encode(&first, &noise)?;
            sse += self.engine.sse(&self.net.model.decode(&encoded.mean)?)?;
            summary.add(&encoded)?;
        }
        if !sse.is_finite() || !summary.is_finite() {
            return Ok(self.diverged());
        }
        let mut metrics = self.run_metrics();
        metrics.extend(self.loss_metrics());
        metrics.extend(reconstruction_metrics(sse, self.n_cells, self.n_genes));
        metrics.push((MetricName::ActiveUnits, summary.active_units() as f64));
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

    fn diverged(self) -> Trained {
        Trained {
            status: OutcomeStatus::Diverged,
            metrics: in_order(self.run_metrics()),
            diagnostics: Diagnostics::default(),
            latent: Vec::new(),
            latent_dim: self.latent_dim,
            engine: self.engine_name,
            isa: self.isa.name(),
            epochs: self.records,
        }
    }

    /// What is known of every run, whatever its losses.
    fn run_metrics(&self) -> Vec<(MetricName, f64)> {
        let mut seconds: Vec<f64> = self.records.iter().map(|record| record.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let mut metrics = vec![
            (MetricName::Epochs, self.records.len() as f64),
            (MetricName::Parameters, self.parameters as f64),
            (MetricName::TrainSeconds, seconds.iter().sum()),
        ];
        if !seconds.is_empty() {
            metrics.push((MetricName::SecondsPerEpoch, median(&seconds)));
        }
        metrics
    }

    /// Losses as the optimiser saw them.
    fn loss_metrics(&self) -> Vec<(MetricName, f64)> {
        let Some(last) = self.records.last() else {
            return Vec::new();
        };
        let best =
            self.records.iter().min_by(|a, b| a.loss_per_cell.total_cmp(&b.loss_per_cell)).unwrap_or(last);
        let mut metrics = vec![
            (MetricName::TrainSsePerCell, last.sse_per_cell),
            (MetricName::TrainSsePerEntry, last.sse_per_cell / self.n_genes as f64),
            (MetricName::BestEpoch, f64::from(best.epoch)),
        ];
        if self.has_kl {
            metrics.push((MetricName::KlPerCell, last.kl_per_cell));
        }
        metrics
    }

    /// Adam as the study and PyTorch have it.
    fn adam(&self) -> Adam {
        Adam { learning_rate: self.spec.learning_rate, beta1: 0.9, beta2: 0.999, eps: 1e-8 }
    }
}

/// Squared error of all cells with the deterministic code.
pub(crate) fn reconstruction_metrics(sse: f64, n_cells: usize, n_genes: usize) -> [(MetricName, f64); 2] {
    let per_cell = sse / n_cells as f64;
    [(MetricName::SsePerCell, per_cell), (MetricName::SsePerEntry, per_cell / n_genes as f64)]
}

/// The finite ones, in the order of the table of metrics.
pub(crate) fn in_order(metrics: Vec<(MetricName, f64)>) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = metrics
        .into_iter()
        .filter(|(_, value)| value.is_finite())
        .map(|(name, value)| Metric { name, value })
        .collect();
    metrics.sort_by_key(|metric| metric.name);
    metrics
}

/// The instruction set to use.
pub(crate) fn resolve_isa(options: &TrainOptions) -> Result<Isa, TrainError> {
    Ok(match options.isa {
        Some(isa) => isa.checked()?,
        None => Isa::best()?,
    })
}

/// Median of sorted values, at least one.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}
