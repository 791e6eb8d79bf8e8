//! Tables against their lists of known keys: unknown and missing keys, and the reading of a whole table with its
//! defaults. Says nothing about what any key means.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::error::{Fault, Span, closest, listed};
use super::keys::{Content, DATA, Default, GRID, Key, QC};
use super::parameters::param;
use super::shape::{Placed, Raw, Value, found, quote};
use crate::schedule::Schedule;

/// One entry of a table, as written.
pub(super) struct Entry<'t, 'text> {
    pub(super) name: &'t str,
    /// Of the key.
    pub(super) span: Span,
    pub(super) raw: &'t Raw<'text>,
}

/// The entries in the order of the file (the parser sorts them by name).
pub(super) fn in_file_order<'t, 'text>(table: &'t DeTable<'text>) -> Vec<Entry<'t, 'text>> {
    let mut entries: Vec<Entry<'_, '_>> = table
        .iter()
        .map(|(key, raw)| Entry { name: key.get_ref().as_ref(), span: key.span(), raw })
        .collect();
    entries.sort_by_key(|entry| entry.span.start);
    entries
}

/// The table at `place`.
pub(super) fn as_table<'t, 'text>(place: &str, raw: &'t Raw<'text>) -> Result<&'t DeTable<'text>, Fault> {
    match raw.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => Err(Fault::at(raw.span(), format!("{place} must be a table, found {}", found(raw)))),
    }
}

