//! Principal component analysis of the sparse matrix, centred gene by gene: the baseline that a net should have to
//! beat. It has no seed: its only random numbers are the start of an iteration that runs until they no longer matter.
//!
//! ```text
//! X_c = X − 1·μᵀ                  never formed
//! C   = X_cᵀ X_c = Xᵀ X − n μ μᵀ  never formed either, only applied to blocks of vectors
//! V   = its k leading eigenvectors, codes Z = X_c V, SSE = ‖X_c‖² − ‖Z‖²
//! ```
//!
//! Method: block Krylov subspaces with Rayleigh–Ritz and restart (Musco & Musco 2015, "Randomized Block Krylov
//! Methods"), in f64, until every residual ‖C v − θ v‖ is below 10⁻¹⁰ of the largest eigenvalue.

use cells::CsrView;
use domain::config::PcaSpec;
use domain::outcome::Diagnostics;
use domain::{MetricName, OutcomeStatus, Reconstruction};
use faer::{Mat, Side};

use crate::diagnostics::{ACTIVE_VARIANCE, column_variances};
use crate::error::TrainError;
use crate::stopwatch::Stopwatch;
use crate::streams::Streams;
use crate::train::{Term, TrainOptions, Trained, in_order};

/// Vectors beyond the wanted ones in a block: they speed up convergence of the last ones.
const SPARE_VECTORS: usize = 8;
/// Blocks of a Krylov basis between two restarts.
const BLOCKS: usize = 4;
/// Residual at which an eigenvector counts as found, relative to the largest eigenvalue.
const TOLERANCE: f64 = 1e-10;
/// Restarts before giving up; real data needs a handful.
const MAX_RESTARTS: usize = 300;

/// The k leading principal components.
pub(crate) struct Pca {
    /// Codes, cells × k, row-major.
    pub(crate) scores: Vec<f64>,
    /// Σ (x − x̂)² over all entries.
    pub(crate) sse: f64,
}

/// Runs the PCA of `spec` as a trial.
pub(crate) fn run(
    spec: &PcaSpec,
    matrix: CsrView<'_>,
    options: &TrainOptions,
) -> Result<Trained, TrainError> {
    let isa = options.resolve_isa()?;
    let stopwatch = Stopwatch::start();
    let latent_dim = spec.latent_dim as usize;
    let pca = Pca::fit(matrix, latent_dim)?;
    let train_seconds = stopwatch.seconds();

    let latent: Vec<f32> = pca.scores.iter().map(|score| *score as f32).collect();
    let code_variance = column_variances(&latent, latent_dim);
    let active_units = code_variance.iter().filter(|variance| **variance > ACTIVE_VARIANCE).count();
    let mut metrics = vec![
        (MetricName::Parameters, (matrix.n_cols * (latent_dim + 1)) as f64),
        (MetricName::ActiveUnits, active_units as f64),
        (MetricName::TrainSeconds, train_seconds),
    ];
    let term = Term { reconstruction: Reconstruction::SquaredError, n_genes: matrix.n_cols };
    metrics.extend(term.of_all(pca.sse / matrix.n_rows as f64));
    Ok(Trained {
        status: OutcomeStatus::Done,
        metrics: in_order(metrics),
        epochs: Vec::new(),
        diagnostics: Diagnostics { code_variance, ..Diagnostics::default() },
        latent,
        latent_dim,
        engine: options.engine.name(),
        isa: isa.name(),
    })
}

impl Pca {
    /// The `k` leading components of `matrix` (cells × genes).
    pub(crate) fn fit(matrix: CsrView<'_>, k: usize) -> Result<Self, TrainError> {
        let most = matrix.n_rows.min(matrix.n_cols);
        if !(1..=most).contains(&k) {
            let problem = format!(
                "found {k}, {} cells × {} genes have 1 to {most} principal components",
                matrix.n_rows, matrix.n_cols
            );
            return Err(TrainError::bad_config("latent_dim", problem));
        }
        let centred = Centred::new(matrix);
        let mut components = leading_eigenvectors(&centred, k)?;
        components.iter_mut().for_each(|component| fix_sign(component));
        let scores = centred.scores(&components);
        let explained: f64 = scores.iter().map(|score| score * score).sum();
        Ok(Self { sse: (centred.total_squares() - explained).max(0.0), scores })
    }
}

