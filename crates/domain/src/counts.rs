//! The parameters of the models of counts, and what tells their losses from those of squares. Part of [`crate::config`],
//! which re-exports them; the other models' parameters stand there.

use serde::{Deserialize, Serialize};

use crate::metric::MetricName;
use crate::schedule::Schedule;

/// What a model's reconstruction term measures. Losses of two kinds are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reconstruction {
    /// Σ (x − x̂)² of transformed values.
    SquaredError,
    /// −log NB(x) of counts.
    NegativeBinomial,
}

impl Reconstruction {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::SquaredError => "squared error",
            Self::NegativeBinomial => "negative binomial",
        }
    }

    /// The metric that says how well a trained model reconstructs: of all cells, and where cells were held out, of those.
    #[must_use]
    pub const fn metrics(self) -> [MetricName; 2] {
        match self {
            Self::SquaredError => [MetricName::SsePerCell, MetricName::ValidationSsePerCell],
            Self::NegativeBinomial => [MetricName::NllPerCell, MetricName::ValidationNllPerCell],
        }
    }

    /// Whether it is one of counts, which a model then has to be given.
    #[must_use]
    pub const fn is_of_counts(self) -> bool {
        matches!(self, Self::NegativeBinomial)
    }
}

/// scVI: loss −log NB + β·KL. The defaults are scvi-tools'.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScviSpec {
    /// Latent dimensions, 1 to 1024.
    pub latent_dim: u32,
    /// Widths of the encoder, at least one.
    pub encoder: Vec<u32>,
    /// Hidden widths of the decoder, at least one.
    pub decoder: Vec<u32>,
    /// Share of the encoder's units that drop out in training, in [0, 1).
    pub dropout: f64,
    /// Weight of the KL term, >= 0; 1 is the evidence bound.
    pub beta: f64,
    /// How β rises from 0 to its value.
    pub beta_schedule: Schedule,
    /// Nat of KL that each dimension may have without a penalty, >= 0.
    pub free_bits: f64,
}

impl Default for ScviSpec {
    fn default() -> Self {
        Self {
            latent_dim: 10,
            encoder: vec![128],
            decoder: vec![128],
            dropout: 0.1,
            beta: 1.0,
            beta_schedule: Schedule::Warmup { warmup: 1.0 },
            free_bits: 0.0,
        }
    }
}

/// LDVAE: scVI with a linear decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LdvaeSpec {
    /// Latent dimensions, 1 to 1024.
    pub latent_dim: u32,
    /// Widths of the encoder, at least one.
    pub encoder: Vec<u32>,
    /// Share of the encoder's units that drop out in training, in [0, 1).
    pub dropout: f64,
    /// Weight of the KL term, >= 0; 1 is the evidence bound.
    pub beta: f64,
    /// How β rises from 0 to its value.
    pub beta_schedule: Schedule,
    /// Nat of KL that each dimension may have without a penalty, >= 0.
    pub free_bits: f64,
}

impl Default for LdvaeSpec {
    fn default() -> Self {
        let ScviSpec { latent_dim, encoder, dropout, beta, beta_schedule, free_bits, .. } =
            ScviSpec::default();
        Self { latent_dim, encoder, dropout, beta, beta_schedule, free_bits }
    }
}

/// DCA: loss −log NB. The defaults are its code's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DcaSpec {
    /// Width of the bottleneck, 1 to 1024.
    pub latent_dim: u32,
    /// Widths before the bottleneck, at least one.
    pub encoder: Vec<u32>,
    /// Widths after the bottleneck, at least one.
    pub decoder: Vec<u32>,
    /// Share of each hidden layer's units that drop out in training, in [0, 1).
    pub dropout: f64,
}

impl Default for DcaSpec {
    fn default() -> Self {
        Self { latent_dim: 32, encoder: vec![64], decoder: vec![64], dropout: 0.0 }
    }
}
