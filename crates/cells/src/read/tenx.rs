//! 10x folders: `matrix.mtx`, `barcodes.tsv` and `genes.tsv` (version 2) or `features.tsv` (version 3), each plain or
//! gzip. Layout: <https://www.10xgenomics.com/support/software/cell-ranger/latest/analysis/outputs/cr-outputs-mex-matrices>.
//! Filters and arithmetic must not live here.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::text::{Line, LineReader};
use super::{RawCounts, mtx};
use crate::error::{CellsError, TextProblem};
use crate::provenance::CountsReader;
use crate::step::make_unique::make_unique;

/// The type of feature that is a gene.
pub(super) const GENE_EXPRESSION: &str = "Gene Expression";

/// The three files of one folder.
struct Files {
    reader: CountsReader,
    features: PathBuf,
    barcodes: PathBuf,
    matrix: PathBuf,
}

/// Reads the 10x folder `dir`. The gene's name is the second column of the features (the first where there is only
/// one); of version 3 only the rows of type `Gene Expression` are kept.
///
/// # Errors
/// A folder that is not there, is incomplete or has a file twice (plain and gzip, or `genes.tsv` and
/// `features.tsv`); any file that contradicts itself or another.
pub fn read(dir: &Path) -> Result<RawCounts, CellsError> {
    let files = find_files(dir)?;
    let barcodes = read_barcodes(&files.barcodes)?;
    let features = read_features(&files.features, files.reader)?;
    let gene_of_row = number_genes(&features.is_gene);
    let n_genes = gene_of_row.iter().flatten().count();
    let (counts, entries_read) = mtx::read(&files.matrix, &gene_of_row, n_genes, barcodes.len())?;

    let unique_names = make_unique(&features.names); // over all features, as Seurat's Read10X does
    let genes = unique_names.into_iter().zip(&features.is_gene).filter(|(_, is_gene)| **is_gene);
    Ok(RawCounts {
        reader: files.reader,
        barcodes,
        genes: genes.map(|(name, _)| name).collect(),
        counts,
        other_features: (gene_of_row.len() - n_genes) as u64,
        entries_read,
        layer: None,
        orientation: None,
    })
}

fn find_files(dir: &Path) -> Result<Files, CellsError> {
    let genes = plain_or_gzip(dir, "genes.tsv")?;
    let features = plain_or_gzip(dir, "features.tsv")?;
    let barcodes = plain_or_gzip(dir, "barcodes.tsv")?;
    let matrix = plain_or_gzip(dir, "matrix.mtx")?;

    let (reader, features) = match (genes, features) {
        (Some(first), Some(second)) => return Err(ambiguous(dir, &first, &second)),
        (Some(genes), None) => (CountsReader::TenxV2, Some(genes)),
        (None, features) => (CountsReader::TenxV3, features),
    };
    match (features, barcodes, matrix) {
        (Some(features), Some(barcodes), Some(matrix)) => Ok(Files { reader, features, barcodes, matrix }),
        (features, barcodes, matrix) => {
            let wanted = [
                ("matrix.mtx", matrix.is_none()),
                ("barcodes.tsv", barcodes.is_none()),
                ("features.tsv (or genes.tsv)", features.is_none()),
            ];
            let missing: Vec<&str> =
                wanted.iter().filter(|(_, lacks)| *lacks).map(|(name, _)| *name).collect();
            Err(incomplete(dir, &missing))
        }
    }
}

fn plain_or_gzip(dir: &Path, name: &str) -> Result<Option<PathBuf>, CellsError> {
    let plain = dir.join(name);
    let gzip = dir.join(format!("{name}.gz"));
    match (plain.is_file(), gzip.is_file()) {
        (true, true) => Err(ambiguous(dir, &plain, &gzip)),
        (true, false) => Ok(Some(plain)),
        (false, true) => Ok(Some(gzip)),
        (false, false) => Ok(None),
    }
}

fn ambiguous(dir: &Path, first: &Path, second: &Path) -> CellsError {
    let name =
        |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    CellsError::AmbiguousFolder { dir: dir.to_owned(), first: name(first), second: name(second) }
}

