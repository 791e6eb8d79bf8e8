//! `.h5ad` files: AnnData, any of its versions. Which of the matrices holds the counts, their names, and a column of
//! labels. Format: <https://anndata.readthedocs.io/en/latest/fileformat-prose.html>. Filters must not live here.

mod frame;

use frame::Frame;

use super::h5::sparse::{Major, Sparse, as_count};
use super::h5::{Element, H5, Kind, block_length, dense, shape_in_words};
use super::labels::LabelTable;
use super::tenx::{GENE_EXPRESSION, number_genes};
use super::{MatrixFacts, RawCounts};
use crate::csr::Csr;
use crate::error::{CellsError, H5Problem};
use crate::provenance::CountsReader;
use crate::step::make_unique::make_unique;

/// Column of `var` in which scanpy keeps what 10x says of each feature.
const FEATURE_TYPES: &str = "feature_types";
/// Attributes with a sparse matrix's shape: today's, and that of anndata 0.6.
const SHAPES: [&str; 2] = ["shape", "h5sparse_shape"];
/// Values of a matrix that are looked at to tell whether it holds counts.
const SAMPLE: u64 = 50_000;

/// What is wanted of the file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Request<'a> {
    /// `X`, `raw/X`, `layers/NAME` or just a layer's name.
    pub(super) layer: Option<&'a str>,
    /// Column of `var` with the genes' names.
    pub(super) gene_names: Option<&'a str>,
    /// Column of `obs` with labels.
    pub(super) labels: Option<&'a str>,
}

/// One of the file's matrices.
struct Matrix {
    /// As the grid file names it: `X`, `raw/X`, `layers/NAME`.
    name: String,
    /// Where it lies.
    entry: String,
    /// Where its genes are described.
    var: &'static str,
}

/// Reads the counts, and the labels if some are asked for.
pub(super) fn read(file: &H5, request: Request<'_>) -> Result<(RawCounts, Option<LabelTable>), CellsError> {
    let matrix = find_matrix(file, request.layer)?;
    let obs = Frame::open(file, "obs")?;
    let (barcodes, barcodes_entry) = obs.index()?;
    file.check_cell_names(&barcodes_entry, &barcodes)?;
    let labels = request.labels.map(|column| read_labels(file, &obs, column, &barcodes)).transpose()?;
    let Features { names, is_gene } = read_features(file, matrix.var, request.gene_names)?;
    let gene_of = number_genes(&is_gene);
    let (counts, entries_read) = read_matrix(file, &matrix.entry, barcodes.len(), &gene_of)
        .map_err(|error| with_advice(file, &matrix, error))?;
    let unique = make_unique(&names).into_iter().zip(&is_gene);
    let raw = RawCounts {
        reader: CountsReader::H5ad,
        barcodes,
        genes: unique.filter(|(_, is_gene)| **is_gene).map(|(name, _)| name).collect(),
        counts,
        other_features: is_gene.iter().filter(|is_gene| !**is_gene).count() as u64,
        entries_read,
        layer: Some(matrix.name),
        orientation: None,
    };
    Ok((raw, labels))
}

/// The file's matrices, and whether each looks like counts.
pub(super) fn matrices(file: &H5) -> Vec<MatrixFacts> {
    let facts =
        |matrix: Matrix| MatrixFacts { holds_counts: holds_counts(file, &matrix.entry), name: matrix.name };
    all_matrices(file).into_iter().map(facts).collect()
}

/// Names of the columns of `obs`: what labels can be made of.
pub(super) fn obs_columns(file: &H5) -> Vec<String> {
    Frame::open(file, "obs").map(|obs| obs.columns()).unwrap_or_default()
}

fn all_matrices(file: &H5) -> Vec<Matrix> {
    let x = Matrix { name: "X".to_owned(), entry: "X".to_owned(), var: "var" };
    let raw = [("raw/X", "raw/var"), ("raw.X", "raw.var")]; // the second is how anndata 0.6 wrote it
    let raw = raw.map(|(entry, var)| Matrix { name: "raw/X".to_owned(), entry: entry.to_owned(), var });
    let layers = file.children("layers").into_iter().map(|name| {
        let name = format!("layers/{name}");
        Matrix { entry: name.clone(), name, var: "var" }
    });
    let mut all: Vec<Matrix> = std::iter::once(x).chain(raw).chain(layers).collect();
    all.retain(|matrix| file.kind(&matrix.entry) != Kind::Missing);
    all
}

/// The matrix that `wanted` names; `X` by default.
fn find_matrix(file: &H5, wanted: Option<&str>) -> Result<Matrix, CellsError> {
    let wanted = wanted.unwrap_or("X").trim_matches('/');
    let names = match wanted {
        "raw" => vec!["raw/X".to_owned()],
        name if name.contains('/') => vec![name.to_owned()],
        name => vec![name.to_owned(), format!("layers/{name}")],
    };
    let mut all = all_matrices(file);
    let known: Vec<String> = all.iter().map(|matrix| matrix.name.clone()).collect();
    match names.iter().find_map(|name| known.iter().position(|known| known == name)) {
        Some(position) => Ok(all.swap_remove(position)),
        None => {
            let quoted: Vec<String> = known.iter().map(|name| format!("layer = {name:?}")).collect();
            let found = match quoted.len() {
                0 => "; the file holds no matrix at all".to_owned(),
                _ => format!("; what [data] can name is {}", quoted.join(", ")),
            };
            Err(file.error(names.last().map_or(wanted, String::as_str), H5Problem::Missing { found }))
        }
    }
}

/// What the columns of a matrix are.
struct Features {
    names: Vec<String>,
    is_gene: Vec<bool>,
}

