//! An embedding's CSV or TSV: a header, then one row a cell, its name and its coordinates. Plain or gzip. What the
//! coordinates are worth must not be known here.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::labels::csv_error;
use super::text;
use crate::error::{CellsError, TextProblem};

/// Bytes of the first line that are looked at for its separator.
const FIRST_LINE_BYTES: usize = 64 << 10;

/// Cells with their coordinates.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingTable {
    /// The file, for messages.
    pub path: PathBuf,
    /// What the header says above the cells' names; empty where it says nothing.
    pub header: String,
    /// Names of the cells, each once, in the file's order.
    pub cells: Vec<String>,
    /// Coordinates of a cell, at least one.
    pub dim: usize,
    /// `cells × dim`, row-major, finite.
    pub values: Vec<f32>,
}

/// Reads the table at `path`: the first column names the cell, every other holds numbers. Columns are separated by tabs
/// if the first line has one, else by commas. The header may leave out the name of the first column, as R's `write.table` does.
///
/// # Errors
/// A cell twice or without a name; what is no finite number; a row of another length than the header; no row at all; a
/// damaged file; text that is not UTF-8.
pub fn read(path: &Path) -> Result<EmbeddingTable, CellsError> {
    let source = text::open(path)?;
    let is_gzip = source.is_gzip;
    let mut reader = BufReader::with_capacity(FIRST_LINE_BYTES, source.reader);
    let first_bytes = reader.fill_buf().map_err(|error| text::read_error(path, is_gzip, 0, error))?;
    let first_line = first_bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let separator = if first_line.contains(&b'\t') { b'\t' } else { b',' };
    let mut options = csv::ReaderBuilder::new();
    options.trim(csv::Trim::All).flexible(true).delimiter(separator);
    Rows { path, is_gzip, table: options.from_reader(reader) }.read()
}

struct Rows<'a, R: Read> {
    path: &'a Path,
    is_gzip: bool,
    table: csv::Reader<R>,
}

impl<R: Read> Rows<'_, R> {
    fn read(mut self) -> Result<EmbeddingTable, CellsError> {
        let to_error = |error: csv::Error| csv_error(self.path, self.is_gzip, error);
        let mut names: Vec<String> =
            self.table.headers().map_err(to_error)?.iter().map(str::to_owned).collect();
        let mut found = EmbeddingTable {
            path: self.path.to_owned(),
            header: String::new(),
            cells: Vec::new(),
            dim: 0,
            values: Vec::new(),
        };
        let mut line_of: HashMap<String, u64> = HashMap::new();
        let mut row = csv::StringRecord::new();
        while self.table.read_record(&mut row).map_err(to_error)? {
            let line = row.position().map_or(0, csv::Position::line);
            let wrong = |problem| CellsError::text(self.path, line, problem);
            if found.cells.is_empty() && names.len() + 1 == row.len() {
                names.insert(0, String::new());
            }
            if row.len() != names.len() {
                let (expected, found) = (names.len() as u64, row.len() as u64);
                return Err(wrong(TextProblem::ColumnCount { expected, found }));
            }
            if names.len() < 2 {
                return Err(wrong(TextProblem::NoCoordinates));
            }
            let cell = row[0].to_owned();
            if cell.is_empty() {
                return Err(wrong(TextProblem::EmptyName { what: "cell's name" }));
            }
            if let Some(first_line) = line_of.insert(cell.clone(), line) {
                return Err(wrong(TextProblem::DuplicateBarcode { barcode: cell, first_line }));
            }
            for (name, field) in names.iter().zip(&row).skip(1) {
                let number = field.parse::<f64>().ok().map(|number| number as f32);
                let number = number.filter(|number| number.is_finite());
                let not_a_number =
                    || wrong(TextProblem::NotANumber { column: name.clone(), found: shortened(field) });
                found.values.push(number.ok_or_else(not_a_number)?);
            }
            found.cells.push(cell);
        }
        if found.cells.is_empty() {
            return Err(CellsError::text(
                self.path,
                1,
                TextProblem::Empty { expected: "a header and then cells" },
            ));
        }
        found.dim = names.len() - 1;
        found.header = names.swap_remove(0);
        Ok(found)
    }
}

/// A field, fit for a message.
fn shortened(field: &str) -> String {
    const LONGEST: usize = 40;
    match field.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &field[..end]),
        None => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{EmbeddingTable, read};
    use crate::CellsError;
    use proptest::prelude::*;
    use std::io::Write;

    fn table(content: &[u8]) -> Result<EmbeddingTable, CellsError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        read(file.path())
    }

    fn message(content: &str) -> String {
        table(content.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_pandas_and_r_write_is_read() {
        for text in [
            ",0,1\nA-1,0.5,-2\nB-1,1e-3,3\n",
            "cell\tPC1\tPC2\r\nA-1\t0.5\t-2\r\nB-1\t0.001\t3",
            "\"\",\"V1\",\"V2\"\n\"A-1\",0.5,-2\n\"B-1\",0.001,3\n",
            "V1\tV2\nA-1\t 0.5\t-2\nB-1\t0.001\t3\n",
        ] {
            let found = table(text.as_bytes()).unwrap();
            assert_eq!((found.cells, found.dim), (vec!["A-1".to_owned(), "B-1".to_owned()], 2), "{text}");
            assert_eq!(found.values, [0.5, -2.0, 0.001, 3.0]);
        }
        let packed = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(b"barcode,x\nA,1\n").unwrap();
            encoder.finish().unwrap()
        };
        let found = table(&packed).unwrap();
        assert_eq!((found.header.as_str(), found.values), ("barcode", vec![1.0]));
        assert!(table(&packed[..packed.len() - 9]).is_err());
    }

    #[test]
    fn mistakes_are_named_with_line_and_column() {
        for (text, words) in [
            ("", "line 1: the file is empty"),
            ("cell,x\n", "the file is empty"),
            ("cell\nA\n", "line 2: an embedding needs"),
            ("cell,x,y\nA,1,2\nB,1\n", "line 3: 2 columns, but the first line has 3"),
            ("cell,x,y\nA,1,2,3,4\n", "line 2: 5 columns, but the first line has 3"),
            ("cell,x\nA,1\nA,2\n", "line 3: barcode \"A\" was already on line 2"),
            ("cell,x\n,1\n", "line 2: the cell's name is empty"),
            ("cell,x,y\nA,1,one\n", "line 2: column \"y\" holds \"one\""),
            ("cell,x\nA,NaN\n", "column \"x\" holds \"NaN\""),
            ("cell,x\nA,1e39\n", "column \"x\" holds \"1e39\""),
            ("cell,x\nA,\n", "column \"x\" holds \"\""),
        ] {
            let message = message(text);
            assert!(message.contains(words), "{message}");
        }
        assert!(table(b"cell,x\nA\xff,1\n").unwrap_err().to_string().contains("not UTF-8"));
        assert!(message(&format!("cell,x\nA,{}\n", "ä".repeat(500))).contains("ä…"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(
            prop_oneof![Just(b','), Just(b'\n'), Just(b'"'), Just(b'1'), Just(b'\t'), any::<u8>()], 0..80,
        )) {
            if let Ok(found) = table(&bytes) {
                prop_assert_eq!(found.values.len(), found.cells.len() * found.dim);
            }
        }
    }
}
