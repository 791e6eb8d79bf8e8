//! What the tests share: small matrices, configs and shorthands. No assertions on results.

use cells::CsrView;
use domain::config::{
    Activation, AeSpec, BetaVaeSpec, BetaVscSpec, Encode, EvaluationSpec, Gate, NetSpec, PcaSpec,
};
use domain::{Config, EpochRecord, MetricName, ModelSpec, Schedule, TrainSpec};
use models::{Control, TrainError, TrainOptions, Trained};

/// An owned sparse matrix.
pub(crate) struct Matrix {
    n_cols: usize,
    indptr: Vec<u64>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Matrix {
    /// The non-zeros of row-major `values`.
    pub(crate) fn from_dense(dense: &[f32], n_cols: usize) -> Self {
        let mut matrix = Self { n_cols, indptr: vec![0], indices: Vec::new(), values: Vec::new() };
        for row in dense.chunks_exact(n_cols) {
            for (column, value) in (0_u32..).zip(row).filter(|(_, value)| **value != 0.0) {
                matrix.indices.push(column);
                matrix.values.push(*value);
            }
            matrix.indptr.push(matrix.values.len() as u64);
        }
        matrix
    }

    /// Cells of three kinds: each gene has a level in each kind, a value is that level or, mostly, 0.
    pub(crate) fn three_kinds(cells: usize, genes: usize) -> Self {
        let mut stream = models::streams::Streams::new(99).open("test matrix", 0);
        let levels: Vec<f32> = (0..3 * genes).map(|_| 3.0 * stream.unit()).collect();
        let share: Vec<f32> = (0..genes).map(|_| stream.unit().powi(3)).collect();
        let mut dense = vec![0.0; cells * genes];
        for (cell, row) in dense.chunks_exact_mut(genes).enumerate() {
            for (gene, value) in row.iter_mut().enumerate() {
                let is_seen = stream.unit() < share[gene];
                let noise = 0.5 * stream.unit();
                if is_seen {
                    *value = levels[(cell % 3) * genes + gene] + noise;
                }
            }
        }
        Self::from_dense(&dense, genes)
    }

    /// z-scores without a zero, most a little below 0 and some far above, as `input = "scaled"` gives them.
    pub(crate) fn z_scores(cells: usize, genes: usize) -> Self {
        let mut stream = models::streams::Streams::new(98).open("test matrix", 0);
        let score = |unit: f32| if unit < 0.8 { unit - 0.9 } else { (50.0 * (unit - 0.8)).min(10.0) + 0.01 };
        let dense: Vec<f32> = (0..cells * genes).map(|_| score(stream.unit())).collect();
        Self::from_dense(&dense, genes)
    }

    /// With every stored value changed.
    pub(crate) fn map(mut self, change: impl Fn(f32) -> f32) -> Self {
        self.values.iter_mut().for_each(|value| *value = change(*value));
        self
    }

    pub(crate) fn view(&self) -> CsrView<'_> {
        CsrView {
            n_rows: self.indptr.len() - 1,
            n_cols: self.n_cols,
            indptr: &self.indptr,
            indices: &self.indices,
            values: &self.values,
        }
    }
}

/// A narrow net: last hidden layer below the batch, so that the sparse engine goes through Gram matrices.
pub(crate) fn narrow(first_activation: Activation) -> NetSpec {
    NetSpec {
        latent_dim: 4,
        encoder: vec![24, 12],
        branch: vec![8],
        decoder: vec![6, 12, 20],
        first_activation,
    }
}

/// A wide net: last hidden layer above the batch, so that the sparse engine goes through residuals.
pub(crate) fn wide() -> NetSpec {
    NetSpec {
        latent_dim: 4,
        encoder: vec![80, 24],
        branch: vec![],
        decoder: vec![10, 96],
        first_activation: Activation::Relu,
    }
}

pub(crate) fn ae(net: NetSpec) -> ModelSpec {
    ModelSpec::Ae(AeSpec { net, latent_activation: Activation::None })
}

