//! A config: everything that decides a trial's numbers apart from its seed and its data. Checked once when the grid
//! file is read; inside the product every `Config` is valid.

use serde::{Deserialize, Serialize};

use crate::canonical::to_canonical_json;
use crate::ids::{ConfigId, Fingerprint, TrialId};

/// The models, by the names that people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Principal component analysis: the baseline that every leaderboard should have to beat.
    Pca,
    /// Deep autoencoder.
    Ae,
    /// β-VAE (Higgins et al. 2017).
    BetaVae,
    /// β-VSC: variational sparse coding (Tonolini et al. 2019).
    BetaVsc,
}

impl ModelKind {
    /// Every model, in the order in which people see them.
    pub const ALL: &'static [Self] = &[Self::Pca, Self::Ae, Self::BetaVae, Self::BetaVsc];

    /// Its name in grid file, leaderboard and report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pca => "pca",
            Self::Ae => "ae",
            Self::BetaVae => "beta-vae",
            Self::BetaVsc => "beta-vsc",
        }
    }

    /// The model of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether the seed changes its numbers. PCA has none: it runs once, not once a seed.
    #[must_use]
    pub const fn is_seeded(self) -> bool {
        !matches!(self, Self::Pca)
    }

    /// What its reconstruction loss measures, in words. Losses of different kinds are never ranked against each other.
    #[must_use]
    pub const fn loss(self) -> &'static str {
        match self {
            Self::Pca | Self::Ae | Self::BetaVae | Self::BetaVsc => "squared error",
        }
    }
}

impl std::fmt::Display for ModelKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What follows a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// max(0, x), gradient 0 at 0 as in PyTorch.
    Relu,
}

/// The study's nets by name. A preset is only a way to write a [`NetSpec`]; it is not part of a config's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The nets of the study's report: 128, 32, branches of 16; decoder 16, 32, 128.
    #[default]
    Report,
    /// The nets of the study's code: 800, 400, no branch layer; decoder 80, 400, 800 (its AE is the report's).
    Code,
}

/// Widths of a net for `d` genes and `latent_dim` codes.
///
/// Encoder `d → encoder[0]` (`first_activation`), `→ encoder[1]` ReLU …; each head `→ branch[0]` ReLU … `→ latent_dim`
/// (linear); decoder `latent_dim → decoder[0]` ReLU … `→ d` (linear).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    /// Latent dimensions, 1 to 1024.
    pub latent_dim: u32,
    /// Widths of the encoder's trunk, at least one, each 1 to 65,536.
    pub encoder: Vec<u32>,
    /// Widths of each head's own hidden layers; may be empty.
    pub branch: Vec<u32>,
    /// Hidden widths of the decoder, at least one.
    pub decoder: Vec<u32>,
    /// What follows the first layer.
    pub first_activation: Activation,
}

impl NetSpec {
    /// The net of `preset` for `model` with `latent_dim` codes (science of the two presets: the study's report and code).
    #[must_use]
    pub fn of_preset(preset: Preset, model: ModelKind, latent_dim: u32) -> Self {
        let is_wide = preset == Preset::Code && matches!(model, ModelKind::BetaVae | ModelKind::BetaVsc);
        if is_wide {
            Self {
                latent_dim,
                encoder: vec![800, 400],
                branch: vec![],
                decoder: vec![80, 400, 800],
                first_activation: if model == ModelKind::BetaVsc {
                    Activation::Relu
                } else {
                    Activation::None
                },
            }
        } else {
            Self {
                latent_dim,
                encoder: vec![128, 32],
                branch: vec![16],
                decoder: vec![16, 32, 128],
                first_activation: Activation::None,
            }
        }
    }
}

/// Which point of the posterior stands for a cell in the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encode {
    /// The expected code: VAE μ, VSC γ·μ.
    #[default]
    Mean,
    /// One draw from the posterior (what the study did for its VAE).
    Sample,
    /// VSC: μ with the gate ignored (what the study did for its VSC).
    Mu,
    /// VSC: μ where γ > ½, exactly 0 elsewhere.
    Thresholded,
}

/// How γ follows from the spike head's output v.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// log γ = −ReLU(−v): the study's gate; γ = 1 and no gradient for v > 0.
    #[default]
    ExpRelu,
    /// γ = 1 / (1 + exp(−v)): never dead.
    Sigmoid,
}

/// Principal components of the centred matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcaSpec {
    /// Components, 1 to 1024.
    pub latent_dim: u32,
}

/// Deep autoencoder: loss SSE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AeSpec {
    /// Widths.
    pub net: NetSpec,
    /// What follows z (the study's report says ReLU, its code nothing).
    pub latent_activation: Activation,
}

/// β-VAE: loss SSE + β·KL. With SSE, β = 2 is the plain unit-variance Gaussian VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetaVaeSpec {
    /// Widths.
    pub net: NetSpec,
    /// Weight of the KL term, >= 0.
    pub beta: f64,
    /// Code of a cell in the evaluation: `mean` or `sample`.
    pub encode: Encode,
}

