//! A trial: one config with one seed on one data set.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::ids::{ConfigId, Fingerprint, TrialId};

/// One trial of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Who it is.
    pub id: TrialId,
    /// Who its config is.
    pub config_id: ConfigId,
    /// What to train.
    pub config: Config,
    /// Drives initial weights, shuffling and latent noise, each a stream of its own.
    pub seed: u64,
    /// What to train on.
    pub data: Fingerprint,
}

impl Trial {
    /// The trial of `config` with `seed` on `data`.
    #[must_use]
    pub fn new(config: Config, seed: u64, data: Fingerprint) -> Self {
        Self { id: config.trial_id(seed, &data), config_id: config.id(&data), config, seed, data }
    }
}

/// Where a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialState {
    /// Waits for a worker.
    Pending,
    /// A worker holds a lease on it.
    Leased,
    /// Ended with numbers.
    Done,
    /// Ended with a loss that is not finite or exploded: a result, counted and shown.
    Diverged,
    /// Ended with an error that would come again.
    Failed,
    /// Ended because it took three different workers down.
    Poisoned,
    /// Ended because a person said so.
    Cancelled,
}

impl TrialState {
    /// Every state, in the order in which people see them.
    pub const ALL: &'static [Self] = &[
        Self::Pending,
        Self::Leased,
        Self::Done,
        Self::Diverged,
        Self::Failed,
        Self::Poisoned,
        Self::Cancelled,
    ];

    /// Its name in store, CLI and report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Poisoned => "poisoned",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.name() == name)
    }

    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Leased)
    }
}
