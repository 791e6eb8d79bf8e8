//! `[[override]]`: other values where a match holds.

use toml::de::{DeTable, DeValue};

use super::document::Setting;
use super::error::{Fault, Span};
use super::keys::{Key, MODELS, OVERRIDE};
use super::resolve::Settings;
use super::shape::{Placed, Raw, Value, found};
use super::table::{Entry, as_table, known_entries, missing};
use super::target::{Target, flatten, resolve};
use crate::config::ModelKind;

/// One `[[override]]`.
#[derive(Debug)]
pub(super) struct Override {
    /// Of `match`.
    pub(super) span: Span,
    /// `None`: any model.
    models: Option<Vec<ModelKind>>,
    /// All must hold.
    conditions: Vec<(Target, Vec<Placed>)>,
    /// At least one.
    pub(super) set: Vec<Setting>,
}

impl Override {
    /// Whether it speaks of the grid point of `model` with these resolved settings.
    pub(super) fn matches(&self, model: ModelKind, settings: &Settings) -> bool {
        let is_model = self.models.as_ref().is_none_or(|models| models.contains(&model));
        let holds = |(target, values): &(Target, Vec<Placed>)| {
            let actual = settings.get(target.param);
            target.is_of(model) && values.iter().any(|placed| Some(&placed.value) == actual)
        };
        is_model && self.conditions.iter().all(holds)
    }
}

/// Reads `[[override]]`.
pub(super) fn read_overrides(entry: &Entry<'_, '_>) -> Result<Vec<Override>, Fault> {
    let DeValue::Array(items) = entry.raw.get_ref() else {
        return Err(Fault::at(
            entry.span.clone(),
            format!("override must be [[override]], found {}", found(entry.raw)),
        )
        .help("write the name in double brackets: each [[override]] is one of a list"));
    };
    items.iter().map(read_override).collect()
}

fn read_override(raw: &Raw<'_>) -> Result<Override, Fault> {
    const PLACE: &str = "[[override]]";
    let table = as_table(PLACE, raw)?;
    let keys: Vec<&'static Key> = OVERRIDE.iter().collect();
    let entries = known_entries(PLACE, &keys, table)?;
    let part = |name: &str| {
        let key = OVERRIDE.iter().find(|key| key.name == name).expect("asked for by the table's own names");
        let entry = entries.iter().find(|(known, _)| known.name == name).map(|(_, entry)| entry);
        entry.ok_or_else(|| missing(PLACE, key, raw.span()).help(EXAMPLE))
    };
    let (matching, setting) = (part("match")?, part("set")?);
    let (models, conditions) = read_match(matching)?;
    Ok(Override { span: matching.span.clone(), models, conditions, set: read_set(setting)? })
}

const EXAMPLE: &str = "for example match = { model = \"ae\" } and set = { \"train.epochs\" = 300 }";

fn filled<'t, 'text>(place: &str, entry: &Entry<'t, 'text>) -> Result<&'t DeTable<'text>, Fault> {
    let table = as_table(place, entry.raw)?;
    if table.is_empty() {
        return Err(Fault::at(entry.raw.span(), format!("{place} is empty")).help(EXAMPLE));
    }
    Ok(table)
}

type Conditions = Vec<(Target, Vec<Placed>)>;

fn read_match(entry: &Entry<'_, '_>) -> Result<(Option<Vec<ModelKind>>, Conditions), Fault> {
    const PLACE: &str = "[[override]] match";
    let mut models = None;
    let mut conditions = Vec::new();
    for named in flatten(filled(PLACE, entry)?) {
        if named.name == "model" {
            let placed = MODELS.read_many("model", named.raw)?;
            let kinds = placed.iter().filter_map(|placed| match placed.value {
                Value::Word(word) => ModelKind::from_name(word),
                _ => None,
            });
            models = Some(kinds.collect());
        } else {
            let target = resolve(PLACE, &named.name, &named.span, &["model"])?;
            let values = target.param.shape().read_many(target.param.name(), named.raw)?;
            conditions.push((target, values));
        }
    }
    Ok((models, conditions))
}

fn read_set(entry: &Entry<'_, '_>) -> Result<Vec<Setting>, Fault> {
    const PLACE: &str = "[[override]] set";
    let mut settings: Vec<Setting> = Vec::new();
    for named in flatten(filled(PLACE, entry)?) {
        if named.name == "model" || named.name == "seed" {
            return Err(Fault::at(named.span, format!("an override cannot set the {}", named.name))
                .help("set changes parameters; models and seeds stand in [grid]"));
        }
        let target = resolve(PLACE, &named.name, &named.span, &[])?;
        let value = target.param.shape().read(target.param.name(), named.raw)?;
        if let Some(first) = settings.iter().find(|setting| setting.target == target) {
            return Err(Fault::at(named.span, format!("{target} is set twice"))
                .also("first at", first.span.clone())
                .help("keep one of them"));
        }
        settings.push(Setting { target, value, span: named.span });
    }
    Ok(settings)
}
