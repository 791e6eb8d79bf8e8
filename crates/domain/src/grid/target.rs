//! Names of parameters: `beta`, `train.epochs`, `model.beta-vsc.alpha`, `evaluation.perplexity`; in quotes or as nested
//! tables. Used by `[grid]`, by `zip` and by `[[override]]`.

use toml::de::{DeTable, DeValue};

use super::error::{Fault, Span, closest, listed};
use super::keys::GRID;
use super::parameters::{PARAMS, Param, Section, param};
use super::shape::{Raw, quote};
use super::table::in_file_order;
use crate::config::ModelKind;

/// A parameter, of one model or of all that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) model: Option<ModelKind>,
    pub(super) param: &'static Param,
}

impl Target {
    /// Whether it speaks of `model`.
    pub(super) fn is_of(&self, model: ModelKind) -> bool {
        self.model.is_none_or(|only| only == model) && self.param.is_of(model)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.model {
            Some(model) => write!(f, "model.{model}.{}", self.param.name()),
            None => f.write_str(self.param.name()),
        }
    }
}

/// A value of a table whose keys are names of parameters.
pub(super) struct Named<'t, 'text> {
    /// Segments joined by dots.
    pub(super) name: String,
    /// Of the last segment.
    pub(super) span: Span,
    pub(super) raw: &'t Raw<'text>,
}

/// The values of `table` in file order, with nested section tables (`train.epochs = …`) taken apart.
pub(super) fn flatten<'t, 'text>(table: &'t DeTable<'text>) -> Vec<Named<'t, 'text>> {
    let mut out = Vec::new();
    flatten_into("", table, &mut out);
    out.sort_by_key(|named| named.span.start);
    out
}

fn flatten_into<'t, 'text>(prefix: &str, table: &'t DeTable<'text>, out: &mut Vec<Named<'t, 'text>>) {
    for entry in in_file_order(table) {
        let name = if prefix.is_empty() { entry.name.to_owned() } else { format!("{prefix}.{}", entry.name) };
        match entry.raw.get_ref() {
            DeValue::Table(inner) if may_be_prefix(&name) => flatten_into(&name, inner, out),
            _ => out.push(Named { name, span: entry.span, raw: entry.raw }),
        }
    }
}

/// A section, or `model.X`: deeper tables are values, and wrong ones.
fn may_be_prefix(name: &str) -> bool {
    match name.split_once('.') {
        None => Section::ALL.iter().any(|section| section.name() == name),
        Some(("model", model)) => !model.contains('.'),
        Some(_) => false,
    }
}

/// The parameter that `name` names at `place`; `others` are the place's other keys, for suggestions.
pub(super) fn resolve(place: &str, name: &str, span: &Span, others: &[&str]) -> Result<Target, Fault> {
    let segments: Vec<&str> = name.split('.').collect();
    let of_section = |section: &str, key: &str| param(key).filter(|param| param.section.name() == section);
    let target = match segments.as_slice() {
        [key] => param(key).map(|param| Target { model: None, param }),
        ["model", model, key] => match (ModelKind::from_name(model), of_section("model", key)) {
            (Some(kind), Some(param)) if param.is_of(kind) => Some(Target { model: Some(kind), param }),
            (Some(kind), Some(param)) => return Err(not_of_model(kind, param, span.clone())),
            _ => None,
        },
        [section, key] => of_section(section, key).map(|param| Target { model: None, param }),
        _ => None,
    };
    target.ok_or_else(|| unknown_name(place, name, span.clone(), others))
}

/// A key that the model does not have.
pub(super) fn not_of_model(model: ModelKind, param: &Param, span: Span) -> Fault {
    let owners: Vec<&str> = param.models.iter().map(|owner| owner.name()).collect();
    Fault::at(span, format!("{model} has no {}", param.name())).help(format!(
        "{} belongs to {}",
        param.name(),
        listed(&owners, "and")
    ))
}

fn unknown_name(place: &str, name: &str, span: Span, others: &[&str]) -> Fault {
    let bare: Vec<&str> = others.iter().copied().chain(PARAMS.iter().map(|param| param.name())).collect();
    let allowed = format!("{place} has {}", listed(&bare, "and"));
    let last = name.rsplit('.').next().unwrap_or(name);
    let dotted = dotted_names();
    let meant = if name.contains('.') {
        closest(name, dotted.iter().map(String::as_str))
            .or_else(|| param(last).map(Param::name))
            .map(str::to_owned)
    } else {
        also_known_as(name, others).or_else(|| closest(name, bare.iter().copied())).map(str::to_owned)
    };
    let help = match meant {
        Some(word) => format!("did you mean \"{word}\"? {allowed}"),
        None => allowed,
    };
    Fault::at(span, format!("unknown key {} in {place}", quote(name))).help(help)
}

fn also_known_as(name: &str, others: &[&str]) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let known = GRID.iter().filter(|key| others.contains(&key.name));
    known
        .chain(PARAMS.iter().map(|param| &param.key))
        .find(|key| key.aka.contains(&lower.as_str()))
        .map(|key| key.name)
}

/// Every dotted name.
pub(super) fn dotted_names() -> Vec<String> {
    let mut names: Vec<String> =
        PARAMS.iter().map(|param| format!("{}.{}", param.section.name(), param.name())).collect();
    for param in PARAMS.iter().filter(|param| param.section == Section::Model) {
        names.extend(param.models.iter().map(|model| format!("model.{model}.{}", param.name())));
    }
    names
}
