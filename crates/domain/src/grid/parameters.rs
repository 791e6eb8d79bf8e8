//! The parameters of a config, as keys of `[model]`, `[train]`, `[evaluation]` and `[grid]`: range, default and which
//! models have it. To add one, add it here, give it a meaning in `resolve` and a place in `crate::params`.

use super::keys::{Content, Default, Key, known_as, word};
use super::shape::{Interval, Shape, Word};
use crate::config::ModelKind;

/// Which section a parameter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Model,
    Train,
    Evaluation,
}

impl Section {
    pub(super) const ALL: [Self; 3] = [Self::Model, Self::Train, Self::Evaluation];

    /// As people write it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Train => "train",
            Self::Evaluation => "evaluation",
        }
    }
}

/// A key that is part of a config, and that `[grid]` may therefore vary.
#[derive(Debug)]
pub(super) struct Param {
    pub(super) key: Key,
    pub(super) section: Section,
    /// The models that have it.
    pub(super) models: &'static [ModelKind],
    shape: Shape,
    /// Models whose default is not the key's.
    own_defaults: &'static [(ModelKind, Default)],
}

impl Param {
    const fn new(section: Section, models: &'static [ModelKind], shape: Shape, key: Key) -> Self {
        Self { key: Key { content: Content::One(shape), ..key }, section, models, shape, own_defaults: &[] }
    }

    /// With other defaults for some of its models.
    const fn except(self, own_defaults: &'static [(ModelKind, Default)]) -> Self {
        Self { own_defaults, ..self }
    }

    /// What holds for `model` when it is not written.
    pub(super) fn default_of(&self, model: ModelKind) -> Default {
        let own = self.own_defaults.iter().find(|(owner, _)| *owner == model);
        own.map_or(self.key.default, |(_, default)| *default)
    }

    pub(super) const fn name(&self) -> &'static str {
        self.key.name
    }

    pub(super) const fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(super) fn is_of(&self, model: ModelKind) -> bool {
        self.models.contains(&model)
    }
}

impl PartialEq for Param {
    /// Names are unique over all sections (a test says so).
    fn eq(&self, other: &Self) -> bool {
        self.key.name == other.key.name
    }
}

impl Eq for Param {}

const fn param_key(
    name: &'static str,
    about: &'static str,
    aka: &'static [&'static str],
    default: Default,
) -> Key {
    Key { name, about, aka, content: Content::Section, default }
}

const fn only_of(word: Word, models: &'static [ModelKind]) -> Word {
    Word { models, ..word }
}

const EVERY_MODEL: &[ModelKind] = ModelKind::ALL;
/// The study's nets.
const NETS: &[ModelKind] = &[ModelKind::Ae, ModelKind::BetaVae, ModelKind::BetaVsc];
const TRAINED: &[ModelKind] = &[
    ModelKind::Ae,
    ModelKind::BetaVae,
    ModelKind::BetaVsc,
    ModelKind::Scvi,
    ModelKind::Ldvae,
    ModelKind::Dca,
];
/// All but LDVAE, whose decoder is linear.
const WITH_DECODER: &[ModelKind] =
    &[ModelKind::Ae, ModelKind::BetaVae, ModelKind::BetaVsc, ModelKind::Scvi, ModelKind::Dca];
const VARIATIONAL: &[ModelKind] =
    &[ModelKind::BetaVae, ModelKind::BetaVsc, ModelKind::Scvi, ModelKind::Ldvae];
const ENCODING: &[ModelKind] = &[ModelKind::BetaVae, ModelKind::BetaVsc];
const COUNTS: &[ModelKind] = &[ModelKind::Scvi, ModelKind::Ldvae, ModelKind::Dca];
const AE: &[ModelKind] = &[ModelKind::Ae];
const VSC: &[ModelKind] = &[ModelKind::BetaVsc];

const ACTIVATIONS: Shape =
    Shape::Words(&[known_as(word("none", "Nothing."), &["linear", "identity"]), word("relu", "max(0, x).")]);
const LAYERS: Shape = Shape::Widths { fewest: 1 };

