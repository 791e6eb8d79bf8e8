//! The data set file, format versions 1 and 2: how its bytes lie, and the check that they make sense. Opening and writing
//! files must not live here.
//!
//! Both versions lie alike. Version 2 may say more in its header (other values than log-normalised ones, other
//! readers and labels); what version 1 can say is still written so, and keeps its fingerprint and its trials' results.
//!
//! All numbers are little-endian. Every section starts at a multiple of 64; gaps and the space after the last
//! section are zero, so that equal data sets are equal files.
//!
//! ```text
//! 0   magic "LSDS\r\n\x1a\n"          8 bytes
//! 8   format version                 u32
//! 12  zero                           u32
//! 16  length of the header           u64   bytes
//! 24  cells, genes, entries          u64 × 3
//! 48  length of the file             u64   bytes
//! 56  zero                           u64
//! 64  header                         JSON (sorted keys, no spaces): barcodes, classes or null, genes, provenance
//! …   row starts                     u64 × (cells + 1)
//! …   genes of the entries           u32 × entries, ascending within a cell
//! …   values                         f32 × entries
//! …   class of each cell             u16 × cells, only when there are classes
//! ```

use std::collections::HashSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Parts;
use super::image::{as_bytes, as_bytes_mut, as_numbers};
use crate::csr::CsrView;
use crate::error::DatasetProblem;
use crate::labels::Labels;
use crate::provenance::Provenance;

/// The newest format that this code writes; it reads all since 1.
pub const FORMAT_VERSION: u32 = 2;
/// Length of the fixed part at the start.
pub(super) const PREAMBLE_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"LSDS\r\n\x1a\n";
const ALIGNMENT: u64 = 64;

/// The JSON header, as written.
#[derive(Serialize)]
struct HeaderRef<'a> {
    barcodes: &'a [String],
    classes: Option<&'a [String]>,
    genes: &'a [String],
    provenance: &'a Provenance,
}

/// The JSON header, as read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    barcodes: Vec<String>,
    classes: Option<Vec<String>>,
    genes: Vec<String>,
    provenance: Provenance,
}

/// The numbers of the preamble.
#[derive(Debug, Clone, Copy)]
struct Preamble {
    version: u32,
    header_bytes: u64,
    cells: u64,
    genes: u64,
    entries: u64,
    file_bytes: u64,
}

/// Where the sections lie, in bytes from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sections {
    header: Range<usize>,
    indptr: Range<usize>,
    indices: Range<usize>,
    values: Range<usize>,
    classes: Range<usize>,
    file_bytes: u64,
}

/// A checked file's names, labels and the places of its numbers.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) barcodes: Vec<String>,
    pub(super) genes: Vec<String>,
    pub(super) labels: Option<Labels>,
    pub(super) provenance: Provenance,
    sections: Sections,
}

/// The bytes of the file of these parts. Whether the parts fit together is for [`check`] to say.
pub(super) fn encode(parts: &Parts) -> Result<Vec<u64>, DatasetProblem> {
    let header = domain::canonical::to_canonical_json(&HeaderRef {
        barcodes: &parts.barcodes,
        classes: parts.labels.as_ref().map(|labels| labels.classes.as_slice()),
        genes: &parts.genes,
        provenance: &parts.provenance,
    })
    .map_err(|error| DatasetProblem::Header { why: error.to_string() })?;
    let matrix = parts.matrix.view();
    let class_of_cell = parts.labels.as_ref().map_or(&[][..], |labels| &labels.of_cell);
    let mut preamble = Preamble {
        version: parts.provenance.format_version(),
        header_bytes: header.len() as u64,
        cells: matrix.n_rows as u64,
        genes: matrix.n_cols as u64,
        entries: matrix.nnz() as u64,
        file_bytes: 0,
    };
    let has_labels = parts.labels.is_some();
    let sections = lay_out(preamble, has_labels).ok_or(DatasetProblem::TooLarge)?;
    preamble.file_bytes = sections.file_bytes;
    if class_of_cell.len() != sections.classes.len() / size_of::<u16>() {
        return Err(DatasetProblem::Sizes);
    }

    let mut words = vec![0u64; sections.file_bytes as usize / size_of::<u64>()];
    let file = as_bytes_mut(&mut words);
    file[..PREAMBLE_BYTES].copy_from_slice(&write_preamble(preamble));
    file[sections.header].copy_from_slice(header.as_bytes());
    file[sections.indptr].copy_from_slice(as_bytes(matrix.indptr));
    file[sections.indices].copy_from_slice(as_bytes(matrix.indices));
    file[sections.values].copy_from_slice(as_bytes(matrix.values));
    file[sections.classes].copy_from_slice(as_bytes(class_of_cell));
    Ok(words)
}

