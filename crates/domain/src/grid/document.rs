//! The whole file as checked parts: every value has been read and every name resolved, nothing has been multiplied
//! out yet. What the parts mean together is said in `plan`.

use toml::de::{DeTable, DeValue};

use super::axes::{Grid, read_grid};
use super::error::{Fault, Span, listed};
use super::inputs::refuse_other_input;
use super::keys::{DATA, Key, MODEL_TABLES, ROOT};
use super::overrides::{Override, read_overrides};
use super::parameters::{Param, Section, param, params_of};
use super::presets::{self, GridPreset, PresetUse, PresetValue};
use super::shape::{Placed, Shape, Value, Word, found};
use super::source::{read_labels, refuse_what_the_file_lacks};
use super::table::{Checked, Entry, as_table, in_file_order, known_entries};
use super::target::{Target, not_of_model};
use crate::config::ModelKind;
use crate::data::{DataSpec, Genes, Input, Orientation, QualityControl, Unlabelled};
use crate::ids::SweepName;

/// A value that holds for all grid points of its target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) target: Target,
    pub(super) value: Placed,
    /// Of the key.
    pub(super) span: Span,
}

/// A grid file, checked part by part.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) name: SweepName,
    pub(super) data: DataSpec,
    pub(super) grid: Grid,
    /// The preset, weaker than all that the file says.
    pub(super) preset: Option<GridPreset>,
    /// Keys that `[data]` has in the file.
    data_keys: Vec<String>,
    /// `[model]`, `[train]`, `[evaluation]` before `[model.X]`: the later the more specific.
    pub(super) fixed: Vec<Setting>,
    pub(super) overrides: Vec<Override>,
}

impl Document {
    /// Reads the parsed file.
    pub(super) fn read(root: &DeTable<'_>) -> Result<Self, Fault> {
        let keys: Vec<&'static Key> = ROOT.iter().collect();
        let entries = known_entries("the grid file", &keys, root)?;
        let section = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, entry)| entry);
        if let Some(entry) =
            section("model").filter(|entry| !matches!(entry.raw.get_ref(), DeValue::Table(_)))
        {
            return Err(Fault::at(entry.span.clone(), "the models to compare stand in [grid]").help(
                "write model = [\"ae\", \"beta-vae\"] below [grid]; [model] holds values for the models",
            ));
        }
        let required = |name: &str| {
            section(name).ok_or_else(|| {
                let key =
                    ROOT.iter().find(|key| key.name == name).expect("asked for by the table's own names");
                missing_section(key)
            })
        };

        let name = read_name(required("name")?)?;
        let preset = section("preset").map(|entry| presets::read(entry.raw)).transpose()?;
        let (data, data_keys) = read_data(required("data")?, preset.as_ref())?;
        let grid = read_grid(required("grid")?)?;
        refuse_other_input(&grid, data.input)?;
        let mut fixed = Vec::new();
        for (name, kind) in [("train", Section::Train), ("evaluation", Section::Evaluation)] {
            if let Some(entry) = section(name) {
                fixed.extend(read_section(kind, entry)?);
            }
        }
        if let Some(entry) = section("model") {
            fixed.extend(read_models(entry)?);
        }
        let overrides = section("override").map(read_overrides).transpose()?.unwrap_or_default();
        let document = Self { name, data, grid, preset, data_keys, fixed, overrides };
        document.refuse_values_said_twice()?;
        Ok(document)
    }

    /// What the preset says, and where the file says something itself.
    pub(super) fn preset_use(&self) -> Option<PresetUse> {
        let preset = self.preset.as_ref()?;
        let of_data = preset.data.iter().map(|(key, value)| {
            let name = key.get_ref().to_string();
            let is_overridden = self.data_keys.contains(&name);
            PresetValue { key: format!("data.{name}"), value: found(value), is_overridden }
        });
        let of_params = preset.settings.iter().map(|setting| PresetValue {
            key: match setting.target.model {
                Some(_) => setting.target.to_string(),
                None => format!("{}.{}", setting.target.param.section.name(), setting.target.param.name()),
            },
            value: setting.value.value.to_string(),
            is_overridden: self.says(setting.target),
        });
        Some(PresetUse { name: preset.name.to_owned(), values: of_data.chain(of_params).collect() })
    }

    /// Whether a section, an axis or a set of the file speaks of all that `target` speaks of.
    fn says(&self, target: Target) -> bool {
        let sections = self.fixed.iter().map(|setting| setting.target);
        let axes = self.grid.axes.iter().flat_map(|axis| &axis.members).map(|member| member.target);
        sections.chain(axes).any(|other| {
            other.param == target.param && (other.model.is_none() || other.model == target.model)
        })
    }

    /// An axis and a fixed value of the same target contradict each other.
    fn refuse_values_said_twice(&self) -> Result<(), Fault> {
        for member in self.grid.axes.iter().flat_map(|axis| &axis.members) {
            if let Some(setting) = self.fixed.iter().find(|setting| setting.target == member.target) {
                return Err(Fault::at(
                    setting.span.clone(),
                    format!("{} is set here and in [grid]", member.target),
                )
                .also("there at", member.span.clone())
                .help("say each value in one place; [[override]] changes it for some grid points"));
            }
        }
        Ok(())
    }
}