/// X_c, as something that can be applied.
struct Centred<'a> {
    matrix: CsrView<'a>,
    /// μ, genes.
    mean: Vec<f64>,
}

impl<'a> Centred<'a> {
    fn new(matrix: CsrView<'a>) -> Self {
        let mut mean = vec![0.0; matrix.n_cols];
        for (columns, values) in matrix.rows() {
            columns
                .iter()
                .zip(values)
                .for_each(|(column, value)| mean[*column as usize] += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= matrix.n_rows as f64);
        Self { matrix, mean }
    }

    /// ‖X_c‖² = ‖X‖² − n ‖μ‖².
    fn total_squares(&self) -> f64 {
        let squares: f64 = self.matrix.values.iter().map(|value| f64::from(*value).powi(2)).sum();
        squares - self.matrix.n_rows as f64 * dot(&self.mean, &self.mean)
    }

    /// X_c·V, cells × vectors, row-major.
    fn scores(&self, vectors: &[Vec<f64>]) -> Vec<f64> {
        let width = vectors.len();
        let packed = self.pack(vectors);
        let offset: Vec<f64> = vectors.iter().map(|vector| dot(&self.mean, vector)).collect();
        let mut scores = Vec::with_capacity(self.matrix.n_rows * width);
        let mut row_scores = vec![0.0; width];
        for (columns, values) in self.matrix.rows() {
            row_scores.iter_mut().zip(&offset).for_each(|(score, offset)| *score = -offset);
            for (column, value) in columns.iter().zip(values) {
                let loadings = &packed[*column as usize * width..][..width];
                axpy(f64::from(*value), loadings, &mut row_scores);
            }
            scores.extend_from_slice(&row_scores);
        }
        scores
    }

    /// C·V = X_cᵀ (X_c V), one vector for one.
    fn apply(&self, vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let width = vectors.len();
        let scores = self.scores(vectors);
        let mut packed = vec![0.0; self.matrix.n_cols * width];
        let mut sums = vec![0.0; width];
        for ((columns, values), row_scores) in self.matrix.rows().zip(scores.chunks_exact(width)) {
            axpy(1.0, row_scores, &mut sums);
            for (column, value) in columns.iter().zip(values) {
                axpy(f64::from(*value), row_scores, &mut packed[*column as usize * width..][..width]);
            }
        }
        (0..width)
            .map(|position| {
                let gathered = packed.iter().skip(position).step_by(width);
                gathered.zip(&self.mean).map(|(value, mean)| value - mean * sums[position]).collect()
            })
            .collect()
    }

    /// The vectors side by side: genes × vectors, row-major, so that a gene's loadings are neighbours.
    fn pack(&self, vectors: &[Vec<f64>]) -> Vec<f64> {
        let width = vectors.len();
        let mut packed = vec![0.0; self.matrix.n_cols * width];
        for (position, vector) in vectors.iter().enumerate() {
            packed
                .iter_mut()
                .skip(position)
                .step_by(width)
                .zip(vector)
                .for_each(|(slot, value)| *slot = *value);
        }
        packed
    }
}

/// The eigenvectors of C for its `k` largest eigenvalues, largest first.
fn leading_eigenvectors(centred: &Centred<'_>, k: usize) -> Result<Vec<Vec<f64>>, TrainError> {
    let genes = centred.matrix.n_cols;
    let block = (k + SPARE_VECTORS).min(genes);
    let mut vectors = random_block(genes, block);
    let mut images = centred.apply(&vectors);
    for _ in 0..MAX_RESTARTS {
        let mut newest = images.clone();
        for _ in 1..BLOCKS {
            let added = extend_orthonormal(&mut vectors, newest);
            if added == 0 {
                break;
            }
            newest = centred.apply(&vectors[vectors.len() - added..]);
            images.extend_from_slice(&newest);
        }
        let ritz = rayleigh_ritz(&vectors, &images, block)?;
        if ritz.largest_residual(k) <= TOLERANCE * ritz.values[0].max(f64::MIN_POSITIVE) {
            return Ok(ritz.vectors.into_iter().take(k).collect());
        }
        vectors = ritz.vectors;
        images = ritz.images;
    }
    Err(TrainError::Pca { problem: format!("after {MAX_RESTARTS} restarts for {k} components") })
}

/// Approximate eigenvectors within a subspace, largest eigenvalue first.
struct Ritz {
    values: Vec<f64>,
    vectors: Vec<Vec<f64>>,
    /// C times the vectors.
    images: Vec<Vec<f64>>,
}

impl Ritz {
    /// Largest ‖C v − θ v‖ of the first `k`.
    fn largest_residual(&self, k: usize) -> f64 {
        let residual = |position: usize| {
            let (value, vector) = (self.values[position], &self.vectors[position]);
            let squares =
                self.images[position].iter().zip(vector).map(|(image, entry)| image - value * entry);
            squares.map(|difference| difference * difference).sum::<f64>().sqrt()
        };
        (0..k).map(residual).fold(0.0, f64::max)
    }
}

/// The best `count` approximate eigenvectors in the span of the orthonormal `vectors`, whose images under C are known.
fn rayleigh_ritz(vectors: &[Vec<f64>], images: &[Vec<f64>], count: usize) -> Result<Ritz, TrainError> {
    let size = vectors.len();
    // Symmetric up to rounding; only the lower half is read.
    let projected =
        Mat::from_fn(
            size,
            size,
            |row, column| {
                if row >= column { dot(&vectors[row], &images[column]) } else { 0.0 }
            },
        );
    let eigen = projected
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| TrainError::Pca { problem: format!("inner eigenvalue problem: {error:?}") })?;
    let (rotation, spectrum) = (eigen.U(), eigen.S().column_vector());
    // Ascending in faer, descending here.
    let order = (0..size).rev().take(count);
    let combine = |basis: &[Vec<f64>], column: usize| {
        let mut sum = vec![0.0; basis[0].len()];
        basis.iter().enumerate().for_each(|(row, vector)| axpy(rotation[(row, column)], vector, &mut sum));
        sum
    };
    Ok(Ritz {
        values: order.clone().map(|column| spectrum[column]).collect(),
        vectors: order.clone().map(|column| combine(vectors, column)).collect(),
        images: order.map(|column| combine(images, column)).collect(),
    })
}

