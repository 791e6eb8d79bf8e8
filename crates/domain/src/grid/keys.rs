//! The grid file's keys: one table for the reader, its error messages, the defaults and the JSON Schema, so that they
//! cannot drift apart. To add a key, add it here and give it a meaning in `resolve` (or in `read`, for `[data]`).

use super::shape::{Interval, Shape, Word};
use crate::config::ModelKind;

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// As people write it.
    pub(super) name: &'static str,
    /// What it means, in one sentence, for the schema.
    pub(super) about: &'static str,
    /// Other words that people may try.
    pub(super) aka: &'static [&'static str],
    /// What may stand there.
    pub(super) content: Content,
    /// What holds without it.
    pub(super) default: Default,
}

/// What may stand at a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    /// A value.
    One(Shape),
    /// A table of its own keys.
    Table(&'static [Key]),
    /// A value or a table.
    Either(Shape, &'static [Key]),
    /// A section with a reader of its own.
    Section,
    /// Part of the format, but not of this version; the text says what to write instead.
    NotYet(&'static str),
}

/// What holds when a key is not written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Default {
    /// Nothing: it may be left out.
    Optional,
    /// It has to be there.
    Required,
    /// This number.
    Number(f64),
    /// This whole number.
    Whole(u64),
    /// This word.
    Word(&'static str),
    /// This text.
    Text(&'static str),
    /// Each key of the table has its own default.
    EachKey,
}

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

const fn key(name: &'static str, about: &'static str, content: Content, default: Default) -> Key {
    Key { name, about, aka: &[], content, default }
}

const fn param_key(
    name: &'static str,
    about: &'static str,
    aka: &'static [&'static str],
    default: Default,
) -> Key {
    Key { name, about, aka, content: Content::Section, default }
}

const fn word(name: &'static str, about: &'static str) -> Word {
    Word { name, about, aka: &[], models: &[], is_available: true }
}

const fn known_as(word: Word, aka: &'static [&'static str]) -> Word {
    Word { aka, ..word }
}

const fn only_of(word: Word, models: &'static [ModelKind]) -> Word {
    Word { models, ..word }
}

const fn not_yet(word: Word) -> Word {
    Word { is_available: false, ..word }
}

const U32_MAX: u64 = u32::MAX as u64;

/// The keys of the file itself.
pub(super) const ROOT: &[Key] = &[
    key(
        "name",
        "The sweep's name: letters, digits, '-', '_' and '.'. Names the results.",
        Content::One(Shape::Text),
        Default::Required,
    ),
    key("data", "What to train on.", Content::Table(DATA), Default::Required),
    key("grid", "The values to try: their cross product is the sweep.", Content::Section, Default::Required),
    Key {
        aka: &["training"],
        ..key("train", "How every net is trained.", Content::Section, Default::Optional)
    },
    Key {
        aka: &["models"],
        ..key(
            "model",
            "Values for all models; [model.NAME] for one of them.",
            Content::Section,
            Default::Optional,
        )
    },
    Key {
        aka: &["eval"],
        ..key("evaluation", "How every trained trial is scored.", Content::Section, Default::Optional)
    },
    Key {
        aka: &["overrides"],
        ..key(
            "override",
            "[[override]]: other values where a match holds; in order, the last word counts.",
            Content::Section,
            Default::Optional,
        )
    },
];

/// `[data]`.
pub(super) const DATA: &[Key] = &[
    Key {
        aka: &["dir", "directory", "file", "matrix"],
        ..key("path", "10x directory with the counts.", Content::One(Shape::Text), Default::Required)
    },
    key(
        "labels",
        "CSV of barcode and label; without it there are no agreement scores.",
        Content::Either(Shape::Text, LABELS),
        Default::Optional,
    ),
    key("input", "What the nets see.", Content::One(Shape::Words(INPUTS)), Default::Word("lognorm")),
    key(
        "genes",
        "Which genes the nets see.",
        Content::Either(Shape::Words(GENES), GENES_TABLE),
        Default::Word("all"),
    ),
    key(
        "scale_factor",
        "Factor of log-normalisation: ln(1 + count / cell sum × scale_factor).",
        Content::One(Shape::Number(Interval::over(0.0))),
        Default::Number(1e4),
    ),
    key("qc", "Quality control.", Content::Table(QC), Default::EachKey),
];

const LABELS: &[Key] = &[
    key("file", "The CSV.", Content::One(Shape::Text), Default::Required),
    key("column", "Its column of labels.", Content::One(Shape::Text), Default::Required),
    key(
        "obs",
        "Column of an .h5ad file.",
        Content::NotYet("name a CSV: labels = { file = \"labels.csv\", column = \"cell_type\" }"),
        Default::Optional,
    ),
];

const INPUTS: &[Word] = &[
    known_as(
        word("lognorm", "Log-normalised counts."),
        &["log", "lognormalized", "lognormalised", "log-normalized"],
    ),
    not_yet(word("scaled", "Z-scores of each gene.")),
    not_yet(known_as(word("counts", "Raw counts."), &["raw"])),
];

const GENES: &[Word] = &[known_as(word("all", "All that pass quality control."), &["*"])];

const GENES_TABLE: &[Key] = &[key(
    "hvg",
    "The most variable genes.",
    Content::NotYet("use genes = \"all\": all genes that pass quality control"),
    Default::Optional,
)];

/// `[data.qc]`.
pub(super) const QC: &[Key] = &[
    key(
        "min_cells",
        "Keep genes seen in at least this many cells.",
        Content::One(Shape::Whole { low: 0, high: U32_MAX }),
        Default::Whole(3),
    ),
    key(
        "min_genes",
        "Keep cells with more genes than this.",
        Content::One(Shape::Whole { low: 0, high: U32_MAX }),
        Default::Whole(200),
    ),
    key(
        "max_genes",
        "Keep cells with fewer genes than this.",
        Content::One(Shape::Whole { low: 1, high: U32_MAX }),
        Default::Whole(2500),
    ),
    key(
        "max_mito_percent",
        "Keep cells with a smaller percentage of mitochondrial counts than this; 100 keeps all.",
        Content::One(Shape::Number(Interval::over(0.0).up_to(100.0))),
        Default::Number(5.0),
    ),
    key(
        "mito_prefix",
        "A gene is mitochondrial when its name starts so.",
        Content::One(Shape::Text),
        Default::Text("MT-"),
    ),
];

/// `[grid]`, apart from the parameters.
pub(super) const GRID: &[Key] = &[
    Key {
        aka: &["models"],
        ..key("model", "The model, or a list of models to compare.", Content::Section, Default::Required)
    },
    Key {
        aka: &["seeds"],
        ..key(
            "seed",
            "The seed, a list of seeds, or { start, count }. All configs run with the first seed before any runs with the second.",
            Content::Section,
            Default::Whole(0),
        )
    },
    key(
        "zip",
        "Groups of keys that vary together, as [[\"beta\", \"alpha\"]]: their lists have equal length.",
        Content::Section,
        Default::Optional,
    ),
];

/// `seed = { start, count }`.
pub(super) const SEEDS: &[Key] = &[
    key("start", "The first seed.", Content::One(SEED), Default::Whole(0)),
    key(
        "count",
        "How many, counting up.",
        Content::One(Shape::Whole { low: 1, high: super::MOST_TRIALS }),
        Default::Required,
    ),
];

/// A seed: TOML's whole numbers that are not negative, so that every store and every reader holds it exactly.
pub(super) const SEED: Shape = Shape::Whole { low: 0, high: i64::MAX as u64 };

/// `[[override]]`.
pub(super) const OVERRIDE: &[Key] = &[
    key(
        "match",
        "Where: model and any parameters, each a value or a list of values.",
        Content::Section,
        Default::Required,
    ),
    key("set", "What holds there.", Content::Section, Default::Required),
];

/// The models.
pub(super) const MODELS: Shape = Shape::Words(&[
    word(
        "pca",
        "Principal component analysis: the baseline. It has no training and no seed, so it runs once.",
    ),
    known_as(word("ae", "Deep autoencoder."), &["autoencoder", "dae", "deep-autoencoder"]),
    known_as(word("beta-vae", "β-VAE (Higgins et al. 2017)."), &["vae", "betavae", "β-vae", "b-vae"]),
    known_as(
        word("beta-vsc", "β-VSC: variational sparse coding (Tonolini et al. 2019)."),
        &["vsc", "betavsc", "β-vsc", "b-vsc"],
    ),
]);

/// The tables in `[model]`, one a model.
pub(super) const MODEL_TABLES: &[Key] = &[
    key(ModelKind::Pca.name(), "Values for PCA alone.", Content::Section, Default::Optional),
    key(ModelKind::Ae.name(), "Values for the AE alone.", Content::Section, Default::Optional),
    key(ModelKind::BetaVae.name(), "Values for the β-VAE alone.", Content::Section, Default::Optional),
    key(ModelKind::BetaVsc.name(), "Values for the β-VSC alone.", Content::Section, Default::Optional),
];

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