fn missing_section(key: &Key) -> Fault {
    let help = match key.name {
        "name" => "write name = \"my-sweep\" at the top of the file",
        "data" => "write [data] with path = \"…\": the folder with the counts",
        _ => "write [grid] with model = [\"ae\", \"beta-vae\"]: the models to compare",
    };
    let what = if key.name == "name" { "name".to_owned() } else { format!("section [{}]", key.name) };
    Fault::of_file(format!("the grid file has no {what}")).help(help)
}

fn read_name(entry: &Entry<'_, '_>) -> Result<SweepName, Fault> {
    let placed = Shape::Text.read("name", entry.raw)?;
    let Value::Text(text) = &placed.value else {
        return Err(Fault::at(placed.span, "name must be a text"));
    };
    text.parse().map_err(|_| {
        let fault = Fault::at(placed.span.clone(), format!("name = {} cannot name a sweep", placed.value));
        fault.help(format!(
            "a name has 1 to {} letters (a to z), digits, '-', '_' or '.', and starts with a letter or digit{}",
            SweepName::MAX_LEN,
            nearest_name(text).map(|name| format!("; for example \"{name}\"")).unwrap_or_default()
        ))
    })
}

/// The text with everything a name cannot hold made a hyphen.
fn nearest_name(text: &str) -> Option<SweepName> {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    let plain: String = text.chars().map(|letter| if is_plain(&letter) { letter } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-").parse().ok()
}

/// `[data]` over the preset's, and the keys that the file itself has.
fn read_data(entry: &Entry<'_, '_>, preset: Option<&GridPreset>) -> Result<(DataSpec, Vec<String>), Fault> {
    let table = as_table("[data]", entry.raw)?;
    let own_keys = in_file_order(table).into_iter().map(|inner| inner.name.to_owned()).collect();
    let both = preset.map(|preset| presets::under(table, &preset.data));
    Ok((read_data_table(both.as_ref().unwrap_or(table), &entry.span)?, own_keys))
}

fn read_data_table(table: &DeTable<'_>, span: &Span) -> Result<DataSpec, Fault> {
    let data = Checked::read("[data]", DATA, table, span)?;
    let labels = read_labels(&data, table)?;
    refuse_what_the_file_lacks(&data)?;
    let genes = match data.table("genes").and_then(|table| table.whole("hvg")) {
        Some(count) => Genes::Hvg(u32::try_from(count).expect("checked to be at most u32::MAX")),
        None => data.word("genes").map(meaning::<Genes>).unwrap_or_default(),
    };
    Ok(DataSpec {
        path: data.text("path").unwrap_or_default().to_owned(),
        layer: data.text("layer").map(str::to_owned),
        gene_names: data.text("gene_names").map(str::to_owned),
        orientation: data.word("orientation").map(meaning::<Orientation>).unwrap_or_default(),
        labels,
        unlabelled: data.word("unlabelled").map(meaning::<Unlabelled>).unwrap_or_default(),
        input: data.word("input").map(meaning::<Input>).unwrap_or_default(),
        genes,
        scale_factor: data.number("scale_factor").expect("has a default"),
        qc: read_qc(data.table("qc").expect("has a default"))?,
    })
}

fn read_qc(qc: &Checked) -> Result<QualityControl, Fault> {
    let small = |name: &str| {
        let whole = qc.whole(name).expect("has a default");
        u32::try_from(whole).expect("checked to be at most u32::MAX")
    };
    let (min_genes, max_genes) = (small("min_genes"), small("max_genes"));
    // min_genes < genes < max_genes, both strict: no cell passes unless a whole number lies between
    if u64::from(max_genes) < u64::from(min_genes) + 2 {
        let is_max_written = qc.span("max_genes") != (0..0);
        let span = qc.span(if is_max_written { "max_genes" } else { "min_genes" });
        return Err(Fault::at(
            span,
            format!("no cell has more than {min_genes} and fewer than {max_genes} genes"),
        )
        .help("raise max_genes or lower min_genes"));
    }
    Ok(QualityControl {
        min_cells: small("min_cells"),
        min_genes,
        max_genes,
        max_mito_percent: qc.number("max_mito_percent").expect("has a default"),
        mito_prefix: qc.text("mito_prefix").expect("has a default").to_owned(),
    })
}

/// The value of an enum that is written as `word`.
pub(super) fn meaning<T: serde::de::DeserializeOwned>(word: &'static str) -> T {
    serde_json::from_value(serde_json::Value::from(word))
        .expect("the key table lists serde's own names; a test reads them all")
}

/// `[train]` or `[evaluation]`.
pub(super) fn read_section(section: Section, entry: &Entry<'_, '_>) -> Result<Vec<Setting>, Fault> {
    let place = format!("[{}]", section.name());
    let keys: Vec<&'static Key> = params_of(section).map(|param| &param.key).collect();
    let table = as_table(&place, entry.raw)?;
    known_entries(&place, &keys, table)?.into_iter().map(|(key, inner)| setting(None, key, &inner)).collect()
}

/// `[model]` and its `[model.X]`: values for all models first.
pub(super) fn read_models(entry: &Entry<'_, '_>) -> Result<Vec<Setting>, Fault> {
    let table = as_table("[model]", entry.raw)?;
    let keys: Vec<&'static Key> =
        params_of(Section::Model).map(|param| &param.key).chain(MODEL_TABLES).collect();
    let mut general = Vec::new();
    let mut specific = Vec::new();
    for (key, inner) in known_entries("[model]", &keys, table)? {
        match ModelKind::from_name(key.name) {
            Some(model) => specific.extend(read_model(model, &inner)?),
            None => general.push(setting(None, key, &inner)?),
        }
    }
    general.extend(specific);
    Ok(general)
}

/// `[model.X]`.
fn read_model(model: ModelKind, entry: &Entry<'_, '_>) -> Result<Vec<Setting>, Fault> {
    let place = format!("[model.{model}]");
    let table = as_table(&place, entry.raw)?;
    let foreign = in_file_order(table).into_iter().find_map(|inner| {
        let known = param(inner.name).filter(|param| param.section == Section::Model && !param.is_of(model));
        known.map(|param| not_of_model(model, param, inner.span))
    });
    if let Some(fault) = foreign {
        return Err(fault);
    }
    let of_model = params_of(Section::Model).filter(|param| param.is_of(model));
    let keys: Vec<&'static Key> = of_model.map(|param| &param.key).collect();
    known_entries(&place, &keys, table)?
        .into_iter()
        .map(|(key, inner)| {
            let setting = setting(Some(model), key, &inner)?;
            refuse_word_of_another(model, setting.target.param, &setting.value)?;
            Ok(setting)
        })
        .collect()
}

fn setting(model: Option<ModelKind>, key: &Key, entry: &Entry<'_, '_>) -> Result<Setting, Fault> {
    let param = param(key.name).expect("the keys of these sections are those of the parameters");
    let value = param.shape().read(key.name, entry.raw)?;
    Ok(Setting { target: Target { model, param }, value, span: entry.span.clone() })
}

/// A word may be known to some of the models that have the key, and not to `model`.
pub(super) fn refuse_word_of_another(model: ModelKind, param: &Param, placed: &Placed) -> Result<(), Fault> {
    let (Shape::Words(words), Value::Word(name)) = (param.shape(), &placed.value) else {
        return Ok(());
    };
    if words.iter().any(|word| word.name == *name && word.is_of(model)) {
        return Ok(());
    }
    let allowed: Vec<String> = words
        .iter()
        .filter(|word: &&Word| word.is_of(model))
        .map(|word| format!("\"{}\"", word.name))
        .collect();
    let owners: Vec<&str> = words
        .iter()
        .filter(|word| word.name == *name)
        .flat_map(|word| word.models.iter().map(|owner| owner.name()))
        .collect();
    let example =
        owners.first().map(|owner| format!("; \"model.{owner}.{}\" speaks of {owner} alone", param.name()));
    Err(Fault::at(placed.span.clone(), format!("{model} has no {} = \"{name}\"", param.name())).help(
        format!("for {model}, {} is {}{}", param.name(), listed(&allowed, "or"), example.unwrap_or_default()),
    ))
}