/// Checks a file from the first byte to the last. Nothing in it is trusted, and nothing is allocated beyond its
/// length.
pub(super) fn check(file: &[u8]) -> Result<Contents, DatasetProblem> {
    let preamble = read_preamble(file)?;
    let header_end =
        (PREAMBLE_BYTES as u64).checked_add(preamble.header_bytes).ok_or(DatasetProblem::Sizes)?;
    let header_end = usize::try_from(header_end).map_err(|_| DatasetProblem::TooLarge)?;
    let header = file.get(PREAMBLE_BYTES..header_end).ok_or(DatasetProblem::Sizes)?;
    let Header { barcodes, classes, genes, provenance } =
        serde_json::from_slice(header).map_err(|error| DatasetProblem::Header { why: error.to_string() })?;

    if provenance.format_version() != preamble.version {
        let why = format!("it says what format version {} does not", preamble.version);
        return Err(DatasetProblem::Header { why });
    }

    let sections = lay_out(preamble, classes.is_some()).ok_or(DatasetProblem::Sizes)?;
    if sections.file_bytes != preamble.file_bytes {
        return Err(DatasetProblem::Sizes);
    }
    check_padding(file, &sections)?;
    check_names("barcode", "barcodes", &barcodes, preamble.cells)?;
    check_names("gene", "genes", &genes, preamble.genes)?;
    let labels = match classes {
        Some(classes) => Some(check_labels(classes, numbers(file, &sections.classes)?)?),
        None => None,
    };
    let contents = Contents { barcodes, genes, labels, provenance, sections };
    check_matrix(CsrView {
        n_rows: contents.barcodes.len(),
        n_cols: contents.genes.len(),
        indptr: numbers(file, &contents.sections.indptr)?,
        indices: numbers(file, &contents.sections.indices)?,
        values: numbers(file, &contents.sections.values)?,
    })?;
    Ok(contents)
}

/// The matrix of a file that passed [`check`] with these contents.
pub(super) fn matrix<'a>(file: &'a [u8], contents: &Contents) -> CsrView<'a> {
    let sections = &contents.sections;
    CsrView {
        n_rows: contents.barcodes.len(),
        n_cols: contents.genes.len(),
        indptr: as_numbers(&file[sections.indptr.clone()]).expect("alignment was checked"),
        indices: as_numbers(&file[sections.indices.clone()]).expect("alignment was checked"),
        values: as_numbers(&file[sections.values.clone()]).expect("alignment was checked"),
    }
}

fn numbers<'a, T: super::image::Plain>(
    file: &'a [u8],
    section: &Range<usize>,
) -> Result<&'a [T], DatasetProblem> {
    file.get(section.clone()).and_then(as_numbers).ok_or(DatasetProblem::Sizes)
}

/// Where everything goes, from the sizes alone; `None` when they overflow.
fn lay_out(preamble: Preamble, has_labels: bool) -> Option<Sections> {
    let mut end = PREAMBLE_BYTES as u64;
    let mut place = |count: u64, size: usize| {
        let start = end.checked_next_multiple_of(ALIGNMENT)?;
        end = start.checked_add(count.checked_mul(size as u64)?)?;
        Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    };
    let header = place(preamble.header_bytes, 1)?;
    let indptr = place(preamble.cells.checked_add(1)?, size_of::<u64>())?;
    let indices = place(preamble.entries, size_of::<u32>())?;
    let values = place(preamble.entries, size_of::<f32>())?;
    let classes = place(if has_labels { preamble.cells } else { 0 }, size_of::<u16>())?;
    let file_bytes = end.checked_next_multiple_of(ALIGNMENT)?;
    usize::try_from(file_bytes).ok()?;
    Some(Sections { header, indptr, indices, values, classes, file_bytes })
}

