//! Matrix Market coordinate files, read as a stream into compressed rows (one row a *column* of the file: 10x writes
//! genes × cells). Format: <https://math.nist.gov/MatrixMarket/formats.html>. What rows and columns stand for must
//! not live here.
//!
//! Accepted: `integer` and `real`, `general`, indices from 1, entries in any order, counts >= 0. Everything else is
//! refused with the line. Counts are kept as `f32`: exact up to 16,777,216.

use std::path::Path;

use super::rows::RowBuilder;
use super::text::{Line, LineReader};
use crate::csr::Csr;
use crate::error::{CellsError, MatrixProblem};

/// The shortest entry line is `1 1 1` and its line end.
const MIN_ENTRY_BYTES: u64 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Integer,
    Real,
}

/// What the size line says.
#[derive(Debug, Clone, Copy)]
struct Size {
    rows: u64,
    columns: u64,
    entries: u64,
}

/// Reads a Matrix Market file of as many columns as `n_cells`, whose row `r` (from 0) is the gene `gene_of_row[r]`;
/// rows with `None` are checked and left out. Returns the matrix cells × genes (`n_genes` columns) and the number of
/// entries in the file. Stored zeros are dropped.
///
/// # Errors
/// Anything that is not such a file, with the line; a file cut short; a count that is negative or no number; two
/// entries at one place.
pub fn read(
    path: &Path,
    gene_of_row: &[Option<u32>],
    n_genes: usize,
    n_cells: usize,
) -> Result<(Csr, u64), CellsError> {
    let mut lines = LineReader::open(path)?;
    let field = read_banner(path, &mut lines)?;
    let size = read_size(path, &mut lines)?;
    check_shape(path, &lines, size, gene_of_row.len() as u64, n_cells as u64)?;

    let at = |line: u64, problem: MatrixProblem| CellsError::matrix(path, line, problem);
    let mut builder = RowBuilder::new(n_cells, expected_entries(&lines, size));
    let mut entries = 0;
    while let Some(line) = lines.next_line()? {
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        if entries == size.entries {
            return Err(at(line.number, MatrixProblem::TooManyEntries { declared: size.entries }));
        }
        let entry = parse_entry(line.bytes, field).map_err(|problem| at(line.number, problem))?;
        check_range(&line, entry, size).map_err(|problem| at(line.number, problem))?;
        entries += 1;
        if let Some(gene) = gene_of_row[entry.row as usize - 1] {
            builder.push((entry.column - 1) as usize, gene, entry.value);
        }
    }
    if entries < size.entries {
        let problem = MatrixProblem::TooFewEntries { declared: size.entries, found: entries };
        return Err(at(lines.lines_read(), problem));
    }
    let matrix = builder.finish(n_genes).map_err(|twice| {
        let row =
            gene_of_row.iter().position(|&gene| gene == Some(twice.gene)).map_or(0, |row| row as u64 + 1);
        CellsError::DuplicateEntry { path: path.to_owned(), row, column: twice.cell as u64 + 1 }
    })?;
    Ok((matrix, entries))
}

/// How many entries to make room for at once: what the header says, but never more than the file can hold, and for
/// a compressed file not more than its stored length (room grows as real entries come).
fn expected_entries(lines: &LineReader, size: Size) -> usize {
    let possible = (lines.max_text_bytes() / MIN_ENTRY_BYTES).min(lines.stored_bytes());
    usize::try_from(size.entries.min(possible)).unwrap_or(0)
}

fn read_banner(path: &Path, lines: &mut LineReader) -> Result<Field, CellsError> {
    let Some(line) = lines.next_line()? else {
        return Err(CellsError::matrix(path, 0, MatrixProblem::EmptyFile));
    };
    parse_banner(line.bytes).map_err(|problem| CellsError::matrix(path, 1, problem))
}

fn parse_banner(line: &[u8]) -> Result<Field, MatrixProblem> {
    let text = String::from_utf8_lossy(line).to_ascii_lowercase();
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let ["%%matrixmarket", object, format, field, symmetry] = words[..] else {
        return Err(MatrixProblem::NoBanner { found: shorten(line) });
    };
    if (object, format) != ("matrix", "coordinate") {
        return Err(MatrixProblem::NotCoordinate { found: format!("{object} {format}") });
    }
    if symmetry != "general" {
        return Err(MatrixProblem::NotGeneral { found: symmetry.to_owned() });
    }
    match field {
        "integer" => Ok(Field::Integer),
        "real" => Ok(Field::Real),
        "pattern" => Err(MatrixProblem::Pattern),
        other => Err(MatrixProblem::UnknownField { found: other.to_owned() }),
    }
}

fn read_size(path: &Path, lines: &mut LineReader) -> Result<Size, CellsError> {
    while let Some(line) = lines.next_line()? {
        let is_comment = line.bytes.first() == Some(&b'%');
        if is_comment || line.bytes.trim_ascii().is_empty() {
            continue;
        }
        return parse_size(line.bytes).ok_or_else(|| {
            CellsError::matrix(path, line.number, MatrixProblem::BadSize { found: shorten(line.bytes) })
        });
    }
    Err(CellsError::matrix(path, lines.lines_read(), MatrixProblem::NoSize))
}

fn parse_size(line: &[u8]) -> Option<Size> {
    let mut rest = line;
    let size = Size {
        rows: parse_index(next_word(&mut rest))?,
        columns: parse_index(next_word(&mut rest))?,
        entries: parse_index(next_word(&mut rest))?,
    };
    next_word(&mut rest).is_empty().then_some(size)
}

