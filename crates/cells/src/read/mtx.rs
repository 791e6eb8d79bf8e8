//! Matrix Market coordinate files, read as a stream into compressed rows (one row a *column* of the file: 10x writes
//! genes × cells). Format: <https://math.nist.gov/MatrixMarket/formats.html>. What rows and columns stand for must
//! not live here.
//!
//! Accepted: `integer` and `real`, `general`, indices from 1, entries in any order, counts >= 0. Everything else is
//! refused with the line. Counts are kept as `f32`: exact up to 16,777,216.

use std::path::Path;

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
    let mut builder = Builder::new(n_cells, expected_entries(&lines, size));
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

/// The place of an entry that came twice.
#[derive(Debug, PartialEq)]
struct Twice {
    cell: usize,
    gene: u32,
}

/// Collects entries into compressed rows. As long as the cells come in order, as 10x writes them, nothing but the
/// result itself is held; the first cell out of order makes the builder remember the cell of every entry.
struct Builder {
    n_cells: usize,
    indptr: Vec<u64>,
    cells: Option<Vec<u32>>,
    genes: Vec<u32>,
    values: Vec<f32>,
}

impl Builder {
    fn new(n_cells: usize, expected: usize) -> Self {
        let mut indptr = Vec::with_capacity(n_cells + 1);
        indptr.push(0); // from here on: one start for each cell that has begun
        Self {
            n_cells,
            indptr,
            cells: None,
            genes: Vec::with_capacity(expected),
            values: Vec::with_capacity(expected),
        }
    }

    fn push(&mut self, cell: usize, gene: u32, value: f32) {
        if self.cells.is_none() {
            if cell + 1 >= self.indptr.len() {
                self.indptr.resize(cell + 1, self.genes.len() as u64);
            } else {
                self.cells = Some(self.cells_so_far());
            }
        }
        if let Some(cells) = &mut self.cells {
            cells.push(cell as u32);
        }
        self.genes.push(gene);
        self.values.push(value);
    }

    /// Cell of every entry, from the starts of the cells that have begun.
    fn cells_so_far(&self) -> Vec<u32> {
        let ends = self.indptr[1..].iter().copied().chain([self.genes.len() as u64]);
        let mut cells = Vec::with_capacity(self.genes.capacity());
        for (cell, end) in (0u32..).zip(ends) {
            cells.resize(end as usize, cell);
        }
        cells
    }

    fn finish(mut self, n_genes: usize) -> Result<Csr, Twice> {
        match self.cells.take() {
            None => self.indptr.resize(self.n_cells + 1, self.genes.len() as u64),
            Some(cells) => self.scatter(&cells),
        }
        self.sort_rows();
        self.refuse_duplicates()?;
        self.drop_zeros();
        Ok(Csr::from_arrays(n_genes, self.indptr, self.genes, self.values))
    }

    /// Counting sort by cell.
    fn scatter(&mut self, cells: &[u32]) {
        let mut indptr = vec![0u64; self.n_cells + 1];
        for &cell in cells {
            indptr[cell as usize + 1] += 1;
        }
        for cell in 0..self.n_cells {
            indptr[cell + 1] += indptr[cell];
        }
        let mut next = indptr.clone();
        let mut genes = vec![0; self.genes.len()];
        let mut values = vec![0.0; self.values.len()];
        for ((&cell, &gene), &value) in cells.iter().zip(&self.genes).zip(&self.values) {
            let place = &mut next[cell as usize];
            genes[*place as usize] = gene;
            values[*place as usize] = value;
            *place += 1;
        }
        (self.indptr, self.genes, self.values) = (indptr, genes, values);
    }

    fn sort_rows(&mut self) {
        let mut row = Vec::new();
        for bounds in self.indptr.windows(2) {
            let entries = bounds[0] as usize..bounds[1] as usize;
            if self.genes[entries.clone()].is_sorted() {
                continue;
            }
            row.clear();
            row.extend(entries.clone().map(|entry| (self.genes[entry], self.values[entry])));
            row.sort_unstable_by_key(|&(gene, _)| gene);
            for (entry, &(gene, value)) in entries.zip(&row) {
                (self.genes[entry], self.values[entry]) = (gene, value);
            }
        }
    }

    fn refuse_duplicates(&self) -> Result<(), Twice> {
        for (cell, bounds) in self.indptr.windows(2).enumerate() {
            let genes = &self.genes[bounds[0] as usize..bounds[1] as usize];
            if let Some(pair) = genes.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(Twice { cell, gene: pair[0] });
            }
        }
        Ok(())
    }

    fn drop_zeros(&mut self) {
        if self.values.iter().all(|&value| value != 0.0) {
            return;
        }
        let mut write = 0;
        let mut row_start = 0;
        for row in 0..self.n_cells {
            let row_end = self.indptr[row + 1] as usize;
            for read in row_start..row_end {
                if self.values[read] != 0.0 {
                    (self.genes[write], self.values[write]) = (self.genes[read], self.values[read]);
                    write += 1;
                }
            }
            self.indptr[row + 1] = write as u64;
            row_start = row_end;
        }
        self.genes.truncate(write);
        self.values.truncate(write);
    }
}

#[cfg(test)]
mod tests {
    use super::{Builder, Entry, Field, Twice, parse_banner, parse_entry, parse_size};
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

    fn build(n_cells: usize, entries: &[(usize, u32, f32)]) -> Result<crate::Csr, Twice> {
        let mut builder = Builder::new(n_cells, 0);
        entries.iter().for_each(|&(cell, gene, value)| builder.push(cell, gene, value));
        builder.finish(4)
    }

    #[test]
    fn the_order_of_entries_does_not_matter() {
        let in_order = build(4, &[(1, 0, 1.0), (1, 3, 2.0), (2, 1, 3.0), (2, 2, 4.0)]).unwrap();
        let shuffled = build(4, &[(2, 2, 4.0), (1, 3, 2.0), (2, 1, 3.0), (1, 0, 1.0)]).unwrap();
        let descending = build(4, &[(1, 3, 2.0), (1, 0, 1.0), (2, 2, 4.0), (2, 1, 3.0)]).unwrap();
        let late_disorder = build(4, &[(1, 0, 1.0), (2, 1, 3.0), (2, 2, 4.0), (1, 3, 2.0)]).unwrap();
        assert_eq!(in_order.view().indptr, [0, 0, 2, 4, 4]);
        assert_eq!(in_order, shuffled);
        assert_eq!(in_order, descending);
        assert_eq!(in_order, late_disorder);
    }

    #[test]
    fn zeros_are_dropped_but_still_count_as_duplicates() {
        let matrix = build(2, &[(0, 1, 0.0), (0, 2, 5.0), (1, 0, 0.0)]).unwrap();
        assert_eq!((matrix.view().indptr, matrix.view().values), (&[0, 1, 1][..], &[5.0][..]));
        assert_eq!(build(2, &[(1, 2, 5.0), (1, 2, 0.0)]), Err(Twice { cell: 1, gene: 2 }));
    }
}
