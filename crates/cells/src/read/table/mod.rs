//! Tables of counts: CSV and TSV, plain or gzip, a row a gene or a row a cell, with or without the corner above the
//! row names. The file is read twice: the first lines to learn what it is, and then all of it as a stream. Filters
//! must not live here.

mod fields;
mod orientation;

use std::collections::HashMap;
use std::path::Path;

use domain::data::Orientation;

use self::fields::{Fields, sniff, texts};
use super::RawCounts;
use super::columns::ColumnBuilder;
use super::h5::sparse::as_count;
use super::labels::LabelTable;
use super::text::{Line, LineReader};
use crate::csr::Csr;
use crate::error::{CellsError, TableProblem, TextProblem};
use crate::provenance::CountsReader;
use crate::step::make_unique::make_unique;

/// Longest line that is read: a million cells with long names, and short enough that no file can exhaust memory by
/// leaving out its line ends.
const MAX_LINE_BYTES: usize = 256 << 20;
/// Rows whose names are looked at to tell what they are.
const ROWS_LOOKED_AT: usize = 2000;

/// What is known about the table beforehand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hints<'a> {
    pub(super) orientation: Orientation,
    pub(super) mito_prefix: &'a str,
    /// Labels of some of its cells.
    pub(super) labels: Option<&'a LabelTable>,
}

/// What the first lines say.
struct Layout {
    delimiter: u8,
    /// Names of the columns, without the corner.
    columns: Vec<String>,
    /// Line of the names.
    header_line: u64,
    orientation: Orientation,
    /// Fields of the line of names, for messages.
    header_fields: usize,
}

/// Reads the table at `path`.
pub(super) fn read(path: &Path, hints: Hints<'_>) -> Result<RawCounts, CellsError> {
    let layout = look(path, hints)?;
    let table = Table { path, layout };
    let (rows, counts) = match table.layout.orientation {
        Orientation::CellsByGenes => table.read_cells()?,
        Orientation::GenesByCells | Orientation::Auto => table.read_genes()?,
    };
    let Layout { columns, orientation, .. } = table.layout;
    let (barcodes, genes) =
        if orientation == Orientation::CellsByGenes { (rows, columns) } else { (columns, rows) };
    let entries_read = counts.view().nnz() as u64;
    Ok(RawCounts {
        reader: CountsReader::Table,
        barcodes,
        genes: make_unique(&genes),
        counts,
        other_features: 0,
        entries_read,
        layer: None,
        orientation: Some(orientation),
    })
}

/// Reads names and the first rows, and decides what they mean.
fn look(path: &Path, hints: Hints<'_>) -> Result<Layout, CellsError> {
    let mut lines = LineReader::open_wide(path, MAX_LINE_BYTES)?;
    let Some((header_line, header)) = next_row(&mut lines)? else {
        return Err(CellsError::table(path, 1, TableProblem::Empty));
    };
    let Some((first_line, first)) = next_row(&mut lines)? else {
        return Err(CellsError::table(path, header_line, TableProblem::NoRows));
    };
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let delimiter = sniff(&file_name, &first)
        .ok_or_else(|| CellsError::table(path, first_line, TableProblem::OneColumn))?;
    let mut columns =
        texts(without_mark(&header), delimiter).map_err(|p| CellsError::table(path, header_line, p))?;
    let header_fields = columns.len();
    let first_fields = texts(&first, delimiter).map_err(|p| CellsError::table(path, first_line, p))?.len();
    let corner = match first_fields.checked_sub(header_fields) {
        Some(0) => Some(columns.remove(0)),
        Some(1) => None,
        _ => {
            let problem = TableProblem::Corner { header: header_fields, first: first_fields };
            return Err(CellsError::table(path, first_line, problem));
        }
    };
    if std::str::from_utf8(&header).is_err() {
        return Err(CellsError::text(path, header_line, TextProblem::NotUtf8));
    }
    let orientation = if hints.orientation == Orientation::Auto {
        let rows = first_names(path, &mut lines, first, delimiter)?;
        let names = orientation::Names {
            corner: corner.as_deref(),
            columns: &columns,
            rows: &rows,
            mito_prefix: hints.mito_prefix,
            labels: hints.labels,
        };
        orientation::tell(&names).map_err(|problem| CellsError::table(path, header_line, problem))?
    } else {
        hints.orientation
    };
    Ok(Layout { delimiter, columns, header_line, orientation, header_fields })
}

