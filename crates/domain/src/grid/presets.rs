//! `preset = "…"` at the top of a grid file: a set of values under the file's own. A preset is itself part of a grid
//! file, in the folder `presets`: read by the same readers, and readable for people.
//!
//! A preset's values stand between the defaults and whatever the file says, at any place and for any model.

use toml::de::{DeTable, DeValue};

use super::document::{Setting, read_models, read_section};
use super::error::Fault;
use super::keys::word;
use super::parameters::Section;
use super::shape::{Raw, Shape, Value, Word};
use super::table::{Entry, in_file_order};

/// The names, with what each is.
pub(super) const NAMES: Shape = Shape::Words(WORDS);

const WORDS: &[Word] = &[
    word(
        "study-as-published",
        "What the study's code did: batch 240, its wide nets, the VAE's codes one random sample, the VSC with β = 1 and its codes raw μ, geometric NMI.",
    ),
    word(
        "study",
        "The study as its report tells it, its slips mended: batch 256, the report's nets, β = 2 for both, expected codes, arithmetic NMI.",
    ),
    word(
        "counts",
        "Models of raw counts: the 2,000 most variable genes, 10 codes, batches of 128 and 400 epochs as in scvi-tools.",
    ),
];

const TEXTS: &[(&str, &str)] = &[
    ("study-as-published", include_str!("presets/study-as-published.toml")),
    ("study", include_str!("presets/study.toml")),
    ("counts", include_str!("presets/counts.toml")),
];

/// A preset of a grid file.
#[derive(Debug)]
pub(super) struct GridPreset {
    pub(super) name: &'static str,
    /// `[data]`.
    pub(super) data: DeTable<'static>,
    /// As [`super::document::Document::fixed`].
    pub(super) settings: Vec<Setting>,
}

/// What a preset says about one key, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetValue {
    /// As in a grid file: `train.batch_size`, `model.beta-vsc.beta`.
    pub key: String,
    /// As in a grid file.
    pub value: String,
    /// The file itself says something about it.
    pub is_overridden: bool,
}

/// A preset as a grid file uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetUse {
    /// Its name.
    pub name: String,
    /// All that it says.
    pub values: Vec<PresetValue>,
}

/// The preset of the name at the key `preset`.
pub(super) fn read(raw: &Raw<'_>) -> Result<GridPreset, Fault> {
    match NAMES.read("preset", raw)?.value {
        Value::Word(name) => Ok(of_name(name)),
        other => Err(Fault::at(raw.span(), format!("{other} names no preset"))),
    }
}

fn of_name(name: &'static str) -> GridPreset {
    let (_, text) = TEXTS.iter().find(|(other, _)| *other == name).expect("every name has a text");
    parse(name, text).unwrap_or_else(|fault| panic!("{name}: {}", fault.locate(text)))
}

fn parse(name: &'static str, text: &'static str) -> Result<GridPreset, Fault> {
    let root = DeTable::parse(text).map_err(|error| Fault::of_file(error.message()))?.into_inner();
    let mut preset = GridPreset { name, data: DeTable::new(), settings: Vec::new() };
    for Entry { name, span, raw } in in_file_order(&root) {
        let entry = Entry { name, span: span.clone(), raw };
        match (name, raw.get_ref()) {
            ("data", DeValue::Table(table)) => preset.data = table.clone(),
            ("train", _) => preset.settings.extend(read_section(Section::Train, &entry)?),
            ("evaluation", _) => preset.settings.extend(read_section(Section::Evaluation, &entry)?),
            ("model", _) => preset.settings.extend(read_models(&entry)?),
            _ => return Err(Fault::at(span, "a preset has data, train, model and evaluation")),
        }
    }
    Ok(preset)
}