fn check_shape(
    path: &Path,
    lines: &LineReader,
    size: Size,
    features: u64,
    barcodes: u64,
) -> Result<(), CellsError> {
    let at_size = |problem| Err(CellsError::matrix(path, lines.lines_read(), problem));
    let Size { rows, columns, entries } = size;
    if (rows, columns) != (features, barcodes) {
        return at_size(MatrixProblem::ShapeMismatch { rows, columns, features, barcodes });
    }
    let fits_the_matrix = rows.checked_mul(columns).is_none_or(|places| entries <= places);
    if !fits_the_matrix {
        return at_size(MatrixProblem::MoreEntriesThanPlaces { rows, columns, entries });
    }
    let possible = lines.max_text_bytes() / MIN_ENTRY_BYTES + 1; // the last line may lack its end
    if entries > possible {
        return at_size(MatrixProblem::MoreEntriesThanBytes { entries, stored_bytes: lines.stored_bytes() });
    }
    Ok(())
}

/// One entry as written: row and column from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    row: u64,
    column: u64,
    value: f32,
}

fn parse_entry(line: &[u8], field: Field) -> Result<Entry, MatrixProblem> {
    let bad_entry = || MatrixProblem::BadEntry { found: shorten(line) };
    let mut rest = line;
    let row = parse_index(next_word(&mut rest)).ok_or_else(bad_entry)?;
    let column = parse_index(next_word(&mut rest)).ok_or_else(bad_entry)?;
    let word = next_word(&mut rest);
    if word.is_empty() || !next_word(&mut rest).is_empty() {
        return Err(bad_entry());
    }
    let value = match parse_index(word) {
        Some(count) => count as f32,
        None => parse_odd_count(word, field)?,
    };
    Ok(Entry { row, column, value })
}

/// A count that is not a plain row of digits.
#[cold]
fn parse_odd_count(word: &[u8], field: Field) -> Result<f32, MatrixProblem> {
    let found = || shorten(word);
    let number: f64 = std::str::from_utf8(word)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| MatrixProblem::BadCount { found: found() })?;
    let stored = number as f32;
    if !stored.is_finite() {
        return Err(MatrixProblem::NotFinite { found: found() });
    }
    if number < 0.0 {
        return Err(MatrixProblem::Negative { found: found() });
    }
    if field == Field::Integer && number.fract() != 0.0 {
        return Err(MatrixProblem::NotInteger { found: found() });
    }
    Ok(stored + 0.0) // turns -0 into 0
}

fn check_range(line: &Line<'_>, entry: Entry, size: Size) -> Result<(), MatrixProblem> {
    let Entry { row, column, .. } = entry;
    if (1..=size.rows).contains(&row) && (1..=size.columns).contains(&column) {
        return Ok(());
    }
    let found = shorten(line.bytes);
    Err(MatrixProblem::OutOfRange { found, rows: size.rows, columns: size.columns })
}

/// Cuts the next word off the front; empty when there is none.
fn next_word<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = rest.iter().position(|byte| !is_space(byte)).unwrap_or(rest.len());
    let from_word = &rest[start..];
    let length = from_word.iter().position(is_space).unwrap_or(from_word.len());
    let (word, after) = from_word.split_at(length);
    *rest = after;
    word
}

/// A row of 1 to 18 digits (which always fits).
fn parse_index(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 18 {
        return None;
    }
    word.iter().try_fold(0, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| 10 * number + u64::from(digit))
    })
}

fn shorten(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::{Entry, Field, parse_banner, parse_entry, parse_size};
    use crate::error::MatrixProblem;

    #[test]
    fn banners_are_read_in_any_case_and_other_kinds_refused() {
        assert_eq!(parse_banner(b"%%MatrixMarket matrix coordinate integer general"), Ok(Field::Integer));
        assert_eq!(parse_banner(b"%%matrixmarket  MATRIX coordinate Real General "), Ok(Field::Real));
        assert_eq!(
            parse_banner(b"%%MatrixMarket matrix coordinate pattern general"),
            Err(MatrixProblem::Pattern)
        );
        for bad in [
            &b"%%MatrixMarket matrix array real general"[..],
            b"%%MatrixMarket matrix coordinate complex general",
            b"%%MatrixMarket matrix coordinate integer symmetric",
            b"%%MatrixMarket matrix coordinate integer",
            b"gene,cell1,cell2",
            b"\xff\xfe",
        ] {
            assert!(parse_banner(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn sizes_need_exactly_three_numbers() {
        assert!(parse_size(b" 3 4\t5 ").is_some());
        for bad in [&b"3 4"[..], b"3 4 5 6", b"3 -4 5", b"3 4 99999999999999999999"] {
            assert!(parse_size(bad).is_none());
        }
    }

    #[test]
    fn entries_are_integers_or_reals_and_never_negative_or_nan() {
        let entry = |value| Ok(Entry { row: 12, column: 3, value });
        assert_eq!(parse_entry(b"12 3 45", Field::Integer), entry(45.0));
        assert_eq!(parse_entry(b" 12\t3  4.5e1 ", Field::Real), entry(45.0));
        assert_eq!(parse_entry(b"12 3 +4.0", Field::Integer), entry(4.0));
        assert_eq!(parse_entry(b"12 3 0.25", Field::Real), entry(0.25));
        for (text, field) in [
            (&b"12 3 0.25"[..], Field::Integer),
            (b"12 3 -1", Field::Integer),
            (b"12 3 nan", Field::Real),
            (b"12 3 inf", Field::Real),
            (b"12 3 1e39", Field::Real),
            (b"12 3", Field::Integer),
            (b"12 3 4 5", Field::Integer),
            (b"12,3,4", Field::Integer),
            (b"1.5 3 4", Field::Real),
            (b"% late comment", Field::Real),
        ] {
            assert!(parse_entry(text, field).is_err(), "{:?}", String::from_utf8_lossy(text));
        }
    }
}