/// The next line with anything on it.
fn next_row(lines: &mut LineReader) -> Result<Option<(u64, Vec<u8>)>, CellsError> {
    while let Some(line) = lines.next_line()? {
        if !is_blank(&line) {
            return Ok(Some((line.number, line.bytes.to_vec())));
        }
    }
    Ok(None)
}

fn is_blank(line: &Line<'_>) -> bool {
    line.bytes.iter().all(|&byte| byte == b' ')
}

/// Without the byte order mark that Windows puts before a text.
fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
}

/// Names of the first rows, the one in `first` included.
fn first_names(
    path: &Path,
    lines: &mut LineReader,
    first: Vec<u8>,
    delimiter: u8,
) -> Result<Vec<String>, CellsError> {
    let name_of = |bytes: &[u8], number: u64| {
        let field = Fields::of(bytes, delimiter).next().unwrap_or(Ok(Default::default()));
        let field = field.map_err(|problem| CellsError::table(path, number, problem))?;
        Ok::<_, CellsError>(String::from_utf8_lossy(&field).into_owned())
    };
    let mut names = vec![name_of(&first, 0)?];
    while names.len() < ROWS_LOOKED_AT
        && let Some(line) = lines.next_line()?
    {
        if !is_blank(&line) {
            names.push(name_of(line.bytes, line.number)?);
        }
    }
    Ok(names)
}

/// A table whose layout is known.
struct Table<'a> {
    path: &'a Path,
    layout: Layout,
}