fn write_preamble(preamble: Preamble) -> [u8; PREAMBLE_BYTES] {
    let Preamble { version, header_bytes, cells, genes, entries, file_bytes } = preamble;
    let mut bytes = [0; PREAMBLE_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    for (position, number) in [header_bytes, cells, genes, entries, file_bytes].into_iter().enumerate() {
        bytes[16 + 8 * position..24 + 8 * position].copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

fn read_preamble(file: &[u8]) -> Result<Preamble, DatasetProblem> {
    let preamble = file.first_chunk::<PREAMBLE_BYTES>().ok_or(DatasetProblem::NotADataset)?;
    if !preamble.starts_with(&MAGIC) {
        return Err(DatasetProblem::NotADataset);
    }
    let number_at = |offset: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&preamble[offset..offset + 8]);
        u64::from_le_bytes(number)
    };
    let version = number_at(8) as u32;
    if !(1..=FORMAT_VERSION).contains(&version) {
        return Err(DatasetProblem::Version { found: version, newest: FORMAT_VERSION });
    }
    if number_at(8) >> 32 != 0 || number_at(56) != 0 {
        return Err(DatasetProblem::Padding);
    }
    let read = Preamble {
        version,
        header_bytes: number_at(16),
        cells: number_at(24),
        genes: number_at(32),
        entries: number_at(40),
        file_bytes: number_at(48),
    };
    if read.file_bytes != file.len() as u64 {
        return Err(DatasetProblem::Length { expected: read.file_bytes, found: file.len() as u64 });
    }
    Ok(read)
}

fn check_padding(file: &[u8], sections: &Sections) -> Result<(), DatasetProblem> {
    let Sections { header, indptr, indices, values, classes, .. } = sections;
    let gaps = [
        header.end..indptr.start,
        indptr.end..indices.start,
        indices.end..values.start,
        values.end..classes.start,
        classes.end..file.len(),
    ];
    for gap in gaps {
        let padding = file.get(gap).ok_or(DatasetProblem::Sizes)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(DatasetProblem::Padding);
        }
    }
    Ok(())
}

fn check_names(
    one: &'static str,
    many: &'static str,
    names: &[String],
    expected: u64,
) -> Result<(), DatasetProblem> {
    if expected == 0 {
        return Err(DatasetProblem::Empty { what: many });
    }
    let expected = u32::try_from(expected).map_err(|_| DatasetProblem::TooLarge)? as usize;
    if names.len() != expected {
        return Err(DatasetProblem::NameCount { what: many, expected, found: names.len() });
    }
    let mut seen = HashSet::with_capacity(names.len());
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(DatasetProblem::NameTwice { what: one, name: name.clone() }),
        None => Ok(()),
    }
}

fn check_labels(classes: Vec<String>, of_cell: &[u16]) -> Result<Labels, DatasetProblem> {
    if classes.len() > Labels::MAX_CLASSES {
        return Err(DatasetProblem::Classes { found: classes.len(), max: Labels::MAX_CLASSES });
    }
    check_names("class", "classes", &classes, classes.len() as u64)?;
    match of_cell.iter().position(|&class| usize::from(class) >= classes.len()) {
        Some(cell) => Err(DatasetProblem::Label { cell }),
        None => Ok(Labels { classes, of_cell: of_cell.to_vec() }),
    }
}

fn check_matrix(matrix: CsrView<'_>) -> Result<(), DatasetProblem> {
    if matrix.indptr.first() != Some(&0) || matrix.indptr.last() != Some(&(matrix.nnz() as u64)) {
        return Err(DatasetProblem::RowStarts { cell: 0 });
    }
    if let Some(cell) = matrix.indptr.windows(2).position(|bounds| bounds[0] > bounds[1]) {
        return Err(DatasetProblem::RowStarts { cell });
    }
    for (cell, (columns, values)) in matrix.rows().enumerate() {
        let is_ascending = columns.is_sorted_by(|a, b| a < b);
        let is_in_range = columns.last().is_none_or(|&last| (last as usize) < matrix.n_cols);
        if !(is_ascending && is_in_range) {
            return Err(DatasetProblem::Columns { cell });
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(DatasetProblem::Values { cell });
        }
    }
    Ok(())
}
