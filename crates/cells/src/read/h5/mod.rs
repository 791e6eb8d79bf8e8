//! What the readers of `.h5ad` and 10x `.h5` need of an HDF5 file, behind one small trait, so that the library
//! behind it can be exchanged. What the entries mean must not live here.
//!
//! Nothing in a file is believed: a size is compared with the file's length before anything is allocated for it,
//! and long entries are read block by block.

pub(super) mod dense;
mod group_attribute;
mod heap;
mod library;
pub(super) mod sparse;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{CellsError, H5Problem};

/// Numbers that are read at once from a long entry.
const BLOCK: u64 = 1 << 20;
/// No compression that is in use packs names better than this (deflate can't do better on anything).
pub(super) const MAX_RATIO: u64 = 1032;

/// The first bytes of an HDF5 file.
pub(super) const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Missing,
    Group,
    Dataset,
}

/// What the elements of a data set are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    Integer,
    Float,
    Boolean,
    Text,
    /// A row of named fields, as old files keep whole tables.
    Record(Vec<String>),
    /// Something else, in words.
    Other(String),
}

impl Element {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Integer => "integers".to_owned(),
            Self::Float => "floating-point numbers".to_owned(),
            Self::Boolean => "booleans".to_owned(),
            Self::Text => "texts".to_owned(),
            Self::Record(_) => "a table of records".to_owned(),
            Self::Other(words) => words.clone(),
        }
    }
}

/// A data set's outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Empty for a single value.
    pub(super) shape: Vec<u64>,
    pub(super) element: Element,
    /// The shape of its chunks, where it has some.
    pub(super) chunk: Option<Vec<u64>>,
}

/// An HDF5 file, as far as counts and labels need it. Entries are named by their path without a leading slash.
/// Every method may be called with any name, and none may panic whatever the file holds.
pub(super) trait Container {
    fn kind(&self, entry: &str) -> Kind;
    /// Names of the entries directly in `group` ("" is the root), sorted.
    fn children(&self, group: &str) -> Vec<String>;
    /// The text of an attribute; `None` where there is none or it is no text.
    fn attribute(&self, entry: &str, name: &str) -> Option<String>;
    /// The numbers of an attribute of a group; `None` where there is none or it can't be found.
    fn group_numbers(&self, group: &str, name: &str) -> Option<Vec<i64>>;
    /// Shape and type, checked against the length of the file.
    fn facts(&self, entry: &str) -> Result<Facts, H5Problem>;
    /// The integers (or booleans, as 0 and 1) in a block, row by row.
    fn integers(&self, entry: &str, block: &[Range<u64>]) -> Result<Vec<i64>, H5Problem>;
    /// The numbers of any type in a block, row by row.
    fn numbers(&self, entry: &str, block: &[Range<u64>]) -> Result<Vec<f64>, H5Problem>;
    /// All texts of a one-dimensional data set, or of one field of its records.
    fn texts(&self, entry: &str, field: Option<&str>) -> Result<Vec<String>, H5Problem>;
    /// All numbers of one field of a one-dimensional data set of records; `None` where they are no numbers.
    fn field_numbers(&self, entry: &str, field: &str) -> Result<Option<Vec<f64>>, H5Problem>;
    /// Length of the file.
    fn stored_bytes(&self) -> u64;
}

/// A file and its name, which every message begins with.
pub(super) struct H5 {
    path: PathBuf,
    container: Box<dyn Container>,
}

