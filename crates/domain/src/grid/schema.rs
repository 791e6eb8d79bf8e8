//! The key table as JSON Schema (draft 7, which editors of TOML understand), for completion and checks while typing.
//! It cannot say everything that [`super::parse`] checks; what it refuses, `parse` refuses too.

use serde_json::{Map, Value, json};

use super::keys::{Content, Default, GRID, Key, MODEL_TABLES, MODELS, OVERRIDE, ROOT, SEED, SEEDS};
use super::parameters::{PARAMS, Param, Section, params_of};
use super::schedule;
use super::shape::{Interval, MOST_LAYERS, Shape, WIDEST_LAYER, Word};
use crate::config::ModelKind;
use crate::schedule::Schedule;

/// The JSON Schema of grid files.
#[must_use]
pub fn schema() -> Value {
    let mut schema = table(ROOT, |key| match key.name {
        "grid" => grid(),
        "model" => models(),
        "override" => json!({ "type": "array", "items": table(OVERRIDE, override_part) }),
        "train" => section(Section::Train),
        _ => section(Section::Evaluation),
    });
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("latentsweep grid file");
    schema
}

/// A table by its keys; `section` gives the schema of keys that have a reader of their own.
fn table(keys: &[Key], section: fn(&Key) -> Value) -> Value {
    let properties = keys.iter().map(|key| {
        let content = match key.content {
            Content::One(shape) => value(&shape, None),
            Content::Table(inner) => table(inner, plain),
            Content::Either(shape, inner) => either(&shape, inner),
            Content::Lists => lists(),
            Content::Section => section(key),
        };
        (key.name.to_owned(), described(content, key))
    });
    let required: Vec<&str> =
        keys.iter().filter(|key| matches!(key.default, Default::Required)).map(|key| key.name).collect();
    let mut schema = object(properties.collect());
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// For tables whose every key is a value or a table of values.
fn plain(_: &Key) -> Value {
    json!({})
}

/// A value or a table.
fn either(shape: &Shape, inner: &[Key]) -> Value {
    json!({ "anyOf": [value(shape, None), table(inner, plain)] })
}

/// Free names, each with a list of texts.
fn lists() -> Value {
    let text = value(&Shape::Text, None);
    json!({
        "type": "object",
        "additionalProperties": { "type": "array", "items": text, "minItems": 1 },
        "minProperties": 1,
    })
}

fn object(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn described(schema: Value, key: &Key) -> Value {
    described_with(schema, key, key.default)
}

/// As `key` says, with another default: a model may have its own.
fn described_with(mut schema: Value, key: &Key, default: Default) -> Value {
    let meanings = schema.get("description").and_then(Value::as_str).map(|text| format!("\n{text}"));
    schema["description"] = json!(format!("{}{}", key.about, meanings.unwrap_or_default()));
    match default {
        Default::Number(number) => schema["default"] = json!(number),
        Default::Whole(whole) => schema["default"] = json!(whole),
        Default::Flag(flag) => schema["default"] = json!(flag),
        Default::Word(text) | Default::Text(text) => schema["default"] = json!(text),
        Default::Constant => schema["default"] = json!(Schedule::Constant),
        Default::Warmup(warmup) => schema["default"] = json!(Schedule::Warmup { warmup }),
        Default::Widths(widths) => schema["default"] = json!(widths),
        Default::Optional | Default::Required | Default::EachKey => {}
    }
    schema
}

/// One value; with a model, only the words that it knows.
fn value(shape: &Shape, model: Option<ModelKind>) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string", "minLength": 1 }),
        Shape::Number(interval) => number(interval),
        Shape::Whole { low, high } => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Words(words) => {
            let offered = |word: &&Word| model.is_none_or(|model| word.is_of(model));
            let names: Vec<&str> = words.iter().filter(offered).map(|word| word.name).collect();
            let meanings: Vec<String> =
                words.iter().filter(offered).map(|word| format!("{}: {}", word.name, word.about)).collect();
            json!({ "type": "string", "enum": names, "description": meanings.join("\n") })
        }
        Shape::Widths { fewest } => json!({
            "type": "array",
            "items": { "type": "integer", "minimum": 1, "maximum": WIDEST_LAYER },
            "minItems": fewest,
            "maxItems": MOST_LAYERS,
        }),
        Shape::Schedule => schedule::json_schema(),
    }
}