impl Table<'_> {
    fn error(&self, line: u64, problem: TableProblem) -> CellsError {
        CellsError::table(self.path, line, problem)
    }

    fn refuse_empty_columns(&self) -> Result<(), CellsError> {
        match self.layout.columns.iter().position(String::is_empty) {
            Some(column) => {
                let problem = TableProblem::EmptyColumnName { column: column + 1 };
                Err(self.error(self.layout.header_line, problem))
            }
            None => Ok(()),
        }
    }

    /// Calls `each(line, name, counts)` for every row; the counts are those above zero, with their columns.
    fn each_row(
        &self,
        mut each: impl FnMut(u64, String, &[(u32, f32)]) -> Result<(), CellsError>,
    ) -> Result<(), CellsError> {
        let mut lines = LineReader::open_wide(self.path, MAX_LINE_BYTES)?;
        let mut counts = Vec::new();
        while let Some(line) = lines.next_line()? {
            if line.number <= self.layout.header_line || is_blank(&line) {
                continue;
            }
            let mut fields = Fields::of(line.bytes, self.layout.delimiter);
            let here = |problem| self.error(line.number, problem);
            let name = fields.next().unwrap_or(Ok(Default::default())).map_err(here)?;
            let name = String::from_utf8(name.into_owned())
                .map_err(|_| CellsError::text(self.path, line.number, TextProblem::NotUtf8))?;
            if name.is_empty() {
                return Err(here(TableProblem::EmptyRowName));
            }
            counts.clear();
            self.read_counts(&mut fields, &mut counts).map_err(here)?;
            each(line.number, name, &counts)?;
        }
        Ok(())
    }

    fn read_counts(&self, fields: &mut Fields<'_>, counts: &mut Vec<(u32, f32)>) -> Result<(), TableProblem> {
        let expected = self.layout.columns.len();
        let mut column = 0;
        while let Some(field) = fields.next() {
            let field = field?;
            if column < expected && *field != *b"0" {
                let count = parse_count(&field).ok_or_else(|| self.not_a_count(column, &field))?;
                if count != 0.0 {
                    counts.push((column as u32, count));
                }
            }
            column += 1;
        }
        if column == expected {
            return Ok(());
        }
        let (header, first) = (self.layout.header_fields, expected + 1);
        Err(TableProblem::FieldCount { found: column + 1, header, first })
    }

    fn not_a_count(&self, column: usize, field: &[u8]) -> TableProblem {
        let found: String = String::from_utf8_lossy(field).chars().take(40).collect();
        let advice = if found.is_empty() {
            ". Write 0 where there is none"
        } else if found.parse::<f64>().is_ok() {
            ". Normalised, scaled or corrected values are none"
        } else {
            ""
        };
        let name = self.layout.columns[column].chars().take(40).collect();
        TableProblem::NotACount { column: column + 1, name, found, advice }
    }

    /// A row a gene.
    fn read_genes(&self) -> Result<(Vec<String>, Csr), CellsError> {
        self.refuse_empty_columns()?;
        let mut place_of: HashMap<&str, usize> = HashMap::with_capacity(self.layout.columns.len());
        for (column, name) in self.layout.columns.iter().enumerate() {
            if let Some(first) = place_of.insert(name, column) {
                let first = format!("the name of column {}", first + 1);
                let problem = TableProblem::CellTwice { name: name.clone(), first };
                return Err(self.error(self.layout.header_line, problem));
            }
        }
        let mut genes = Vec::new();
        let mut builder = ColumnBuilder::new(self.layout.columns.len());
        self.each_row(|_, name, counts| {
            genes.push(name);
            counts.iter().for_each(|&(cell, count)| builder.push(cell, count));
            builder.end_gene();
            Ok(())
        })?;
        Ok((genes, builder.finish()))
    }

    /// A row a cell.
    fn read_cells(&self) -> Result<(Vec<String>, Csr), CellsError> {
        self.refuse_empty_columns()?;
        let mut cells: Vec<String> = Vec::new();
        let mut line_of: HashMap<String, u64> = HashMap::new();
        let (mut indptr, mut genes, mut values) = (vec![0], Vec::new(), Vec::new());
        self.each_row(|line, name, counts| {
            if let Some(first) = line_of.insert(name.clone(), line) {
                let first = format!("on line {first}");
                return Err(self.error(line, TableProblem::CellTwice { name, first }));
            }
            cells.push(name);
            genes.extend(counts.iter().map(|&(gene, _)| gene));
            values.extend(counts.iter().map(|&(_, count)| count));
            indptr.push(values.len() as u64);
            Ok(())
        })?;
        Ok((cells, Csr::from_arrays(self.layout.columns.len(), indptr, genes, values)))
    }
}

/// A count as people and programs write it: `3`, `3.0`, `3e0`.
fn parse_count(field: &[u8]) -> Option<f32> {
    let is_short = !field.is_empty() && field.len() <= 9;
    if is_short && field.iter().all(u8::is_ascii_digit) {
        let number = field.iter().fold(0_u32, |number, digit| 10 * number + u32::from(digit - b'0'));
        return Some(number as f32);
    }
    as_count(std::str::from_utf8(field).ok()?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::parse_count;

    #[test]
    fn counts_are_whole_and_not_negative_however_written() {
        for (text, count) in
            [("0", 0.0), ("17", 17.0), ("3.0", 3.0), ("1e3", 1000.0), ("0000000012", 12.0), ("-0", 0.0)]
        {
            assert_eq!(parse_count(text.as_bytes()), Some(count), "{text}");
        }
        for text in ["", "NA", "-1", "0.5", "1e40", "inf", "nan", "1 2", "0x3"] {
            assert_eq!(parse_count(text.as_bytes()), None, "{text}");
        }
    }
}