pub(crate) fn beta_vae(net: NetSpec, encode: Encode) -> ModelSpec {
    ModelSpec::BetaVae(BetaVaeSpec { encode, ..BetaVaeSpec::new(net) })
}

pub(crate) fn beta_vsc(net: NetSpec, gate: Gate, encode: Encode) -> ModelSpec {
    ModelSpec::BetaVsc(BetaVscSpec { gate, encode, ..BetaVscSpec::new(net) })
}

/// One of each, with both kinds of gate, both forms of the decoder, and every option that changes from step to step.
pub(crate) fn every_model() -> Vec<(&'static str, ModelSpec)> {
    vec![
        ("ae", ae(narrow(Activation::None))),
        ("ae wide", ae(wide())),
        ("beta-vae", beta_vae(narrow(Activation::None), Encode::Mean)),
        ("beta-vsc", beta_vsc(narrow(Activation::Relu), Gate::ExpRelu, Encode::Mean)),
        ("beta-vsc wide", beta_vsc(wide(), Gate::Sigmoid, Encode::Mean)),
        ("beta-vae annealed", annealed_vae()),
        ("beta-vsc annealed", annealed_vsc(Gate::Sigmoid)),
    ]
}

/// A β-VAE with cycles and free bits.
pub(crate) fn annealed_vae() -> ModelSpec {
    ModelSpec::BetaVae(BetaVaeSpec {
        beta_schedule: Schedule::Cycles { cycles: 2, ramp: 0.5 },
        free_bits: 0.05,
        ..BetaVaeSpec::new(narrow(Activation::None))
    })
}

/// A β-VSC whose β, c and λ are all warmed up, with free bits.
pub(crate) fn annealed_vsc(gate: Gate) -> ModelSpec {
    ModelSpec::BetaVsc(BetaVscSpec {
        gate,
        beta_schedule: Schedule::Warmup { warmup: 0.6 },
        free_bits: 0.02,
        c: 200.0,
        c_start: Some(50.0),
        c_schedule: Schedule::Warmup { warmup: 1.0 },
        lambda_schedule: Schedule::Warmup { warmup: 0.4 },
        ..BetaVscSpec::new(narrow(Activation::Relu))
    })
}

/// With held-out cells and early stopping.
pub(crate) fn stopping_early(config: Config, validation_fraction: f64, patience: u32) -> Config {
    let train =
        config.train.map(|train| TrainSpec { validation_fraction, patience: Some(patience), ..train });
    Config { train, ..config }
}

pub(crate) fn pca(latent_dim: u32) -> Config {
    Config {
        model: ModelSpec::Pca(PcaSpec { latent_dim }),
        train: None,
        evaluation: EvaluationSpec::default(),
    }
}

pub(crate) fn config(model: ModelSpec, epochs: u32, batch_size: u32) -> Config {
    let train = Some(TrainSpec { epochs, batch_size, ..TrainSpec::default() });
    Config { model, train, evaluation: EvaluationSpec::default() }
}

/// Trains without watching.
pub(crate) fn train(
    config: &Config,
    seed: u64,
    matrix: CsrView<'_>,
    options: &TrainOptions,
) -> Result<Trained, TrainError> {
    models::train(config, seed, matrix, options, &mut |_| Control::Continue)
}

pub(crate) fn metric(trained: &Trained, name: MetricName) -> Option<f64> {
    trained.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
}

/// Everything of a trial that must be equal to the last bit, as text: all but times.
pub(crate) fn fingerprint(trained: &Trained) -> String {
    let is_exact = |name: MetricName| name.reproducibility() == domain::metric::Reproducibility::Exact;
    let metrics: Vec<_> = trained.metrics.iter().filter(|metric| is_exact(metric.name)).collect();
    let losses: Vec<EpochRecord> =
        trained.epochs.iter().map(|record| EpochRecord { seconds: 0.0, ..*record }).collect();
    let bytes: Vec<u8> = trained.latent.iter().flat_map(|value| value.to_le_bytes()).collect();
    let codes = blake3::hash(&bytes);
    format!("{metrics:?} {losses:?} {:?} {codes}", trained.diagnostics)
}