fn number(interval: &Interval) -> Value {
    let mut schema = json!({ "type": "number" });
    schema[if interval.has_low { "minimum" } else { "exclusiveMinimum" }] = json!(interval.low);
    if interval.high.is_finite() {
        schema[if interval.has_high { "maximum" } else { "exclusiveMaximum" }] = json!(interval.high);
    }
    schema
}

/// A value or a list of values; a list of plain widths is one value.
fn one_or_many(shape: &Shape, model: Option<ModelKind>) -> Value {
    let mut one = value(shape, model);
    let meanings = one.as_object_mut().and_then(|object| object.remove("description"));
    let mut schema = json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] });
    if let Some(meanings) = meanings {
        schema["description"] = meanings;
    }
    schema
}

fn section(section: Section) -> Value {
    object(params_of(section).map(|param| property(param.name(), param, None)).collect())
}

fn property(name: &str, param: &Param, model: Option<ModelKind>) -> (String, Value) {
    let default = model.map_or(param.key.default, |model| param.default_of(model));
    (name.to_owned(), described_with(value(param.shape(), model), &param.key, default))
}

/// `[model]` with its tables of single models.
fn models() -> Value {
    let mut properties: Map<String, Value> =
        params_of(Section::Model).map(|param| property(param.name(), param, None)).collect();
    for key in MODEL_TABLES {
        let Some(model) = ModelKind::from_name(key.name) else { continue };
        let own = params_of(Section::Model).filter(|param| param.is_of(model));
        let inner = object(own.map(|param| property(param.name(), param, Some(model))).collect());
        properties.insert(key.name.to_owned(), described(inner, key));
    }
    object(properties)
}

/// Every name of every parameter: `beta`, `model.beta`, `model.beta-vae.beta`, and as nested tables where TOML can.
fn named(content: impl Fn(&Param, Option<ModelKind>) -> Value) -> Map<String, Value> {
    let mut properties = Map::new();
    for param in PARAMS {
        let general = described(content(param, None), &param.key);
        properties.insert(param.name().to_owned(), general.clone());
        properties.insert(format!("{}.{}", param.section.name(), param.name()), general);
        if param.section == Section::Model {
            for model in param.models {
                let name = format!("model.{model}.{}", param.name());
                let content = content(param, Some(*model));
                properties.insert(name, described_with(content, &param.key, param.default_of(*model)));
            }
        }
    }
    for section in [Section::Train, Section::Evaluation] {
        let inner = params_of(section)
            .map(|param| (param.name().to_owned(), described(content(param, None), &param.key)));
        properties.insert(section.name().to_owned(), object(inner.collect()));
    }
    properties
}

fn grid() -> Value {
    let mut schema = table(GRID, |key| match key.name {
        "model" => one_or_many(&MODELS, None),
        "seed" => {
            let range = table(SEEDS, plain);
            json!({ "anyOf": [value(&SEED, None), { "type": "array", "items": value(&SEED, None), "minItems": 1 }, range] })
        }
        _ => json!({
            "type": "array",
            "items": { "type": "array", "items": { "type": "string" }, "minItems": 2, "uniqueItems": true },
        }),
    });
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.extend(named(|param, model| one_or_many(param.shape(), model)));
    }
    schema
}

fn override_part(key: &Key) -> Value {
    let properties = if key.name == "match" {
        let mut properties = named(|param, model| one_or_many(param.shape(), model));
        properties.insert("model".to_owned(), one_or_many(&MODELS, None));
        properties
    } else {
        named(|param, model| value(param.shape(), model))
    };
    let mut schema = object(properties);
    schema["minProperties"] = json!(1);
    schema
}