/// Names of the genes, and which features are none: scanpy keeps 10x's types of features in `feature_types`.
fn read_features(file: &H5, var: &str, column: Option<&str>) -> Result<Features, CellsError> {
    let frame = Frame::open(file, var)?;
    let (index, index_entry) = frame.index()?;
    file.check_names(&index_entry, "gene name", &index)?;
    let has_types = frame.columns().iter().any(|name| name == FEATURE_TYPES);
    let types = if has_types { frame.column(FEATURE_TYPES, index.len())? } else { Vec::new() };
    let are_genes = types.iter().map(|kind| kind.as_deref() == Some(GENE_EXPRESSION));
    let mut is_gene: Vec<bool> = are_genes.collect();
    if !is_gene.contains(&true) {
        is_gene = vec![true; index.len()]; // no types, or none that is known
    }
    let names = match column {
        None => index,
        // A gene without a symbol keeps its id.
        Some(column) => {
            let names = frame.column(column, index.len())?;
            names.into_iter().zip(index).map(|(name, id)| name.unwrap_or(id)).collect()
        }
    };
    Ok(Features { names, is_gene })
}

fn read_labels(
    file: &H5,
    obs: &Frame<'_>,
    column: &str,
    barcodes: &[String],
) -> Result<LabelTable, CellsError> {
    let values = obs.column(column, barcodes.len())?;
    let labelled = barcodes.iter().zip(values);
    Ok(LabelTable {
        path: file.path().to_owned(),
        column: obs.column_entry(column),
        first_barcode: barcodes.first().cloned(),
        label_of: labelled.filter_map(|(barcode, label)| Some((barcode.clone(), label?))).collect(),
    })
}

fn read_matrix(
    file: &H5,
    entry: &str,
    n_cells: usize,
    gene_of: &[Option<u32>],
) -> Result<(Csr, u64), CellsError> {
    let n_genes = gene_of.iter().flatten().count();
    if file.kind(entry) == Kind::Dataset {
        return dense::read(file, entry, n_cells, gene_of, n_genes);
    }
    let major = major_of(file, entry)?;
    check_shape(file, entry, [n_cells, gene_of.len()])?;
    Sparse { file, group: entry.to_owned(), major, n_cells, gene_of, n_genes }.read()
}

/// The shape that a sparse matrix says of itself, where it can be found.
fn check_shape(file: &H5, entry: &str, expected: [usize; 2]) -> Result<(), CellsError> {
    let said = SHAPES.into_iter().find_map(|name| Some((name, file.group_numbers(entry, name)?)));
    let Some((name, said)) = said else { return Ok(()) };
    if said.iter().map(|&side| usize::try_from(side).ok()).eq(expected.map(Some)) {
        return Ok(());
    }
    let said: Vec<String> = said.iter().map(i64::to_string).collect();
    let problem = H5Problem::WrongShape {
        expected: shape_in_words(&expected.map(|side| side as u64)),
        found: format!("({})", said.join(", ")),
        why: format!("there are {} cells and {} genes", expected[0], expected[1]),
    };
    Err(file.error(&format!("{entry} (attribute {name})"), problem))
}

fn major_of(file: &H5, entry: &str) -> Result<Major, CellsError> {
    let encoding =
        ["encoding-type", "h5sparse_format"].into_iter().find_map(|name| file.attribute(entry, name));
    match encoding.as_deref() {
        Some("csr_matrix" | "csr") => Ok(Major::Cells),
        Some("csc_matrix" | "csc") => Ok(Major::Genes),
        found => {
            let found = found.unwrap_or("none").to_owned();
            Err(file.error(entry, H5Problem::Encoding { found }))
        }
    }
}

/// A matrix that holds no counts: where in the same file there are some.
fn with_advice(file: &H5, read: &Matrix, error: CellsError) -> CellsError {
    let CellsError::H5 { path, entry, problem } = &error else { return error };
    let H5Problem::NotACount { value, place, .. } = &**problem else { return error };
    let others = all_matrices(file).into_iter().filter(|other| other.name != read.name);
    let counts: Vec<String> = others
        .filter(|other| holds_counts(file, &other.entry))
        .map(|other| format!("layer = {:?}", other.name))
        .collect();
    let advice = match counts.as_slice() {
        [] => "Raw counts are needed, and no other matrix of this file seems to hold them".to_owned(),
        some => format!("Set {} in [data]: there the file has counts", some.join(" or ")),
    };
    let problem = H5Problem::NotACount { value: value.clone(), place: place.clone(), advice };
    CellsError::h5(path, entry.as_str(), problem)
}

/// Whether the first values of a matrix are counts, and not all the same.
fn holds_counts(file: &H5, entry: &str) -> bool {
    first_values(file, entry)
        .is_ok_and(|values| !values.is_empty() && values.iter().all(|&value| as_count(value).is_some()))
}

fn first_values(file: &H5, entry: &str) -> Result<Vec<f64>, CellsError> {
    let data = if file.kind(entry) == Kind::Group { format!("{entry}/data") } else { entry.to_owned() };
    let facts = file.facts(&data)?;
    if !matches!(facts.element, Element::Integer | Element::Float | Element::Boolean) {
        return Ok(Vec::new());
    }
    let block = match facts.shape[..] {
        [length] => {
            let first = 0..length.min(SAMPLE).min(block_length(&facts));
            vec![first]
        }
        [rows, columns] => vec![0..rows.min((SAMPLE / columns.max(1)).max(1)), 0..columns.min(SAMPLE)],
        _ => return Ok(Vec::new()),
    };
    file.numbers(&data, &block)
}
