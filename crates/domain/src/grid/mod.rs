//! The grid file: TOML text in, checked sweep out. Every value is checked here, once; behind it every config is valid.
//!
//! Must not live here: reading files (the caller has the text), the data itself, colours.
//!
//! ```text
//! error     what is wrong, where, and what to do about it
//! shape     what a value may be and how one is read       schedule  one that changes over the run
//! keys      the table of all keys, with defaults; parameters: those of a config
//! table     tables against their keys
//! target    names of parameters: beta, train.epochs, model.beta-vsc.alpha
//! source    the keys of [data] that speak of one kind of file
//! inputs    which models may see which input
//! document  the file, part by part      axes  [grid]      overrides  [[override]]
//! presets   sets of values by name, under the file's own
//! resolve   values to a config
//! plan      the cross product, each trial once
//! schema    the key table as JSON Schema
//! ```
//!
//! What holds for one grid point, from weak to strong: defaults; the preset; `[train]`, `[evaluation]`, `[model]` or a key of
//! `[grid]`; `[model.X]` or `"model.X.key"` in `[grid]`; `[[override]]`, the last one last. The same value in a
//! section and in `[grid]` is a mistake.

mod axes;
mod document;
mod error;
mod inputs;
mod keys;
mod overrides;
mod parameters;
mod plan;
mod presets;
mod resolve;
mod schedule;
mod schema;
mod shape;
mod source;
mod table;
mod target;

pub use error::GridError;
pub use plan::Plan;
pub use presets::{PresetUse, PresetValue};
pub use schema::schema;

use document::Document;
use error::Fault;

use crate::data::DataSpec;
use crate::ids::SweepName;

/// Most trials of one sweep.
pub const MOST_TRIALS: u64 = 100_000;

/// A grid file, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct GridFile {
    /// The sweep's name.
    pub name: SweepName,
    /// What to train on.
    pub data: DataSpec,
    /// The preset under its values, if it names one.
    pub preset: Option<PresetUse>,
    plan: Plan,
}

impl GridFile {
    /// The configs and trials that it asks for. Needs no data; never empty.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.plan.clone()
    }
}

/// Reads a grid file.
///
/// # Errors
/// The first mistake in it, with its place.
pub fn parse(text: &str) -> Result<GridFile, GridError> {
    read(text).map_err(|fault| fault.locate(text))
}

fn read(text: &str) -> Result<GridFile, Fault> {
    let root = toml::de::DeTable::parse(text).map_err(|error| not_toml(&error))?;
    let document = Document::read(root.get_ref())?;
    let plan = plan::expand(&document)?;
    Ok(GridFile { preset: document.preset_use(), name: document.name, data: document.data, plan })
}

/// The parser's own words, with advice on the mistakes that people make most.
fn not_toml(error: &toml::de::Error) -> Fault {
    let message = error.message();
    let fault = match error.span() {
        Some(span) => Fault::at(span, message),
        None => Fault::of_file(message),
    };
    if message.contains("must be quoted") {
        fault.help("a text stands in double quotes, items of a list are separated by commas")
    } else if message.contains("duplicate key") {
        fault.help("each key and each [section] stands in the file once")
    } else if message.contains("dotted key") {
        fault.help("write a dotted name in quotes: \"model.beta-vsc.alpha\" = 0.5")
    } else {
        fault
    }
}
