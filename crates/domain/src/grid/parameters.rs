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
}

impl Param {
    const fn new(section: Section, models: &'static [ModelKind], shape: Shape, key: Key) -> Self {
        Self { key: Key { content: Content::One(shape), ..key }, section, models, shape }
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
const NETS: &[ModelKind] = &[ModelKind::Ae, ModelKind::BetaVae, ModelKind::BetaVsc];
const VARIATIONAL: &[ModelKind] = &[ModelKind::BetaVae, ModelKind::BetaVsc];
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
            "Weight of the KL terms. With a sum of squares, 2 is the plain unit-variance Gaussian VAE.",
            &["kl_weight", "β"],
            Default::Number(2.0),
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
        VARIATIONAL,
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
            "Dimensions of a cell's code.",
            &["latent", "n_latent", "z_dim", "latent_dims", "components", "n_components"],
            Default::Whole(6),
        ),
    ),
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
        NETS,
        LAYERS,
        param_key(
            "encoder",
            "Widths of the encoder's trunk.",
            &["hidden", "layers", "widths"],
            Default::Optional,
        ),
    ),
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
        NETS,
        LAYERS,
        param_key("decoder", "Hidden widths of the decoder.", &[], Default::Optional),
    ),
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
        Section::Train,
        NETS,
        Shape::Whole { low: 1, high: 100_000 },
        param_key(
            "epochs",
            "Passes over the data.",
            &["n_epochs", "max_epochs", "iterations"],
            Default::Whole(200),
        ),
    ),
    Param::new(
        Section::Train,
        NETS,
        Shape::Whole { low: 1, high: 65_536 },
        param_key(
            "batch_size",
            "Cells a step; the short last batch is kept.",
            &["batch", "bs"],
            Default::Whole(256),
        ),
    ),
    Param::new(
        Section::Train,
        NETS,
        Shape::Number(Interval::over(0.0)),
        param_key("learning_rate", "Adam's step.", &["lr", "step"], Default::Number(1e-3)),
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
    use crate::config::{EvaluationSpec, ModelKind, TrainSpec};

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
            assert_eq!(config.train, (*model != ModelKind::Pca).then(TrainSpec::default));
        }
    }

    #[test]
    fn every_word_of_every_key_has_a_meaning_for_the_models_that_know_it() {
        for param in PARAMS {
            let Shape::Words(words) = param.shape() else { continue };
            for model in param.models {
                for word in words.iter().filter(|word| word.is_available && word.is_of(*model)) {
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
