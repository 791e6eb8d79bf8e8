//! AnnData's tables of cells (`obs`) and genes (`var`): their names and their columns, in every encoding that anndata
//! has written. Format: <https://anndata.readthedocs.io/en/latest/fileformat-prose.html>. What a column is used for
//! must not live here.
//!
//! ```text
//! 0.6      a data set of records; categories of a column in uns/NAME_categories
//! 0.7      a group, its index named by the attribute _index; categories in __categories/NAME
//! 0.8 …    the same group; a categorical column is a group of codes and categories
//! ```

use crate::error::{CellsError, H5Problem};
use crate::read::h5::{Element, H5, Kind, block_length, blocks, quoted, shape_in_words};

/// Names that the index has had in files that do not say it.
const USUAL_INDEX: [&str; 2] = ["_index", "index"];

/// One of the two tables.
pub(super) struct Frame<'a> {
    file: &'a H5,
    /// `obs`, `var`, `raw/var` or `raw.var`.
    entry: &'a str,
    /// The fields of a table of records; `None` for a group.
    fields: Option<Vec<String>>,
}

impl<'a> Frame<'a> {
    pub(super) fn open(file: &'a H5, entry: &'a str) -> Result<Self, CellsError> {
        let fields = match file.kind(entry) {
            Kind::Missing => return Err(file.missing(entry)),
            Kind::Group => None,
            Kind::Dataset => match file.facts(entry)?.element {
                Element::Record(fields) => Some(fields),
                other => {
                    let found = other.describe();
                    return Err(file.error(entry, H5Problem::WrongType { wanted: "a table", found }));
                }
            },
        };
        Ok(Self { file, entry, fields })
    }

    /// The names of the rows, and the entry they stand in.
    pub(super) fn index(&self) -> Result<(Vec<String>, String), CellsError> {
        if let Some(fields) = &self.fields {
            let name = USUAL_INDEX.into_iter().find(|name| fields.iter().any(|field| field == name));
            let name = name.or_else(|| fields.first().map(String::as_str)).unwrap_or_default();
            return Ok((self.file.texts(self.entry, Some(name))?, self.entry.to_owned()));
        }
        let said = self.file.attribute(self.entry, "_index");
        let usual =
            || USUAL_INDEX.into_iter().find(|name| self.file.kind(&self.column_entry(name)) != Kind::Missing);
        let name = said.or_else(|| usual().map(str::to_owned)).unwrap_or_else(|| USUAL_INDEX[0].to_owned());
        let entry = self.column_entry(&name);
        if self.file.kind(&entry) == Kind::Missing {
            return Err(self.file.missing(&entry));
        }
        let values = self.group_column(&name)?;
        Ok((values.into_iter().map(Option::unwrap_or_default).collect(), entry))
    }

    /// Names of the columns, without the index.
    pub(super) fn columns(&self) -> Vec<String> {
        let index = self.file.attribute(self.entry, "_index");
        let is_column = |name: &String| {
            !name.starts_with("__") && !USUAL_INDEX.contains(&name.as_str()) && index.as_ref() != Some(name)
        };
        let names = match &self.fields {
            Some(fields) => fields.clone(),
            None => self.file.children(self.entry),
        };
        names.into_iter().filter(is_column).collect()
    }

    /// The values of a column as text, `None` where there is none; as many as there are rows.
    pub(super) fn column(&self, name: &str, rows: usize) -> Result<Vec<Option<String>>, CellsError> {
        let entry = self.column_entry(name);
        let is_there = match &self.fields {
            Some(fields) => fields.iter().any(|field| field == name),
            None => self.file.kind(&entry) != Kind::Missing,
        };
        if !is_there {
            return Err(self.file.error(&entry, H5Problem::NoColumn { found: quoted(&self.columns()) }));
        }
        let values = if self.fields.is_some() { self.record_column(name)? } else { self.group_column(name)? };
        if values.len() != rows {
            let problem = H5Problem::WrongShape {
                expected: shape_in_words(&[rows as u64]),
                found: shape_in_words(&[values.len() as u64]),
                why: format!("{} has {rows} rows", self.entry),
            };
            return Err(self.file.error(&entry, problem));
        }
        Ok(values)
    }

    pub(super) fn column_entry(&self, name: &str) -> String {
        format!("{}/{name}", self.entry)
    }

    fn group_column(&self, name: &str) -> Result<Vec<Option<String>>, CellsError> {
        let entry = self.column_entry(name);
        if self.file.kind(&entry) == Kind::Group {
            return self.grouped_values(&entry);
        }
        let old_categories = format!("{}/__categories/{name}", self.entry);
        if self.file.kind(&old_categories) == Kind::Dataset {
            return self.categorical(&entry, &old_categories);
        }
        self.plain(&entry)
    }