/// Every parameter, in the order in which people see them. Its name is unique over all sections.
pub(super) static PARAMS: &[Param] = &[
    Param::new(
        Section::Model,
        VARIATIONAL,
        Shape::Number(Interval::from(0.0)),
        param_key(
            "beta",
            "Weight of the KL terms. With a sum of squares, 2 is the plain unit-variance Gaussian VAE. scVI and LDVAE: 1, the evidence bound.",
            &["kl_weight", "β"],
            Default::Number(2.0),
        ),
    )
    .except(&[(ModelKind::Scvi, Default::Number(1.0)), (ModelKind::Ldvae, Default::Number(1.0))]),
    Param::new(
        Section::Model,
        VARIATIONAL,
        Shape::Schedule,
        param_key(
            "beta_schedule",
            "How beta rises from 0, step by step: \"constant\" does not; { warmup = 0.1 } linearly over that share of the run; { cycles = 4, ramp = 0.5 } in each of so many cycles, over that share of the cycle. scVI and LDVAE: { warmup = 1 }.",
            &["kl_annealing", "kl_warmup", "annealing", "warmup", "kl_schedule"],
            Default::Constant,
        ),
    )
    .except(&[(ModelKind::Scvi, Default::Warmup(1.0)), (ModelKind::Ldvae, Default::Warmup(1.0))]),
    Param::new(
        Section::Model,
        VARIATIONAL,
        Shape::Number(Interval::from(0.0)),
        param_key(
            "free_bits",
            "Nat of KL, mean over the batch, that each latent dimension may have without a penalty (Kingma et al. 2016).",
            &["kl_free", "free_nats"],
            Default::Number(0.0),
        ),
    ),
    Param::new(
        Section::Model,
        VSC,
        Shape::Number(Interval::over(0.0).below(1.0)),
        param_key(
            "alpha",
            "Prior probability that a latent dimension is used.",
            &["α", "spike"],
            Default::Number(0.5),
        ),
    ),
    Param::new(
        Section::Model,
        VSC,
        Shape::Number(Interval::over(0.0)),
        param_key("c", "Steepness of the relaxed gate in training.", &["steepness"], Default::Number(50.0)),
    ),
    Param::new(
        Section::Model,
        VSC,
        Shape::Number(Interval::over(0.0)),
        param_key(
            "c_start",
            "Steepness at the first step; speaks only with a c_schedule, which goes from here to c.",
            &["c_from", "c_min"],
            Default::Number(50.0),
        ),
    ),
    Param::new(
        Section::Model,
        VSC,
        Shape::Schedule,
        param_key(
            "c_schedule",
            "How the steepness goes from c_start to c, written as beta_schedule.",
            &["steepness_schedule"],
            Default::Constant,
        ),
    ),
    Param::new(
        Section::Model,
        VSC,
        Shape::Schedule,
        param_key(
            "lambda_schedule",
            "How λ rises from 0 to 1, written as beta_schedule: the slab is N(λμ, σ^2λ), so that gates learn before values do (Tonolini et al. 2019).",
            &["lambda", "λ", "spike_warmup"],
            Default::Constant,
        ),
    ),
    Param::new(
        Section::Model,
        VSC,
        Shape::Words(&[
            word("exp-relu", "γ = exp(−ReLU(−v)): the study's; no gradient for v > 0."),
            word("sigmoid", "γ = 1 / (1 + exp(−v)): never dead."),
        ]),
        param_key(
            "gate",
            "How the gate γ follows from the spike head's output v.",
            &[],
            Default::Word("exp-relu"),
        ),
    ),
    Param::new(
        Section::Model,
        ENCODING,
        Shape::Words(&[
            word("mean", "The expected code: VAE μ, VSC γ·μ."),
            word("sample", "One draw from the posterior."),
            only_of(word("mu", "μ, the gate ignored."), VSC),
            only_of(word("thresholded", "μ where γ > 1/2, 0 elsewhere."), VSC),
        ]),
        param_key(
            "encode",
            "Which point of the posterior stands for a cell in the evaluation.",
            &["encoding"],
            Default::Word("mean"),
        ),
    ),
    Param::new(
        Section::Model,
        EVERY_MODEL,
        Shape::Whole { low: 1, high: 1024 },
        param_key(
            "latent_dim",
            "Dimensions of a cell's code. scVI and LDVAE: 10; DCA: 32.",
            &["latent", "n_latent", "z_dim", "latent_dims", "components", "n_components", "bottleneck"],
            Default::Whole(6),
        ),
    )
    .except(&[
        (ModelKind::Scvi, Default::Whole(10)),
        (ModelKind::Ldvae, Default::Whole(10)),
        (ModelKind::Dca, Default::Whole(32)),
    ]),
    Param::new(
        Section::Model,
        NETS,
        Shape::Words(&[
            word("report", "Encoder 128, 32; branches 16; decoder 16, 32, 128."),
            word(
                "code",
                "VAE and VSC: encoder 800, 400; no branches; decoder 80, 400, 800. AE: as \"report\".",
            ),
        ]),
        param_key(
            "preset",
            "The study's nets by name; encoder, branch, decoder and first_activation change single parts.",
            &["net", "architecture"],
            Default::Word("report"),
        ),
    ),
    Param::new(
        Section::Model,
        TRAINED,
        LAYERS,
        param_key(
            "encoder",
            "Widths of the encoder's trunk. scVI and LDVAE: [128]; DCA: [64].",
            &["hidden", "layers", "widths", "n_hidden"],
            Default::Optional,
        ),
    )
    .except(&[
        (ModelKind::Scvi, Default::Widths(&[128])),
        (ModelKind::Ldvae, Default::Widths(&[128])),
        (ModelKind::Dca, Default::Widths(&[64])),
    ]),
    Param::new(
        Section::Model,
        NETS,
        Shape::Widths { fewest: 0 },
        param_key(
            "branch",
            "Widths of each head's own hidden layers; [] for none.",
            &["branches", "head"],
            Default::Optional,
        ),
    ),
    Param::new(
        Section::Model,
        WITH_DECODER,
        LAYERS,
        param_key("decoder", "Hidden widths of the decoder. scVI: [128]; DCA: [64].", &[], Default::Optional),
    )
    .except(&[(ModelKind::Scvi, Default::Widths(&[128])), (ModelKind::Dca, Default::Widths(&[64]))]),
    Param::new(
        Section::Model,
        NETS,
        ACTIVATIONS,
        param_key("first_activation", "What follows the encoder's first layer.", &[], Default::Optional),
    ),
    Param::new(
        Section::Model,
        AE,
        ACTIVATIONS,
        param_key("latent_activation", "What follows the AE's code.", &["activation"], Default::Word("none")),
    ),
    Param::new(
        Section::Model,
        COUNTS,
        Shape::Number(Interval::from(0.0).below(1.0)),
        param_key(
            "dropout",
            "Share of units that drop out in training: the encoder's of scVI and LDVAE, all hidden ones of DCA (0).",
            &["dropout_rate", "hidden_dropout"],
            Default::Number(0.1),
        ),
    )
    .except(&[(ModelKind::Dca, Default::Number(0.0))]),
    Param::new(
        Section::Train,
        TRAINED,
        Shape::Whole { low: 1, high: 100_000 },
        param_key(
            "epochs",
            "Passes over the data. scVI and LDVAE: 400; DCA: 300.",
            &["n_epochs", "max_epochs", "iterations"],
            Default::Whole(200),
        ),
    )
    .except(&[
        (ModelKind::Scvi, Default::Whole(400)),
        (ModelKind::Ldvae, Default::Whole(400)),
        (ModelKind::Dca, Default::Whole(300)),
    ]),
    Param::new(
        Section::Train,
        TRAINED,
        Shape::Whole { low: 1, high: 65_536 },
        param_key(
            "batch_size",
            "Cells a step; the short last batch is kept. scVI and LDVAE: 128; DCA: 32.",
            &["batch", "bs"],
            Default::Whole(256),
        ),
    )
    .except(&[
        (ModelKind::Scvi, Default::Whole(128)),
        (ModelKind::Ldvae, Default::Whole(128)),
        (ModelKind::Dca, Default::Whole(32)),
    ]),
    Param::new(
        Section::Train,
        TRAINED,
        Shape::Number(Interval::over(0.0)),
        param_key("learning_rate", "Adam's step.", &["lr", "step"], Default::Number(1e-3)),
    ),
    Param::new(
        Section::Train,
        TRAINED,
        Shape::Number(Interval::over(0.0)),
        param_key("adam_eps", "Added to Adam's root. scVI and LDVAE: 0.01.", &["eps", "epsilon"], Default::Number(1e-8)),
    )
    .except(&[(ModelKind::Scvi, Default::Number(0.01)), (ModelKind::Ldvae, Default::Number(0.01))]),
    Param::new(
        Section::Train,
        COUNTS,
        Shape::Number(Interval::from(0.0)),
        param_key(
            "weight_decay",
            "Adam's L2 penalty: this times each weight is added to its gradient. scVI and LDVAE: 1e-6.",
            &["l2", "decay"],
            Default::Number(0.0),
        ),
    )
    .except(&[(ModelKind::Scvi, Default::Number(1e-6)), (ModelKind::Ldvae, Default::Number(1e-6))]),
    Param::new(
        Section::Train,
        TRAINED,
        Shape::Number(Interval::from(0.0).below(1.0)),
        param_key(
            "validation_fraction",
            "Share of the cells held out of training, the same cells for all configs at one seed; validation_… metrics are theirs. Codes, maps and clusters are of all cells.",
            &["validation", "validation_split", "val_fraction", "held_out", "test_fraction"],
            Default::Number(0.0),
        ),
    ),
    Param::new(
        Section::Train,
        TRAINED,
        Shape::Whole { low: 1, high: 100_000 },
        param_key(
            "patience",
            "Stop after so many epochs in a row without a better held-out loss, and keep the best epoch's weights; needs validation_fraction. A warm-up does not count.",
            &["early_stopping", "early_stopping_patience"],
            Default::Optional,
        ),
    ),
    Param::new(
        Section::Train,
        TRAINED,
        Shape::Number(Interval::from(0.0)),
        param_key(
            "min_delta",
            "How much lower the held-out loss per cell must be to count as better; speaks only with patience.",
            &["early_stopping_min_delta"],
            Default::Number(0.0),
        ),
    ),
    Param::new(
        Section::Evaluation,
        EVERY_MODEL,
        Shape::Number(Interval::from(2.0).up_to(1000.0)),
        param_key(
            "perplexity",
            "t-SNE's perplexity; lowered to (cells − 1) / 3 for few cells.",
            &[],
            Default::Number(40.0),
        ),
    ),
    Param::new(
        Section::Evaluation,
        EVERY_MODEL,
        Shape::Whole { low: 0, high: 100_000 },
        param_key(
            "tsne_iterations",
            "t-SNE's iterations in all; 0 draws no maps.",
            &["iterations", "n_iter"],
            Default::Whole(1000),
        ),
    ),
    Param::new(
        Section::Evaluation,
        EVERY_MODEL,
        Shape::Whole { low: 1, high: 10_000 },
        param_key(
            "kmeans_starts",
            "Starts of k-means; the best inertia counts.",
            &["n_init", "nstart", "starts"],
            Default::Whole(100),
        ),
    ),
    Param::new(
        Section::Evaluation,
        EVERY_MODEL,
        Shape::Whole { low: 1, high: 1000 },
        param_key(
            "clusters",
            "Clusters of k-means; by default the number of label classes.",
            &["k", "n_clusters"],
            Default::Optional,
        ),
    ),
    Param::new(
        Section::Evaluation,
        EVERY_MODEL,
        Shape::Words(&[
            word("arithmetic", "(H(U) + H(V)) / 2: scikit-learn's."),
            word("geometric", "√(H(U)·H(V)): the study's."),
        ]),
        param_key(
            "nmi",
            "Mean in the denominator of NMI.",
            &["average", "average_method"],
            Default::Word("arithmetic"),
        ),
    ),
    Param::new(
        Section::Evaluation,
        EVERY_MODEL,
        Shape::Whole { low: 1, high: 1000 },
        param_key(
            "neighbours",
            "Neighbours of a cell in Leiden's graph, in the kNN scores and in trustworthiness; fewer for few cells.",
            &["neighbors", "n_neighbors", "knn"],
            Default::Whole(15),
        ),
    ),
    Param::new(
        Section::Evaluation,
        EVERY_MODEL,
        Shape::Flag,
        param_key(
            "silhouette",
            "Whether to compute the silhouette, whose time grows with the square of the number of cells.",
            &["asw"],
            Default::Flag(false),
        ),
    ),
];

