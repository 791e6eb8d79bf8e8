//! What the tests share: small matrices, configs and shorthands. No assertions on results.

use cells::CsrView;
use domain::config::{
    Activation, AeSpec, BetaVaeSpec, BetaVscSpec, Encode, EvaluationSpec, Gate, NetSpec, PcaSpec,
};
use domain::{Config, MetricName, ModelSpec, TrainSpec};
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
    ModelSpec::BetaVae(BetaVaeSpec { net, beta: 2.0, encode })
}

pub(crate) fn beta_vsc(net: NetSpec, gate: Gate, encode: Encode) -> ModelSpec {
    ModelSpec::BetaVsc(BetaVscSpec { net, beta: 2.0, alpha: 0.5, c: 50.0, gate, encode })
}

/// One of each, with both kinds of gate and both forms of the decoder.
pub(crate) fn every_model() -> Vec<(&'static str, ModelSpec)> {
    vec![
        ("ae", ae(narrow(Activation::None))),
        ("ae wide", ae(wide())),
        ("beta-vae", beta_vae(narrow(Activation::None), Encode::Mean)),
        ("beta-vsc", beta_vsc(narrow(Activation::Relu), Gate::ExpRelu, Encode::Mean)),
        ("beta-vsc wide", beta_vsc(wide(), Gate::Sigmoid, Encode::Mean)),
    ]
}

pub(crate) fn pca(latent_dim: u32) -> Config {
    Config {
        model: ModelSpec::Pca(PcaSpec { latent_dim }),
        train: None,
        evaluation: EvaluationSpec::default(),
    }
}

pub(crate) fn config(model: ModelSpec, epochs: u32, batch_size: u32) -> Config {
    let train = Some(TrainSpec { epochs, batch_size, learning_rate: 1e-3 });
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
    let losses: Vec<_> =
        trained.epochs.iter().map(|e| (e.loss_per_cell, e.sse_per_cell, e.kl_per_cell)).collect();
    let bytes: Vec<u8> = trained.latent.iter().flat_map(|value| value.to_le_bytes()).collect();
    let codes = blake3::hash(&bytes);
    format!("{metrics:?} {losses:?} {:?} {codes}", trained.diagnostics)
}