/// The user's `[data]` with the preset's values where it says nothing.
pub(super) fn under<'text>(table: &DeTable<'text>, preset: &DeTable<'static>) -> DeTable<'text> {
    let mut both = table.clone();
    for (key, value) in preset {
        if !table.contains_key(key.get_ref().as_ref()) {
            both.insert(key.clone(), value.clone());
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::super::parse as parse_grid;
    use super::{TEXTS, WORDS, of_name};
    use crate::config::{Encode, ModelSpec, NetSpec, NmiAverage, Preset, TrainSpec};
    use crate::data::{Genes, Input};
    use crate::{Config, EvaluationSpec, ModelKind};

    #[test]
    fn every_preset_can_be_read_and_has_a_name() {
        let names: Vec<&str> = WORDS.iter().map(|word| word.name).collect();
        assert_eq!(TEXTS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
        names.into_iter().for_each(|name| assert!(!of_name(name).settings.is_empty(), "{name}"));
    }

    fn configs(body: &str) -> Vec<Config> {
        let text = format!("{body}[grid]\nmodel = [\"pca\", \"ae\", \"beta-vae\", \"beta-vsc\"]\n");
        let text = format!("name = \"x\"\n{text}[data]\npath = \"p\"\n");
        parse_grid(&text).unwrap_or_else(|error| panic!("{}", error.render(&text, "x"))).plan().configs
    }

    #[test]
    fn the_published_study_is_what_its_code_did() {
        let [pca, ae, vae, vsc] = configs("preset = \"study-as-published\"\n").try_into().unwrap();
        let train = TrainSpec { epochs: 200, batch_size: 240, ..TrainSpec::default() };
        assert_eq!((ae.train.as_ref(), vsc.train.as_ref(), pca.train), (Some(&train), Some(&train), None));
        for config in [&ae, &vae, &vsc] {
            let expected = NetSpec::of_preset(Preset::Code, config.model.kind(), 6);
            assert_eq!(config.model.net(), Some(&expected));
            assert_eq!(config.evaluation.nmi, NmiAverage::Geometric);
        }
        let (ModelSpec::BetaVae(vae), ModelSpec::BetaVsc(vsc)) = (vae.model, vsc.model) else {
            panic!("in the order of the list")
        };
        assert_eq!((vae.beta, vae.encode), (2.0, Encode::Sample));
        assert_eq!((vsc.beta, vsc.alpha, vsc.c, vsc.encode), (1.0, 0.5, 50.0, Encode::Mu));
    }

    #[test]
    fn the_mended_study_is_the_defaults_said_aloud() {
        assert_eq!(configs("preset = \"study\"\n"), configs(""));
        assert_eq!(configs("preset = \"study\"\n")[0].evaluation, EvaluationSpec::default());
    }

    #[test]
    fn counts_are_those_of_the_most_variable_genes() {
        let text =
            "name = \"x\"\npreset = \"counts\"\n[data]\npath = \"p\"\n[grid]\nmodel = [\"scvi\", \"dca\"]\n";
        let file = parse_grid(text).unwrap_or_else(|error| panic!("{}", error.render(text, "x")));
        assert_eq!((file.data.input, file.data.genes), (Input::Counts, Genes::Hvg(2000)));
        for config in file.plan().configs {
            assert_eq!(config.model.latent_dim(), 10);
            let train = config.train.unwrap();
            assert_eq!((train.epochs, train.batch_size), (400, 128));
        }
    }

    #[test]
    fn the_file_has_the_last_word_wherever_it_speaks() {
        let configs = |body: &str| {
            let text = format!("name = \"x\"\npreset = \"study-as-published\"\n[data]\npath = \"p\"\n{body}");
            let file = parse_grid(&text).unwrap_or_else(|error| panic!("{}", error.render(&text, "x")));
            let overridden = file.preset.as_ref().unwrap().values.iter().filter(|value| value.is_overridden);
            let overridden: Vec<String> = overridden.map(|value| value.key.clone()).collect();
            (file.plan().configs, overridden)
        };
        // A general value beats the preset's value for one model, an axis too.
        let (general, overridden) =
            configs("[model]\nencode = \"mean\"\n[grid]\nmodel = \"beta-vsc\"\nbeta = [0.5, 4]\n");
        let betas: Vec<_> = general.iter().map(|config| config.model.beta()).collect();
        assert_eq!(betas, [Some(0.5), Some(4.0)]);
        let ModelSpec::BetaVsc(vsc) = &general[0].model else { panic!("a beta-vsc") };
        assert_eq!((vsc.encode, vsc.net.encoder.as_slice()), (Encode::Mean, [800, 400].as_slice()));
        assert_eq!(
            overridden,
            ["model.beta", "model.beta-vae.encode", "model.beta-vsc.beta", "model.beta-vsc.encode"]
        );
        // What speaks of another model leaves the preset's value.
        let (specific, overridden) =
            configs("[model.beta-vae]\nbeta = 3\n[grid]\nmodel = [\"beta-vae\", \"beta-vsc\"]\n");
        assert_eq!(specific[1].model.beta(), Some(1.0));
        assert_eq!(specific[0].model.kind(), ModelKind::BetaVae);
        assert_eq!(overridden, [""; 0]);
    }
}
