//! Why a trial could not be trained. What a person is told about it is the binaries' business.

/// Training that ended without a result. A loss that is not finite is no error but an outcome
/// ([`domain::OutcomeStatus::Diverged`]).
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The config cannot be trained on this data: it would fail again wherever it ran.
    #[error("config cannot be trained on this data: {field}: {problem}")]
    BadConfig {
        /// Key of the config, as in the grid file.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The matrix breaks its own promises (lengths, order or range of indices, values that are not finite).
    #[error("data cannot be trained on: {problem}")]
    BadData {
        /// What is wrong.
        problem: String,
    },
    /// The caller said [`crate::Control::Stop`].
    #[error("training was stopped after epoch {epoch}")]
    Stopped {
        /// Epochs that were complete.
        epoch: u32,
    },
    /// A checkpoint belongs to another net, another data set or another number of cells.
    #[error("checkpoint does not fit: {problem}")]
    BadCheckpoint {
        /// What differs.
        problem: String,
    },
    /// The kernels refused their input, or the instruction set asked for.
    #[error(transparent)]
    Kernels(#[from] kernels::KernelError),
    /// A tensor operation failed.
    #[error("tensor operation failed")]
    Tensor(#[from] candle_core::Error),
    /// An eigenvalue problem did not converge.
    #[error("PCA did not converge: {problem}")]
    Pca {
        /// Where it stood.
        problem: String,
    },
}

impl TrainError {
    pub(crate) fn bad_config(field: &'static str, problem: impl Into<String>) -> Self {
        Self::BadConfig { field, problem: problem.into() }
    }

    pub(crate) fn bad_data(problem: impl Into<String>) -> Self {
        Self::BadData { problem: problem.into() }
    }

    pub(crate) fn bad_checkpoint(problem: impl Into<String>) -> Self {
        Self::BadCheckpoint { problem: problem.into() }
    }
}