impl H5 {
    /// Opens the file at `path`; messages call it `shown` (it may have been unpacked).
    pub(super) fn open(path: &Path, shown: &Path) -> Result<Self, CellsError> {
        let at_root = |problem| CellsError::h5(shown, "/", problem);
        let container = Box::new(library::Library::open(path).map_err(at_root)?);
        Ok(Self { path: shown.to_owned(), container })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn error(&self, entry: &str, problem: H5Problem) -> CellsError {
        CellsError::h5(&self.path, entry, problem)
    }

    pub(super) fn kind(&self, entry: &str) -> Kind {
        self.container.kind(entry)
    }

    pub(super) fn children(&self, group: &str) -> Vec<String> {
        self.container.children(group)
    }

    pub(super) fn attribute(&self, entry: &str, name: &str) -> Option<String> {
        self.container.attribute(entry, name)
    }

    pub(super) fn group_numbers(&self, group: &str, name: &str) -> Option<Vec<i64>> {
        self.container.group_numbers(group, name)
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.container.stored_bytes()
    }

    /// An entry that is not there, with what is there instead.
    pub(super) fn missing(&self, entry: &str) -> CellsError {
        let mut group = entry;
        while let Some((parent, _)) = group.rsplit_once('/') {
            group = parent;
            if self.kind(group) == Kind::Group {
                return self.error(entry, H5Problem::Missing { found: self.listing(group) });
            }
        }
        self.error(entry, H5Problem::Missing { found: self.listing("") })
    }

    fn listing(&self, group: &str) -> String {
        let place = if group.is_empty() { "the file" } else { group };
        match self.children(group) {
            names if names.is_empty() => format!("; {place} is empty"),
            names => format!("; {place} has {}", quoted(&names)),
        }
    }

    /// Shape and type of a data set that has to be there.
    pub(super) fn facts(&self, entry: &str) -> Result<Facts, CellsError> {
        match self.kind(entry) {
            Kind::Missing => Err(self.missing(entry)),
            Kind::Group => {
                let problem = H5Problem::WrongType { wanted: "a data set", found: "a group".to_owned() };
                Err(self.error(entry, problem))
            }
            Kind::Dataset => self.container.facts(entry).map_err(|problem| self.error(entry, problem)),
        }
    }

    /// Length of a one-dimensional data set.
    pub(super) fn length(&self, entry: &str) -> Result<u64, CellsError> {
        let facts = self.facts(entry)?;
        let [length] = facts.shape[..] else {
            let problem = H5Problem::WrongShape {
                expected: "(n)".to_owned(),
                found: shape_in_words(&facts.shape),
                why: "it is a list".to_owned(),
            };
            return Err(self.error(entry, problem));
        };
        Ok(length)
    }

    pub(super) fn integers(&self, entry: &str, block: &[Range<u64>]) -> Result<Vec<i64>, CellsError> {
        self.container.integers(entry, block).map_err(|problem| self.error(entry, problem))
    }

    pub(super) fn numbers(&self, entry: &str, block: &[Range<u64>]) -> Result<Vec<f64>, CellsError> {
        self.container.numbers(entry, block).map_err(|problem| self.error(entry, problem))
    }

    pub(super) fn field_numbers(&self, entry: &str, field: &str) -> Result<Option<Vec<f64>>, CellsError> {
        self.container.field_numbers(entry, field).map_err(|problem| self.error(entry, problem))
    }

    /// All texts of a list, which cannot be more than the file has room for.
    pub(super) fn texts(&self, entry: &str, field: Option<&str>) -> Result<Vec<String>, CellsError> {
        let length = self.length(entry)?;
        let stored = self.stored_bytes();
        if length > stored.saturating_mul(MAX_RATIO) / 8 {
            return Err(self.error(entry, H5Problem::TooLarge { claimed: length.saturating_mul(8), stored }));
        }
        let texts = self.container.texts(entry, field).map_err(|problem| self.error(entry, problem))?;
        if texts.len() as u64 != length {
            let problem = H5Problem::WrongShape {
                expected: shape_in_words(&[length]),
                found: shape_in_words(&[texts.len() as u64]),
                why: "it says so itself".to_owned(),
            };
            return Err(self.error(entry, problem));
        }
        Ok(texts)
    }

    /// Names of cells: as many as there are, none empty, none twice.
    pub(super) fn check_cell_names(&self, entry: &str, names: &[String]) -> Result<(), CellsError> {
        self.check_names(entry, "cell name", names)?;
        let mut position_of: HashMap<&str, u64> = HashMap::with_capacity(names.len());
        for (again, name) in (0..).zip(names) {
            if let Some(first) = position_of.insert(name, again) {
                let problem = H5Problem::NameTwice { what: "cell name", name: name.clone(), first, again };
                return Err(self.error(entry, problem));
            }
        }
        Ok(())
    }

    /// Names of which there has to be one, and none may be empty.
    pub(super) fn check_names(
        &self,
        entry: &str,
        what: &'static str,
        names: &[String],
    ) -> Result<(), CellsError> {
        if names.is_empty() {
            return Err(self.error(entry, H5Problem::Empty { what }));
        }
        match names.iter().position(String::is_empty) {
            Some(position) => {
                Err(self.error(entry, H5Problem::EmptyName { what, position: position as u64 }))
            }
            None => Ok(()),
        }
    }
}

/// How many numbers of a list to read at once: whole chunks, so that none is unpacked twice.
pub(super) fn block_length(facts: &Facts) -> u64 {
    match facts.chunk.as_deref() {
        Some(&[chunk]) if chunk > 0 => chunk * (BLOCK / chunk).max(1),
        _ => BLOCK,
    }
}

/// The blocks of a list of `length` numbers, in order.
pub(super) fn blocks(length: u64, step: u64) -> impl Iterator<Item = Range<u64>> {
    let step = step.max(1);
    (0..length.div_ceil(step)).map(move |block| block * step..(block * step).saturating_add(step).min(length))
}

/// `(3, 4)`.
pub(super) fn shape_in_words(shape: &[u64]) -> String {
    format!("({})", shape.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))
}

/// The first few names, quoted.
pub(super) fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut words: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    if names.len() > SHOWN {
        words.push(format!("{} more", names.len() - SHOWN));
    }
    words.join(", ")
}
