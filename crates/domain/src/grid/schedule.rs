//! How a schedule is written: `"constant"`, `{ warmup = 0.1 }` or `{ cycles = 4, ramp = 0.5 }`. What one means stands in
//! [`crate::schedule`].

use serde_json::json;
use toml::de::{DeTable, DeValue};

use super::error::{Fault, closest, listed};
use super::shape::{Interval, Raw, Shape, Value, quote};
use super::table::in_file_order;
use crate::schedule::{MOST_CYCLES, Schedule};

/// What one is, to follow "must be".
pub(super) const DESCRIPTION: &str =
    "\"constant\", { warmup = share of the run } or { cycles = number, ramp = share of a cycle }";

const SHARE: Interval = Interval::over(0.0).up_to(1.0);
const KEYS: [&str; 3] = ["warmup", "cycles", "ramp"];

/// Reads the schedule of the key `name`.
pub(super) fn read(name: &str, raw: &Raw<'_>) -> Result<Schedule, Fault> {
    match raw.get_ref() {
        DeValue::String(text) if text.as_ref() == "constant" => Ok(Schedule::Constant),
        DeValue::Table(table) => read_table(name, raw, table),
        _ => Err(Shape::Schedule.mismatch(name, raw)),
    }
}

fn read_table(name: &str, raw: &Raw<'_>, table: &DeTable<'_>) -> Result<Schedule, Fault> {
    for entry in in_file_order(table) {
        if !KEYS.contains(&entry.name) {
            let meant = closest(entry.name, KEYS).map(|key| format!("did you mean \"{key}\"? "));
            let help = format!("{}{name} is {DESCRIPTION}", meant.unwrap_or_default());
            let message = format!("unknown key {} in {name}", quote(entry.name));
            return Err(Fault::at(entry.span, message).help(help));
        }
    }
    let share = |key: &str| {
        let raw = table.get(key)?;
        Some(Shape::Number(SHARE).read_number(&format!("{name}.{key}"), raw, &SHARE).map(number))
    };
    let cycles = table.get("cycles").map(|raw| {
        let high = u64::from(MOST_CYCLES);
        Shape::Whole { low: 1, high }.read_whole(&format!("{name}.cycles"), raw, 1, high)
    });
    match (share("warmup"), cycles, share("ramp")) {
        (Some(warmup), None, None) => Ok(Schedule::Warmup { warmup: warmup? }),
        (None, Some(cycles), Some(ramp)) => {
            let cycles = u32::try_from(cycles?).expect("at most MOST_CYCLES, which is a u32");
            Ok(Schedule::Cycles { cycles, ramp: ramp? })
        }
        _ => {
            let found: Vec<&str> = KEYS.into_iter().filter(|key| table.contains_key(*key)).collect();
            let found = if found.is_empty() { "an empty table".to_owned() } else { listed(&found, "and") };
            let message = format!("{name} must be {DESCRIPTION}, found {found}");
            Err(Fault::at(raw.span(), message).help("warmup stands alone; cycles and ramp go together"))
        }
    }
}

fn number(value: Value) -> f64 {
    match value {
        Value::Number(number) => number,
        other => panic!("a number is read as a number, not as {other:?}"),
    }
}

/// A schedule as JSON Schema.
pub(super) fn json_schema() -> serde_json::Value {
    let share = json!({ "type": "number", "exclusiveMinimum": 0.0, "maximum": 1.0 });
    let cycles = json!({ "type": "integer", "minimum": 1, "maximum": MOST_CYCLES });
    json!({ "anyOf": [
        { "type": "string", "enum": ["constant"] },
        {
            "type": "object", "additionalProperties": false,
            "properties": { "warmup": share }, "required": ["warmup"],
        },
        {
            "type": "object", "additionalProperties": false,
            "properties": { "cycles": cycles, "ramp": share }, "required": ["cycles", "ramp"],
        },
    ] })
}