/// The entries of `table`, each with its known key, in the order of the file.
pub(super) fn known_entries<'t, 'text>(
    place: &str,
    keys: &[&'static Key],
    table: &'t DeTable<'text>,
) -> Result<Vec<(&'static Key, Entry<'t, 'text>)>, Fault> {
    in_file_order(table)
        .into_iter()
        .map(|entry| match keys.iter().find(|key| key.name == entry.name) {
            Some(key) => Ok((*key, entry)),
            None => Err(unknown_key(place, entry.name, entry.span, keys)),
        })
        .collect()
}

fn unknown_key(place: &str, name: &str, span: Span, keys: &[&'static Key]) -> Fault {
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    let allowed = format!("{place} has {}", listed(&names, "and"));
    let lower = name.to_lowercase();
    let meant = keys.iter().find(|key| key.aka.contains(&lower.as_str())).map(|key| key.name);
    let meant = meant.or_else(|| closest(name, names.iter().copied()));
    let help = match (home_of(name), meant) {
        (Some(home), _) => format!("{name} belongs in {home}; {allowed}"),
        (None, Some(word)) => format!("did you mean \"{word}\"? {allowed}"),
        (None, None) => allowed,
    };
    Fault::at(span, format!("unknown key {} in {place}", quote(name))).help(help)
}

/// The table that a key belongs to, by its exact name.
fn home_of(name: &str) -> Option<String> {
    let is_in = |keys: &[Key]| keys.iter().any(|key| key.name == name);
    match param(name) {
        Some(param) => Some(format!("[{}]", param.section.name())),
        None if is_in(DATA) => Some("[data]".to_owned()),
        None if is_in(QC) => Some("[data.qc]".to_owned()),
        None if is_in(GRID) => Some("[grid]".to_owned()),
        None => None,
    }
}

/// A missing required key of the table that begins at `span`.
pub(super) fn missing(place: &str, key: &Key, span: Span) -> Fault {
    Fault::at(span, format!("{place} has no {}", key.name)).help(format!(
        "add {} = … ({})",
        key.name,
        key.about.trim_end_matches('.')
    ))
}

/// A table whose every key has been checked; keys with a default are there.
#[derive(Debug)]
pub(super) struct Checked {
    items: Vec<(&'static str, Item)>,
}

#[derive(Debug)]
enum Item {
    Value(Placed),
    Table(Checked),
    Lists(Lists),
}

/// A table of free names, each with a list of texts.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) of_name: BTreeMap<String, Vec<String>>,
    /// Of the key.
    pub(super) span: Span,
}

impl Checked {
    /// Reads `table`, which begins at `span`, by the list `keys`.
    pub(super) fn read(
        place: &str,
        keys: &'static [Key],
        table: &DeTable<'_>,
        span: &Span,
    ) -> Result<Self, Fault> {
        let known: Vec<&'static Key> = keys.iter().collect();
        let mut items = Vec::new();
        for (key, entry) in known_entries(place, &known, table)? {
            items.push((key.name, Item::read(place, key, &entry)?));
        }
        for key in keys {
            if items.iter().all(|(name, _)| *name != key.name)
                && let Some(item) = Item::default(place, key, span)?
            {
                items.push((key.name, item));
            }
        }
        Ok(Self { items })
    }

    fn value(&self, name: &str) -> Option<&Placed> {
        self.items.iter().find_map(|(key, item)| match item {
            Item::Value(placed) if *key == name => Some(placed),
            _ => None,
        })
    }

    /// The table at `name`, where one stands there.
    pub(super) fn table(&self, name: &str) -> Option<&Self> {
        self.items.iter().find_map(|(key, item)| match item {
            Item::Table(table) if *key == name => Some(table),
            _ => None,
        })
    }

    /// The lists at `name`.
    pub(super) fn lists(&self, name: &str) -> Option<&Lists> {
        self.items.iter().find_map(|(key, item)| match item {
            Item::Lists(lists) if *key == name => Some(lists),
            _ => None,
        })
    }

    /// Where the value at `name` stands; `0..0` for a default.
    pub(super) fn span(&self, name: &str) -> Span {
        self.value(name).map_or(0..0, |placed| placed.span.clone())
    }

    /// The text at `name`; `None` where the key is absent or has another shape.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.value(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number at `name`.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        match self.value(name)?.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The whole number at `name`.
    pub(super) fn whole(&self, name: &str) -> Option<u64> {
        match self.value(name)?.value {
            Value::Whole(whole) => Some(whole),
            _ => None,
        }
    }

    /// The word at `name`.
    pub(super) fn word(&self, name: &str) -> Option<&'static str> {
        match self.value(name)?.value {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }
}

impl Item {
    fn read(place: &str, key: &'static Key, entry: &Entry<'_, '_>) -> Result<Self, Fault> {
        let inner_place = || format!("[{}.{}]", place.trim_matches(['[', ']']), key.name);
        match key.content {
            Content::One(shape) => Ok(Self::Value(shape.read(key.name, entry.raw)?)),
            Content::Table(keys) => {
                let inner = inner_place();
                let table = as_table(&inner, entry.raw)?;
                Ok(Self::Table(Checked::read(&inner, keys, table, &entry.raw.span())?))
            }
            Content::Either(_, keys) if matches!(entry.raw.get_ref(), DeValue::Table(_)) => {
                let inner = inner_place();
                let table = as_table(&inner, entry.raw)?;
                Ok(Self::Table(Checked::read(&inner, keys, table, &entry.raw.span())?))
            }
            Content::Lists => Ok(Self::Lists(Lists::read(&inner_place(), entry)?)),
            Content::Either(shape, _) => Ok(Self::Value(shape.read(key.name, entry.raw)?)),
            Content::Section => unreachable!("{} has a reader of its own", key.name),
        }
    }

    fn default(place: &str, key: &'static Key, span: &Span) -> Result<Option<Self>, Fault> {
        let value = match (key.default, key.content) {
            (Default::Optional, _) => return Ok(None),
            (Default::Required, _) => return Err(missing(place, key, span.clone())),
            (Default::EachKey, Content::Table(keys)) => {
                let empty = DeTable::new();
                return Checked::read(key.name, keys, &empty, span).map(|table| Some(Self::Table(table)));
            }
            (Default::EachKey, _) => return Ok(None),
            (default, _) => default.value(),
        };
        Ok(value.map(|value| Self::Value(Placed { value, span: 0..0 })))
    }
}

impl Lists {
    fn read(place: &str, entry: &Entry<'_, '_>) -> Result<Self, Fault> {
        let mut of_name = BTreeMap::new();
        for inner in in_file_order(as_table(place, entry.raw)?) {
            if inner.name.trim().is_empty() {
                return Err(Fault::at(inner.span, format!("{place} has an empty name")));
            }
            of_name.insert(inner.name.to_owned(), texts(place, &inner)?);
        }
        if of_name.is_empty() {
            let fault = Fault::at(entry.span.clone(), format!("{place} is empty"));
            return Err(fault.help("write at least one line, as \"B\" = [\"MS4A1\"], or leave the table out"));
        }
        Ok(Self { of_name, span: entry.span.clone() })
    }
}

/// The list of texts at `entry` of the table at `place`.
fn texts(place: &str, entry: &Entry<'_, '_>) -> Result<Vec<String>, Fault> {
    let refuse = |span, found: &str| {
        let message = format!("{} in {place} must be a list of texts, found {found}", quote(entry.name));
        Err(Fault::at(span, message).help("write the list as [\"IL7R\", \"CCR7\"]"))
    };
    let DeValue::Array(items) = entry.raw.get_ref() else {
        return refuse(entry.raw.span(), &found(entry.raw));
    };
    if items.is_empty() {
        return refuse(entry.raw.span(), "an empty one");
    }
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        match item.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => texts.push(text.clone().into_owned()),
            _ => return refuse(item.span(), &found(item)),
        }
    }
    Ok(texts)
}

impl Default {
    /// The value, where the default is one.
    pub(super) fn value(self) -> Option<Value> {
        match self {
            Self::Optional | Self::Required | Self::EachKey => None,
            Self::Number(number) => Some(Value::Number(number)),
            Self::Whole(whole) => Some(Value::Whole(whole)),
            Self::Flag(flag) => Some(Value::Flag(flag)),
            Self::Word(word) => Some(Value::Word(word)),
            Self::Text(text) => Some(Value::Text(text.to_owned())),
            Self::Constant => Some(Value::Schedule(Schedule::Constant)),
            Self::Warmup(warmup) => Some(Value::Schedule(Schedule::Warmup { warmup })),
            Self::Widths(widths) => Some(Value::Widths(widths.to_vec())),
        }
    }
}