    /// A group of codes and categories, or of values and a mask.
    fn grouped_values(&self, entry: &str) -> Result<Vec<Option<String>>, CellsError> {
        let inner = |name: &str| format!("{entry}/{name}");
        if self.file.kind(&inner("codes")) != Kind::Missing {
            return self.categorical(&inner("codes"), &inner("categories"));
        }
        if self.file.kind(&inner("values")) == Kind::Missing {
            let found = self.file.attribute(entry, "encoding-type").unwrap_or_else(|| "a group".to_owned());
            let wanted = "a column of text, numbers or categories";
            return Err(self.file.error(entry, H5Problem::WrongType { wanted, found }));
        }
        let mut values = self.plain(&inner("values"))?;
        let mask = inner("mask");
        if self.file.kind(&mask) != Kind::Missing {
            let masked = self.all_integers(&mask)?;
            if masked.len() != values.len() {
                let problem = H5Problem::WrongShape {
                    expected: shape_in_words(&[values.len() as u64]),
                    found: shape_in_words(&[masked.len() as u64]),
                    why: "there is a value for each".to_owned(),
                };
                return Err(self.file.error(&mask, problem));
            }
            values
                .iter_mut()
                .zip(masked)
                .filter(|(_, masked)| *masked != 0)
                .for_each(|(value, _)| *value = None);
        }
        Ok(values)
    }

    fn categorical(&self, codes: &str, categories: &str) -> Result<Vec<Option<String>>, CellsError> {
        let names = self.plain(categories)?;
        self.decode(codes, self.all_integers(codes)?, &names)
    }

    /// Codes to the names of their categories; a negative code is no category.
    fn decode(
        &self,
        entry: &str,
        codes: Vec<i64>,
        names: &[Option<String>],
    ) -> Result<Vec<Option<String>>, CellsError> {
        let decode = |(position, code): (u64, i64)| match usize::try_from(code) {
            Err(_) => Ok(None),
            Ok(code_of_name) => names.get(code_of_name).cloned().ok_or_else(|| {
                let categories = names.len() as u64;
                self.file.error(entry, H5Problem::CodeRange { position, found: code, categories })
            }),
        };
        (0..).zip(codes).map(decode).collect()
    }

    fn all_integers(&self, entry: &str) -> Result<Vec<i64>, CellsError> {
        let length = self.file.length(entry)?;
        let mut all = Vec::new();
        for block in blocks(length, block_length(&self.file.facts(entry)?)) {
            all.extend(self.file.integers(entry, &[block])?);
            self.refuse_endless(entry, all.len())?;
        }
        Ok(all)
    }

    /// A column that claims more values than the file has room for.
    fn refuse_endless(&self, entry: &str, length: usize) -> Result<(), CellsError> {
        let stored = self.file.stored_bytes();
        if length as u64 <= stored.saturating_mul(crate::read::h5::MAX_RATIO) {
            return Ok(());
        }
        Err(self.file.error(entry, H5Problem::TooLarge { claimed: length as u64, stored }))
    }

    /// A list of texts, integers, booleans or floats. Empty texts and NaN are no values.
    fn plain(&self, entry: &str) -> Result<Vec<Option<String>>, CellsError> {
        let facts = self.file.facts(entry)?;
        match facts.element {
            Element::Text => {
                let texts = self.file.texts(entry, None)?;
                Ok(texts.into_iter().map(|text| Some(text).filter(|text| !text.is_empty())).collect())
            }
            Element::Integer => {
                Ok(self.all_integers(entry)?.iter().map(|value| Some(value.to_string())).collect())
            }
            Element::Boolean => {
                let in_words = |&value: &i64| Some(if value == 0 { "False" } else { "True" }.to_owned());
                Ok(self.all_integers(entry)?.iter().map(in_words).collect())
            }
            Element::Float => {
                let length = self.file.length(entry)?;
                let mut all = Vec::new();
                for block in blocks(length, block_length(&facts)) {
                    all.extend(self.file.numbers(entry, &[block])?.into_iter().map(number_in_words));
                    self.refuse_endless(entry, all.len())?;
                }
                Ok(all)
            }
            other @ (Element::Record(_) | Element::Other(_)) => {
                let problem = H5Problem::WrongType {
                    wanted: "a column of text, numbers or categories",
                    found: other.describe(),
                };
                Err(self.file.error(entry, problem))
            }
        }
    }

    /// A column of a table of records.
    fn record_column(&self, name: &str) -> Result<Vec<Option<String>>, CellsError> {
        let Some(numbers) = self.file.field_numbers(self.entry, name)? else {
            let texts = self.file.texts(self.entry, Some(name))?;
            return Ok(texts.into_iter().map(|text| Some(text).filter(|text| !text.is_empty())).collect());
        };
        let categories = format!("uns/{name}_categories");
        if self.file.kind(&categories) == Kind::Dataset {
            let names = self.plain(&categories)?;
            let codes = numbers.iter().map(|&code| code as i64).collect();
            return self.decode(&self.column_entry(name), codes, &names);
        }
        Ok(numbers.into_iter().map(number_in_words).collect())
    }
}

/// A number as people write it; NaN is none.
fn number_in_words(number: f64) -> Option<String> {
    (!number.is_nan()).then(|| number.to_string())
}
