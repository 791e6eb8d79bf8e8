//! The labels' CSV: a header, then one row a barcode. Plain or gzip, fields quoted or not. Which cells there are
//! must not be known here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::text;
use crate::error::{CellsError, TextProblem};

/// The label column when none is named and the table has it.
const DEFAULT_COLUMN: &str = "cell_type";

/// One label a barcode.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelTable {
    /// The file, for messages.
    pub path: PathBuf,
    /// The column the labels came from.
    pub column: String,
    /// The barcode of the first row, for messages.
    pub first_barcode: Option<String>,
    /// Label of each barcode; a barcode whose field is empty has none.
    pub label_of: HashMap<String, String>,
}

/// Reads the table at `path`: the first column is the barcode; the label is `column`, or without one the column
/// `cell_type` if there is one, else the second.
///
/// # Errors
/// No such column; a barcode twice; a row of another length than the header; a damaged file; text that is not UTF-8.
pub fn read(path: &Path, column: Option<&str>) -> Result<LabelTable, CellsError> {
    let source = text::open(path)?;
    let is_gzip = source.is_gzip;
    let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source.reader);
    let to_error = |error: csv::Error| csv_error(path, is_gzip, error);

    let header = table.headers().map_err(to_error)?.clone();
    let position = label_column(path, &header, column)?;
    let mut labels = LabelTable {
        path: path.to_owned(),
        column: header[position].to_owned(),
        first_barcode: None,
        label_of: HashMap::new(),
    };
    let mut line_of: HashMap<String, u64> = HashMap::new();
    let mut row = csv::StringRecord::new();
    while table.read_record(&mut row).map_err(to_error)? {
        let line = row.position().map_or(0, csv::Position::line);
        let barcode = row[0].to_owned();
        if barcode.is_empty() {
            return Err(CellsError::text(path, line, TextProblem::EmptyName { what: "barcode" }));
        }
        if let Some(first_line) = line_of.insert(barcode.clone(), line) {
            return Err(CellsError::text(path, line, TextProblem::DuplicateBarcode { barcode, first_line }));
        }
        labels.first_barcode.get_or_insert_with(|| barcode.clone());
        if !row[position].is_empty() {
            labels.label_of.insert(barcode, row[position].to_owned());
        }
    }
    Ok(labels)
}

fn label_column(path: &Path, header: &csv::StringRecord, wanted: Option<&str>) -> Result<usize, CellsError> {
    if header.len() < 2 {
        return Err(CellsError::text(path, 1, TextProblem::NoLabels { found: header.len() }));
    }
    let name = wanted.unwrap_or(DEFAULT_COLUMN);
    let mut positions = (1..header.len()).filter(|&position| &header[position] == name);
    match (positions.next(), positions.next(), wanted) {
        (Some(position), None, _) => Ok(position),
        (Some(_), Some(_), _) => {
            Err(CellsError::text(path, 1, TextProblem::ColumnTwice { column: name.to_owned() }))
        }
        (None, _, None) => Ok(1),
        (None, _, Some(wanted)) => {
            let found: Vec<String> = header.iter().skip(1).map(|name| format!("{name:?}")).collect();
            let (path, wanted) = (path.to_owned(), wanted.to_owned());
            Err(CellsError::NoLabelColumn { path, wanted, found: found.join(", ") })
        }
    }
}

pub(super) fn csv_error(path: &Path, is_gzip: bool, error: csv::Error) -> CellsError {
    let line = error.position().map_or(0, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => text::read_error(path, is_gzip, line, source),
        csv::ErrorKind::Utf8 { .. } => CellsError::text(path, line, TextProblem::NotUtf8),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            CellsError::text(path, line, TextProblem::ColumnCount { expected: expected_len, found: len })
        }
        other => CellsError::io("read", path, std::io::Error::other(format!("{other:?}"))),
    }
}
