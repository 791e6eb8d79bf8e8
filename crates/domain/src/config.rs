//! A config: everything that decides a trial's numbers apart from its seed and its data. Checked once when the grid
//! file is read; inside the product every `Config` is valid.

use serde::{Deserialize, Serialize};

use crate::canonical::to_canonical_json;
use crate::ids::{ConfigId, Fingerprint, TrialId};
use crate::schedule::Schedule;

pub use crate::counts::{DcaSpec, LdvaeSpec, Reconstruction, ScviSpec};

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
    /// scVI: a VAE with a negative binomial likelihood of counts (Lopez et al. 2018).
    Scvi,
    /// LDVAE: scVI with a linear decoder (Svensson et al. 2020).
    Ldvae,
    /// DCA: deep count autoencoder (Eraslan et al. 2019).
    Dca,
}

impl ModelKind {
    /// Every model, in the order in which people see them.
    pub const ALL: &'static [Self] =
        &[Self::Pca, Self::Ae, Self::BetaVae, Self::BetaVsc, Self::Scvi, Self::Ldvae, Self::Dca];

    /// Its name in grid file, leaderboard and report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pca => "pca",
            Self::Ae => "ae",
            Self::BetaVae => "beta-vae",
            Self::BetaVsc => "beta-vsc",
            Self::Scvi => "scvi",
            Self::Ldvae => "ldvae",
            Self::Dca => "dca",
        }
    }

    /// The model of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// What its reconstruction term measures.
    #[must_use]
    pub const fn reconstruction(self) -> Reconstruction {
        match self {
            Self::Pca | Self::Ae | Self::BetaVae | Self::BetaVsc => Reconstruction::SquaredError,
            Self::Scvi | Self::Ldvae | Self::Dca => Reconstruction::NegativeBinomial,
        }
    }

    /// Whether the seed changes its numbers. PCA has none: it runs once, not once a seed.
    #[must_use]
    pub const fn is_seeded(self) -> bool {
        !matches!(self, Self::Pca)
    }

    /// What its reconstruction loss measures, in words. Losses of different kinds are never ranked against each other.
    #[must_use]
    pub const fn loss(self) -> &'static str {
        self.reconstruction().words()
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
    /// How β rises from 0 to its value.
    #[serde(default, skip_serializing_if = "Schedule::is_constant")]
    pub beta_schedule: Schedule,
    /// Nat of KL that each dimension may have without a penalty, >= 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub free_bits: f64,
    /// Code of a cell in the evaluation: `mean` or `sample`.
    pub encode: Encode,
}

impl BetaVaeSpec {
    /// The defaults on `net`.
    #[must_use]
    pub const fn new(net: NetSpec) -> Self {
        Self { net, beta: 2.0, beta_schedule: Schedule::Constant, free_bits: 0.0, encode: Encode::Mean }
    }
}

/// β-VSC: loss SSE + β·(KL of the slab + KL of the spike).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetaVscSpec {
    /// Widths.
    pub net: NetSpec,
    /// Weight of both KL terms, >= 0.
    pub beta: f64,
    /// How β rises from 0 to its value.
    #[serde(default, skip_serializing_if = "Schedule::is_constant")]
    pub beta_schedule: Schedule,
    /// Nat of KL that each dimension may have without a penalty, >= 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub free_bits: f64,
    /// Prior probability that a dimension is in use (not a spike), in (0, 1).
    pub alpha: f64,
    /// Steepness of the relaxed gate in training, > 0.
    pub c: f64,
    /// Steepness at the start, > 0; only with a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c_start: Option<f64>,
    /// How the steepness goes from `c_start` to `c`.
    #[serde(default, skip_serializing_if = "Schedule::is_constant")]
    pub c_schedule: Schedule,
    /// How λ rises from 0 (the slab is N(0, 1), only the gates speak) to 1.
    #[serde(default, skip_serializing_if = "Schedule::is_constant")]
    pub lambda_schedule: Schedule,
    /// How γ follows from the head.
    pub gate: Gate,
    /// Code of a cell in the evaluation.
    pub encode: Encode,
}

impl BetaVscSpec {
    /// The defaults on `net`.
    #[must_use]
    pub const fn new(net: NetSpec) -> Self {
        Self {
            net,
            beta: 2.0,
            beta_schedule: Schedule::Constant,
            free_bits: 0.0,
            alpha: 0.5,
            c: 50.0,
            c_start: None,
            c_schedule: Schedule::Constant,
            lambda_schedule: Schedule::Constant,
            gate: Gate::ExpRelu,
            encode: Encode::Mean,
        }
    }
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
    /// See [`ScviSpec`].
    Scvi(ScviSpec),
    /// See [`LdvaeSpec`].
    Ldvae(LdvaeSpec),
    /// See [`DcaSpec`].
    Dca(DcaSpec),
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
            Self::Scvi(_) => ModelKind::Scvi,
            Self::Ldvae(_) => ModelKind::Ldvae,
            Self::Dca(_) => ModelKind::Dca,
        }
    }

    /// Its net, where it is one of the study's shape: PCA has none, the nets of counts have their own.
    #[must_use]
    pub const fn net(&self) -> Option<&NetSpec> {
        match self {
            Self::Pca(_) | Self::Scvi(_) | Self::Ldvae(_) | Self::Dca(_) => None,
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
            Self::Scvi(spec) => spec.latent_dim,
            Self::Ldvae(spec) => spec.latent_dim,
            Self::Dca(spec) => spec.latent_dim,
        }
    }

    /// Weight of the KL terms, where the model has one.
    #[must_use]
    pub const fn beta(&self) -> Option<f64> {
        match self {
            Self::Pca(_) | Self::Ae(_) | Self::Dca(_) => None,
            Self::BetaVae(spec) => Some(spec.beta),
            Self::BetaVsc(spec) => Some(spec.beta),
            Self::Scvi(spec) => Some(spec.beta),
            Self::Ldvae(spec) => Some(spec.beta),
        }
    }
}