fn incomplete(dir: &Path, missing: &[&str]) -> CellsError {
    let mut names: Vec<String> = Vec::new();
    let mut nested = None;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if nested.is_none() && entry.path().is_dir() {
            nested = find_nested_matrix(&entry.path(), 2);
        }
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    let found = match names.len() {
        0 => "; the folder is empty".to_owned(),
        1..=5 => format!("; it has {}", names.join(", ")),
        more => format!("; it has {} and {} more", names[..5].join(", "), more - 5),
    };
    let advice = match nested {
        Some(nested) => format!("There is a matrix in {}: set `path` to that folder", nested.display()),
        None => {
            "Set `path` to the folder with Cell Ranger's matrix, e.g. filtered_feature_bc_matrix".to_owned()
        }
    };
    CellsError::IncompleteFolder { dir: dir.to_owned(), missing: missing.join(", "), found, advice }
}

/// A folder with a matrix, at most `depth` levels further down: archives of 10x unpack into such nests.
fn find_nested_matrix(dir: &Path, depth: u32) -> Option<PathBuf> {
    if ["matrix.mtx", "matrix.mtx.gz"].iter().any(|name| dir.join(name).is_file()) {
        return Some(dir.to_owned());
    }
    if depth == 0 {
        return None;
    }
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort_unstable();
    folders.iter().find_map(|folder| find_nested_matrix(folder, depth - 1))
}

fn read_barcodes(path: &Path) -> Result<Vec<String>, CellsError> {
    let mut lines = LineReader::open(path)?;
    let mut barcodes = Vec::new();
    let mut line_of: HashMap<String, u64> = HashMap::new();
    while let Some(line) = lines.next_line()? {
        let problem_here = |problem| CellsError::text(path, line.number, problem);
        let barcode = columns(&line).map_err(problem_here)?.next().unwrap_or_default().trim();
        if barcode.is_empty() {
            return Err(problem_here(TextProblem::EmptyName { what: "barcode" }));
        }
        if let Some(first_line) = line_of.insert(barcode.to_owned(), line.number) {
            let barcode = barcode.to_owned();
            return Err(problem_here(TextProblem::DuplicateBarcode { barcode, first_line }));
        }
        barcodes.push(barcode.to_owned());
    }
    if barcodes.is_empty() {
        return Err(CellsError::text(path, 0, TextProblem::Empty { expected: "barcodes" }));
    }
    Ok(barcodes)
}

/// The features file: one name a row, and whether it is a gene.
struct Features {
    names: Vec<String>,
    is_gene: Vec<bool>,
}

fn read_features(path: &Path, reader: CountsReader) -> Result<Features, CellsError> {
    let mut lines = LineReader::open(path)?;
    let mut features = Features { names: Vec::new(), is_gene: Vec::new() };
    let mut other_types = BTreeSet::new();
    let mut n_columns = None;
    while let Some(line) = lines.next_line()? {
        let problem_here = |problem| CellsError::text(path, line.number, problem);
        let cells: Vec<&str> = columns(&line).map_err(problem_here)?.collect();
        let (found, expected) = (cells.len() as u64, *n_columns.get_or_insert(cells.len() as u64));
        if found != expected {
            return Err(problem_here(TextProblem::ColumnCount { expected, found }));
        }
        let name = cells.get(1).unwrap_or(&cells[0]).trim();
        if name.is_empty() {
            return Err(problem_here(TextProblem::EmptyName { what: "gene name" }));
        }
        let feature_type = match reader {
            CountsReader::TenxV2 => GENE_EXPRESSION, // that version knows no other
            _ => cells.get(2).map_or(GENE_EXPRESSION, |cell| cell.trim()),
        };
        let is_gene = feature_type == GENE_EXPRESSION;
        if !is_gene && other_types.len() < 8 {
            other_types.insert(format!("{feature_type:?}"));
        }
        features.names.push(name.to_owned());
        features.is_gene.push(is_gene);
    }
    if features.names.is_empty() {
        return Err(CellsError::text(path, 0, TextProblem::Empty { expected: "genes" }));
    }
    if !features.is_gene.contains(&true) {
        let found = other_types.into_iter().collect::<Vec<_>>().join(", ");
        return Err(CellsError::text(path, lines.lines_read(), TextProblem::NoGenes { found }));
    }
    Ok(features)
}

fn columns<'a>(line: &Line<'a>) -> Result<std::str::Split<'a, char>, TextProblem> {
    let text = std::str::from_utf8(line.bytes).map_err(|_| TextProblem::NotUtf8)?;
    Ok(text.split('\t'))
}

/// Numbers the genes from 0, leaving out what is none.
pub(super) fn number_genes(is_gene: &[bool]) -> Vec<Option<u32>> {
    let mut next = 0..;
    is_gene.iter().map(|&gene| if gene { next.next() } else { None }).collect()
}
