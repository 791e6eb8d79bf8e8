//! What goes into training and what comes out of it, apart from the config.
//!
//! Must not live here: training itself.

use cells::CsrView;
use domain::outcome::Diagnostics;
use domain::{EpochRecord, Metric, OutcomeStatus};
use kernels::{Isa, PreparedMatrix};

use crate::error::TrainError;

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

impl TrainOptions {
    /// The instruction set to use.
    pub(crate) fn resolve_isa(&self) -> Result<Isa, TrainError> {
        Ok(match self.isa {
            Some(isa) => isa.checked()?,
            None => Isa::best()?,
        })
    }
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
    /// How many epochs there will be, if none stops it early.
    pub epochs: u32,
}

/// A trained model's numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// How training ended.
    pub status: OutcomeStatus,
    /// Those that exist, finite, in the order of [`domain::MetricName::ALL`]. A diverged trial has no losses.
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

/// Loss of a batch and its gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchGradients {
    /// Reconstruction term, summed over genes and cells: squared error, or −log likelihood of counts.
    pub sse: f64,
    /// KL terms, summed over dimensions and cells, not multiplied by β.
    pub kl: f64,
    /// The spike's part of `kl`; 0 for a model without.
    pub kl_spike: f64,
    /// What is descended, summed over cells: `sse` and the KL terms with the step's β and free bits.
    pub loss: f64,
    /// Name of every trained tensor and the gradient of `loss` by it; for models of counts that of the mean over cells.
    pub tensors: Vec<(String, Vec<f32>)>,
}