/// Adds the parts of `candidates` orthogonal to `basis` and to each other; gives how many were not negligible.
fn extend_orthonormal(basis: &mut Vec<Vec<f64>>, candidates: Vec<Vec<f64>>) -> usize {
    let before = basis.len();
    for mut candidate in candidates {
        if basis.len() == candidate.len() {
            break;
        }
        if let Some(length) = orthogonalise(&mut candidate, basis) {
            candidate.iter_mut().for_each(|value| *value /= length);
            basis.push(candidate);
        }
    }
    basis.len() - before
}

/// Takes from `vector` what it shares with the orthonormal `basis` and gives the length of the rest; `None` when only
/// rounding errors are left. Repeated until a pass no longer halves it: cancellation leaves overlaps (Kahan's and
/// Parlett's criterion).
fn orthogonalise(vector: &mut [f64], basis: &[Vec<f64>]) -> Option<f64> {
    let original = norm(vector);
    let mut length = original;
    loop {
        for direction in basis {
            let overlap = dot(direction, vector);
            axpy(-overlap, direction, vector);
        }
        let rest = norm(vector);
        if rest <= 1e-12 * original {
            return None;
        }
        if rest > 0.5 * length {
            return Some(rest);
        }
        length = rest;
    }
}

/// `count` orthonormal vectors of length `len` in random directions, the same ones every time.
fn random_block(len: usize, count: usize) -> Vec<Vec<f64>> {
    let mut stream = Streams::new(0).open("pca start", 0);
    let mut vectors = Vec::with_capacity(count);
    while vectors.len() < count {
        let direction = stream.normals(len).into_iter().map(f64::from).collect();
        extend_orthonormal(&mut vectors, vec![direction]);
    }
    vectors
}

/// An eigenvector's sign is free: the entry of largest size (the first of equals) becomes positive.
fn fix_sign(vector: &mut [f64]) {
    let mut largest = 0.0_f64;
    for value in vector.iter() {
        if value.abs() > largest.abs() {
            largest = *value;
        }
    }
    if largest < 0.0 {
        vector.iter_mut().for_each(|value| *value = -*value);
    }
}

/// Σ a·b in eight interleaved sums: a fixed order that the compiler can vectorise.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (chunks_a, chunks_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = chunks_a.remainder().iter().zip(chunks_b.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0; 8];
    for (x, y) in chunks_a.zip(chunks_b) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + tail
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// y += factor·x.
fn axpy(factor: f64, x: &[f64], y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}