impl ModelSpec {
    /// Its schedules by the grid file's names.
    #[must_use]
    pub fn schedules(&self) -> Vec<(&'static str, Schedule)> {
        match self {
            Self::Pca(_) | Self::Ae(_) | Self::Dca(_) => Vec::new(),
            Self::BetaVae(spec) => vec![("beta_schedule", spec.beta_schedule)],
            Self::Scvi(spec) => vec![("beta_schedule", spec.beta_schedule)],
            Self::Ldvae(spec) => vec![("beta_schedule", spec.beta_schedule)],
            Self::BetaVsc(spec) => vec![
                ("beta_schedule", spec.beta_schedule),
                ("c_schedule", spec.c_schedule),
                ("lambda_schedule", spec.lambda_schedule),
            ],
        }
    }

    /// Share of the run after which its last warm-up has ended; cycles have no end.
    #[must_use]
    pub fn warmup_share(&self) -> f64 {
        let share = |(_, schedule): (&str, Schedule)| match schedule {
            Schedule::Warmup { warmup } => warmup,
            Schedule::Constant | Schedule::Cycles { .. } => 0.0,
        };
        self.schedules().into_iter().map(share).fold(0.0, f64::max)
    }
}

/// How a net is trained: Adam as PyTorch's (0.9, 0.999), a new shuffle every epoch, the short last batch kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// Passes over the data, 1 to 100,000.
    pub epochs: u32,
    /// Cells a step, 1 to 65,536.
    pub batch_size: u32,
    /// Adam's step, > 0.
    pub learning_rate: f64,
    /// Added to Adam's root, > 0.
    #[serde(default = "usual_adam_eps", skip_serializing_if = "is_usual_adam_eps")]
    pub adam_eps: f64,
    /// Adam's L2 penalty (PyTorch's `weight_decay`), >= 0; only models of counts have one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight_decay: f64,
    /// Share of the cells that is held out of training, in [0, 1); which ones follows from the seed alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub validation_fraction: f64,
    /// Epochs in a row without a better held-out loss after which training stops; needs `validation_fraction`. The
    /// best epoch's weights are the trial's then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// How much lower a held-out loss per cell must be to count as better, >= 0; only with `patience`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_delta: f64,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            epochs: 200,
            batch_size: 256,
            learning_rate: 1e-3,
            adam_eps: usual_adam_eps(),
            weight_decay: 0.0,
            validation_fraction: 0.0,
            patience: None,
            min_delta: 0.0,
        }
    }
}

impl TrainSpec {
    /// The defaults of `model`: those of its paper's code.
    #[must_use]
    pub fn of(model: ModelKind) -> Self {
        match model {
            ModelKind::Pca | ModelKind::Ae | ModelKind::BetaVae | ModelKind::BetaVsc => Self::default(),
            ModelKind::Scvi | ModelKind::Ldvae => {
                Self { epochs: 400, batch_size: 128, adam_eps: 0.01, weight_decay: 1e-6, ..Self::default() }
            }
            ModelKind::Dca => Self { epochs: 300, batch_size: 32, ..Self::default() },
        }
    }
}

/// PyTorch's.
const fn usual_adam_eps() -> f64 {
    1e-8
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_usual_adam_eps(eps: &f64) -> bool {
    *eps == usual_adam_eps()
}

/// Options that a config without them is not to mention: its text, and so its identity, stays what it was.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
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
    /// Neighbours of a cell in the graph that Leiden partitions, in the kNN scores and in trustworthiness, 1 to 1,000.
    #[serde(default = "usual_neighbours", skip_serializing_if = "is_usual_neighbours")]
    pub neighbours: u32,
    /// Whether the silhouette is computed: its time grows with the square of the number of cells.
    #[serde(default, skip_serializing_if = "is_off")]
    pub silhouette: bool,
}

const USUAL_NEIGHBOURS: u32 = 15;

fn usual_neighbours() -> u32 {
    USUAL_NEIGHBOURS
}

// What was added to a config after its first version is left out of its text while it has its default: an old trial
// keeps its identity.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_usual_neighbours(neighbours: &u32) -> bool {
    *neighbours == USUAL_NEIGHBOURS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_off(flag: &bool) -> bool {
    !*flag
}

impl Default for EvaluationSpec {
    fn default() -> Self {
        Self {
            perplexity: 40.0,
            tsne_iterations: 1000,
            kmeans_starts: 100,
            clusters: None,
            nmi: NmiAverage::Arithmetic,
            neighbours: USUAL_NEIGHBOURS,
            silhouette: false,
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
