//! What comes back from a trial: numbers, curves, references to artifacts, or a typed failure.

use serde::{Deserialize, Serialize};

use crate::ids::ArtifactHash;
use crate::metric::{Metric, MetricName};

/// How training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeStatus {
    /// With numbers.
    Done,
    /// The loss was not finite or exploded: training stopped there.
    Diverged,
}

/// One epoch of training; all values are means over the cells of the epoch, as the optimiser saw them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// Reconstruction term + β·KL, with the β and the free bits of each step.
    pub loss_per_cell: f64,
    /// Reconstruction term summed over genes: squared error, or for a model of counts −log likelihood (which the name
    /// does not say: it is older than they are).
    pub sse_per_cell: f64,
    /// KL terms, not multiplied by β; 0 for a model without.
    pub kl_per_cell: f64,
    /// VSC: the spike's part of `kl_per_cell`; the rest is the slab's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_spike_per_cell: Option<f64>,
    /// Reconstruction term of the held-out cells after the epoch, deterministic code; only with held-out cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_sse_per_cell: Option<f64>,
    /// `validation_sse_per_cell` + β·KL of the held-out cells, with the full β and no free bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss_per_cell: Option<f64>,
    /// Wall time, that of the held-out cells included.
    pub seconds: f64,
}

/// What the latent space looks like after training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Diagnostics {
    /// KL per latent dimension, mean over cells, nat; empty for a model without.
    pub kl_per_dim: Vec<f64>,
    /// Variance over cells of the code, per dimension.
    pub code_variance: Vec<f64>,
    /// VSC: the spike's part of `kl_per_dim`; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kl_spike_per_dim: Vec<f64>,
    /// VSC: mean γ per dimension; else empty.
    pub mean_gate: Vec<f64>,
    /// VSC: share of (cell, dimension) pairs whose thresholded code is exactly 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_share: Option<f64>,
    /// VSC: share of (cell, dimension) pairs that are exactly 0 in one draw from the posterior with the hard gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_zero_share: Option<f64>,
    /// VSC: dimensions (from 0, ascending) whose gate is pinned at γ = 1 with no gradient for every cell: they are a
    /// VAE's, and no training will close them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead_gates: Vec<u32>,
}

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// Codes, maps and partitions: [`crate::embedding::Embedding`].
    Embedding,
}

impl ArtifactKind {
    /// Its name on the wire and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        (name == Self::Embedding.name()).then_some(Self::Embedding)
    }
}

/// A file that belongs to an outcome, kept by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// What it is.
    pub kind: ArtifactKind,
    /// Hash of its bytes.
    pub hash: ArtifactHash,
    /// Their number.
    pub bytes: u64,
}

/// Largest checkpoint: a net of 800-wide gene layers over 50,000 genes, weights and both moments.
pub const MAX_CHECKPOINT_BYTES: u64 = 1 << 30;

/// Where a trial stood when its worker gave it back: a file kept by its content until the trial ends. What is in it only
/// workers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRef {
    /// Hash of its bytes.
    pub hash: ArtifactHash,
    /// Their number, at most [`MAX_CHECKPOINT_BYTES`].
    pub bytes: u64,
    /// Epochs that were done: the worker's word, for people.
    pub epoch: u32,
}

/// Where and with what a trial ran. Never part of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Environment {
    /// The worker's name.
    pub worker: String,
    /// Its host.
    pub host: String,
    /// Version of latentsweep.
    pub version: String,
    /// `cpu` or the name of a GPU.
    pub device: String,
    /// Instruction set of the kernels (`avx512`, `avx2`, `portable`): results of two sets may differ in the last bits.
    pub isa: String,
    /// `sparse` (own kernels) or `dense` (the candle reference).
    pub engine: String,
}

/// An accepted end of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub status: OutcomeStatus,
    /// Numbers, in the order of [`MetricName::ALL`], each at most once.
    pub metrics: Vec<Metric>,
    /// One record an epoch; empty for a model that is not trained by epochs.
    pub epochs: Vec<EpochRecord>,
    /// The latent space.
    pub diagnostics: Diagnostics,
    /// Files.
    pub artifacts: Vec<ArtifactRef>,
    /// Where it ran.
    pub environment: Environment,
}

impl Outcome {
    /// The value of one metric, if the trial has it.
    #[must_use]
    pub fn metric(&self, name: MetricName) -> Option<f64> {
        self.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }
}

/// Why a trial did not end with an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The worker died, was killed or fell silent while it ran the trial.
    WorkerLost,
    /// The trial made no progress within the limit.
    Stalled,
    /// The trial panicked.
    Panic,
    /// The config cannot be trained on this data.
    BadConfig,
    /// The data set could not be fetched or read.
    DataUnavailable,
    /// Memory ran out.
    OutOfMemory,
    /// The worker was drained, preempted or stopped by its operator and gave the trial back.
    Returned,
    /// Anything else that the worker could name.
    Internal,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::WorkerLost,
        Self::Stalled,
        Self::Panic,
        Self::BadConfig,
        Self::DataUnavailable,
        Self::OutOfMemory,
        Self::Returned,
        Self::Internal,
    ];

    /// Its name on the wire, in the store and in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorkerLost => "worker-lost",
            Self::Stalled => "stalled",
            Self::Panic => "panic",
            Self::BadConfig => "bad-config",
            Self::DataUnavailable => "data-unavailable",
            Self::OutOfMemory => "out-of-memory",
            Self::Returned => "returned",
            Self::Internal => "internal",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it counts against the trial: a worker that was told to stop says nothing about the trial.
    #[must_use]
    pub const fn counts_as_attempt(self) -> bool {
        !matches!(self, Self::Returned | Self::DataUnavailable)
    }

    /// How many failures of this kind a trial may have before it ends.
    #[must_use]
    pub const fn limit(self) -> u32 {
        match self {
            Self::Panic | Self::BadConfig | Self::Internal => 2,
            Self::WorkerLost | Self::Stalled | Self::OutOfMemory => 3,
            Self::Returned | Self::DataUnavailable => u32::MAX,
        }
    }
}
