//! The grid file's keys: one table for the reader, its error messages, the defaults and the JSON Schema, so that they
//! cannot drift apart. The parameters of a config stand in `parameters`; this is everything else. To add a key, add
//! it here and give it a meaning in `document` or `axes`.

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
    /// A table of free names, each with a list of texts.
    Lists,
    /// A section with a reader of its own.
    Section,
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
    /// This yes or no.
    Flag(bool),
    /// This word.
    Word(&'static str),
    /// This text.
    Text(&'static str),
    /// A schedule that changes nothing.
    Constant,
    /// A linear rise over this share of the run.
    Warmup(f64),
    /// These widths.
    Widths(&'static [u32]),
    /// Each key of the table has its own default.
    EachKey,
}

const fn key(name: &'static str, about: &'static str, content: Content, default: Default) -> Key {
    Key { name, about, aka: &[], content, default }
}

/// A word of this version, known to every model that has the key.
pub(super) const fn word(name: &'static str, about: &'static str) -> Word {
    Word { name, about, aka: &[], models: &[] }
}

/// With other words that people may try.
pub(super) const fn known_as(word: Word, aka: &'static [&'static str]) -> Word {
    Word { aka, ..word }
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
    key(
        "preset",
        "A set of values by name; whatever the file says itself goes before it.",
        Content::One(super::presets::NAMES),
        Default::Optional,
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
        ..key(
            "path",
            "The counts: a 10x directory, .h5ad, 10x .h5, .csv or .tsv; files plain or .gz.",
            Content::One(Shape::Text),
            Default::Required,
        )
    },
    Key {
        aka: &["layers", "matrix", "x", "raw", "use_raw"],
        ..key(
            "layer",
            "Where an .h5ad keeps its counts: \"X\", \"raw/X\" or \"layers/NAME\"; X by default.",
            Content::One(Shape::Text),
            Default::Optional,
        )
    },
    Key {
        aka: &["gene_symbols", "var_names", "gene_name"],
        ..key(
            "gene_names",
            "Column of an .h5ad's var with the genes' names; its index by default.",
            Content::One(Shape::Text),
            Default::Optional,
        )
    },
    Key {
        aka: &["transpose", "transposed"],
        ..key(
            "orientation",
            "Which axis of a .csv or .tsv is which.",
            Content::One(Shape::Words(ORIENTATIONS)),
            Default::Word("auto"),
        )
    },
    key(
        "labels",
        "CSV of barcode and label, or { file, column }, or { obs } for a column of an .h5ad, or \"cluster\" for Seurat's \
         clusters of the same counts; without labels there are no agreement scores.",
        Content::Either(Shape::Text, LABELS),
        Default::Optional,
    ),
    Key {
        aka: &["unlabeled", "missing_labels"],
        ..key(
            "unlabelled",
            "What becomes of cells that pass quality control and have no label.",
            Content::One(Shape::Words(UNLABELLED)),
            Default::Word("error"),
        )
    },
    key(
        "markers",
        "With labels = \"cluster\": cell types and the genes that mark them, which name the clusters; by default nine types of human blood.",
        Content::Lists,
        Default::Optional,
    ),
    key("input", "What the nets see.", Content::One(Shape::Words(INPUTS)), Default::Word("lognorm")),
    key(
        "genes",
        "Which genes the nets see: \"all\" that pass quality control, or { hvg = 2000 }: so many, the most variable ones by Seurat's vst.",
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

/// `labels = { … }`: a file, or a column of the data itself. Which go together is checked in `source`.
const LABELS: &[Key] = &[
    key("file", "The CSV.", Content::One(Shape::Text), Default::Optional),
    key("column", "Its column of labels.", Content::One(Shape::Text), Default::Optional),
    key("obs", "Column of an .h5ad's obs.", Content::One(Shape::Text), Default::Optional),
];

const ORIENTATIONS: &[Word] = &[
    word("auto", "What the names in the table say; an error when they do not."),
    known_as(
        word("genes-by-cells", "A row a gene, a column a cell."),
        &["genes", "genesxcells", "seurat", "r"],
    ),
    known_as(
        word("cells-by-genes", "A row a cell, a column a gene."),
        &["cells", "cellsxgenes", "scanpy", "python"],
    ),
];

const UNLABELLED: &[Word] = &[
    word("error", "They are a mistake."),
    word("drop", "They are left out."),
    known_as(word("keep", "They are a class of their own, named unlabelled."), &["class"]),
];

const INPUTS: &[Word] = &[
    known_as(
        word("lognorm", "Log-normalised counts."),
        &["log", "lognormalized", "lognormalised", "log-normalized"],
    ),
    known_as(
        word(
            "scaled",
            "z-score of each gene, at most 10, of the log-normalised counts. Dense: choose genes.",
        ),
        &["zscore", "z-score", "scale", "scale.data"],
    ),
    known_as(word("counts", "Raw counts; a cell's library size is their sum over the genes."), &["raw"]),
];

const GENES: &[Word] = &[known_as(word("all", "All that pass quality control."), &["*"])];

const GENES_TABLE: &[Key] = &[key(
    "hvg",
    "So many genes, the most variable ones by Seurat's vst.",
    Content::One(Shape::Whole { low: 1, high: U32_MAX }),
    Default::Required,
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
    known_as(
        word("scvi", "scVI: a VAE with a negative binomial likelihood of counts (Lopez et al. 2018)."),
        &["sc-vi", "nb-vae", "scvi-tools"],
    ),
    known_as(
        word("ldvae", "LDVAE: scVI with a linear decoder (Svensson et al. 2020)."),
        &["linearscvi", "linear-scvi"],
    ),
    known_as(word("dca", "DCA: deep count autoencoder (Eraslan et al. 2019)."), &["deep-count-autoencoder"]),
]);

/// The tables in `[model]`, one a model.
pub(super) const MODEL_TABLES: &[Key] = &[
    key(ModelKind::Pca.name(), "Values for PCA alone.", Content::Section, Default::Optional),
    key(ModelKind::Ae.name(), "Values for the AE alone.", Content::Section, Default::Optional),
    key(ModelKind::BetaVae.name(), "Values for the β-VAE alone.", Content::Section, Default::Optional),
    key(ModelKind::BetaVsc.name(), "Values for the β-VSC alone.", Content::Section, Default::Optional),
    key(ModelKind::Scvi.name(), "Values for scVI alone.", Content::Section, Default::Optional),
    key(ModelKind::Ldvae.name(), "Values for LDVAE alone.", Content::Section, Default::Optional),
    key(ModelKind::Dca.name(), "Values for DCA alone.", Content::Section, Default::Optional),
];

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::shape::Shape;
    use super::{MODEL_TABLES, MODELS};
    use crate::config::ModelKind;
    use crate::data::DataSpec;

    #[test]
    fn every_model_is_a_word_and_has_a_table() {
        let Shape::Words(words) = MODELS else { panic!("models are words") };
        let names: Vec<&str> = ModelKind::ALL.iter().map(|model| model.name()).collect();
        assert_eq!(words.iter().map(|word| word.name).collect::<Vec<_>>(), names);
        assert_eq!(MODEL_TABLES.iter().map(|key| key.name).collect::<Vec<_>>(), names);
    }

    #[test]
    fn the_defaults_of_the_data_are_those_of_the_type() {
        let file = parse("name = \"x\"\n[data]\npath = \"p\"\n[grid]\nmodel = \"pca\"\n").unwrap();
        assert_eq!(file.data, serde_json::from_str::<DataSpec>(r#"{"path": "p"}"#).unwrap());
    }
}