/// β-VSC: loss SSE + β·(KL of the slab + KL of the spike).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetaVscSpec {
    /// Widths.
    pub net: NetSpec,
    /// Weight of both KL terms, >= 0.
    pub beta: f64,
    /// Prior probability of a spike, in (0, 1).
    pub alpha: f64,
    /// Steepness of the relaxed gate in training, > 0.
    pub c: f64,
    /// How γ follows from the head.
    pub gate: Gate,
    /// Code of a cell in the evaluation.
    pub encode: Encode,
}

/// One model with its parameters. A variant has exactly the keys that change its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelSpec {
    /// See [`PcaSpec`].
    Pca(PcaSpec),
    /// See [`AeSpec`].
    Ae(AeSpec),
    /// See [`BetaVaeSpec`].
    BetaVae(BetaVaeSpec),
    /// See [`BetaVscSpec`].
    BetaVsc(BetaVscSpec),
}

impl ModelSpec {
    /// Which model.
    #[must_use]
    pub const fn kind(&self) -> ModelKind {
        match self {
            Self::Pca(_) => ModelKind::Pca,
            Self::Ae(_) => ModelKind::Ae,
            Self::BetaVae(_) => ModelKind::BetaVae,
            Self::BetaVsc(_) => ModelKind::BetaVsc,
        }
    }

    /// Its net; PCA has none.
    #[must_use]
    pub const fn net(&self) -> Option<&NetSpec> {
        match self {
            Self::Pca(_) => None,
            Self::Ae(spec) => Some(&spec.net),
            Self::BetaVae(spec) => Some(&spec.net),
            Self::BetaVsc(spec) => Some(&spec.net),
        }
    }

    /// Dimensions of a code.
    #[must_use]
    pub const fn latent_dim(&self) -> u32 {
        match self {
            Self::Pca(spec) => spec.latent_dim,
            Self::Ae(spec) => spec.net.latent_dim,
            Self::BetaVae(spec) => spec.net.latent_dim,
            Self::BetaVsc(spec) => spec.net.latent_dim,
        }
    }

    /// Weight of the KL terms, where the model has one.
    #[must_use]
    pub const fn beta(&self) -> Option<f64> {
        match self {
            Self::Pca(_) | Self::Ae(_) => None,
            Self::BetaVae(spec) => Some(spec.beta),
            Self::BetaVsc(spec) => Some(spec.beta),
        }
    }
}

/// How a net is trained: Adam as PyTorch's (0.9, 0.999, eps 1e-8), a new shuffle every epoch, the short last batch kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// Passes over the data, 1 to 100,000.
    pub epochs: u32,
    /// Cells a step, 1 to 65,536.
    pub batch_size: u32,
    /// Adam's step, > 0.
    pub learning_rate: f64,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self { epochs: 200, batch_size: 256, learning_rate: 1e-3 }
    }
}

/// Mean in the denominator of NMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NmiAverage {
    /// (H(U) + H(V)) / 2: scikit-learn's default since 0.22.
    #[default]
    Arithmetic,
    /// √(H(U)·H(V)): the study's, scikit-learn's before 0.22.
    Geometric,
}

/// How a trained trial is scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSpec {
    /// t-SNE's perplexity, in 2..=1000; lowered to (cells − 1) / 3 where there are fewer cells.
    pub perplexity: f64,
    /// t-SNE's iterations in all, early exaggeration included; 0 draws no maps.
    pub tsne_iterations: u32,
    /// Starts of k-means, 1 to 10,000; the best inertia counts.
    pub kmeans_starts: u32,
    /// Clusters of k-means; by default the number of label classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<u32>,
    /// Mean in NMI's denominator.
    pub nmi: NmiAverage,
}

impl Default for EvaluationSpec {
    fn default() -> Self {
        Self {
            perplexity: 40.0,
            tsne_iterations: 1000,
            kmeans_starts: 100,
            clusters: None,
            nmi: NmiAverage::Arithmetic,
        }
    }
}

/// A trial without its seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Model and its parameters.
    pub model: ModelSpec,
    /// Training; `None` for a model that has none (PCA).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainSpec>,
    /// Scoring.
    pub evaluation: EvaluationSpec,
}

impl Config {
    /// The canonical text that travels, is stored and is hashed.
    ///
    /// # Panics
    /// Never: a config is a tree of structs with string keys.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        to_canonical_json(self).expect("a config has only string keys")
    }

    /// Who this config is on the data set `data`.
    #[must_use]
    pub fn id(&self, data: &Fingerprint) -> ConfigId {
        ConfigId::of(format!("latentsweep config v1\n{}\n{data}\n", self.canonical_json()).as_bytes())
    }

    /// Who the trial of this config with `seed` on the data set `data` is.
    #[must_use]
    pub fn trial_id(&self, seed: u64, data: &Fingerprint) -> TrialId {
        let identity = format!(
            "latentsweep trial v1\n{}\n{seed}\n{data}\n{}\n",
            self.canonical_json(),
            crate::RNG_VERSION
        );
        TrialId::of(identity.as_bytes())
    }
}