/// The parameter of this name.
pub(super) fn param(name: &str) -> Option<&'static Param> {
    PARAMS.iter().find(|param| param.name() == name)
}

/// The parameters of `section`, in order.
pub(super) fn params_of(section: Section) -> impl Iterator<Item = &'static Param> {
    PARAMS.iter().filter(move |param| param.section == section)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::resolve::Settings;
    use super::super::shape::{Shape, Value};
    use super::{PARAMS, Section, params_of};
    use crate::config::{
        BetaVaeSpec, BetaVscSpec, DcaSpec, EvaluationSpec, LdvaeSpec, ModelKind, ModelSpec, NetSpec, Preset,
        ScviSpec, TrainSpec,
    };

    #[test]
    fn names_are_unique_and_in_the_order_of_the_tables() {
        let names: Vec<&str> = PARAMS.iter().map(|param| param.name()).collect();
        assert_eq!(names, crate::params::ORDER);
        let unique: HashSet<&str> = names.iter().copied().collect();
        assert_eq!(unique.len(), names.len());
    }

    #[test]
    fn other_words_for_a_key_are_no_keys_and_mean_one_thing_in_a_section() {
        for section in Section::ALL {
            let words: Vec<&str> =
                params_of(section).flat_map(|param| param.key.aka.iter().copied()).collect();
            let unique: HashSet<&str> = words.iter().copied().collect();
            assert_eq!(unique.len(), words.len(), "{words:?}");
            assert!(words.iter().all(|word| super::param(word).is_none()), "{words:?}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_types() {
        for model in ModelKind::ALL {
            let config = Settings::defaults(*model).config(*model);
            assert_eq!(config.evaluation, EvaluationSpec::default());
            assert_eq!(config.train, (*model != ModelKind::Pca).then(|| TrainSpec::of(*model)));
            let net = || NetSpec::of_preset(Preset::Report, *model, 6);
            match config.model {
                ModelSpec::BetaVae(spec) => assert_eq!(spec, BetaVaeSpec::new(net())),
                ModelSpec::BetaVsc(spec) => assert_eq!(spec, BetaVscSpec::new(net())),
                ModelSpec::Scvi(spec) => assert_eq!(spec, ScviSpec::default()),
                ModelSpec::Ldvae(spec) => assert_eq!(spec, LdvaeSpec::default()),
                ModelSpec::Dca(spec) => assert_eq!(spec, DcaSpec::default()),
                ModelSpec::Pca(_) | ModelSpec::Ae(_) => {}
            }
        }
    }

    #[test]
    fn every_word_of_every_key_has_a_meaning_for_the_models_that_know_it() {
        for param in PARAMS {
            let Shape::Words(words) = param.shape() else { continue };
            for model in param.models {
                for word in words.iter().filter(|word| word.is_of(*model)) {
                    let mut settings = Settings::defaults(*model);
                    settings.set(param, Value::Word(word.name));
                    let text = settings.config(*model).canonical_json();
                    // the preset is only a way to write widths
                    assert!(
                        param.name() == "preset" || text.contains(&format!("\"{}\"", word.name)),
                        "{text}"
                    );
                }
            }
        }
    }
}
