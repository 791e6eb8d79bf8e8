//! Everything that can be wrong with somebody's data, in words for the person who has to put it right: what, where,
//! why, and the next step. Deciding what is wrong must not live here.

mod h5;
mod table;

use std::io;
use std::path::{Path, PathBuf};

use domain::Fingerprint;

use crate::step::loess::LoessError;

pub use h5::H5Problem;
pub use table::TableProblem;

/// Why a data set could not be made, opened or written. Its text is a whole message; an operating system's own
/// words, where there are any, are the [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CellsError {
    /// The operating system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: "open", "read", …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing at the data path.
    #[error(
        "{path}: there is no such file or folder (`path` in the [data] table is {written:?}). A relative path is taken \
         from the working directory; correct it, or give an absolute one"
    )]
    NoSuchPath {
        /// Where it was looked for.
        path: PathBuf,
        /// As the user wrote it.
        written: String,
    },
    /// The data path is a file of an unknown kind.
    #[error(
        "{path} is a file of a kind that is not read: counts come as .h5ad, 10x .h5, .csv, .tsv or a 10x folder. {advice}"
    )]
    UnknownFile {
        /// The file.
        path: PathBuf,
        /// What to do with this kind of file.
        advice: String,
    },
    /// The folder lacks files of a 10x matrix.
    #[error("{dir} is not a complete 10x folder: {missing} is missing (plain or .gz){found}. {advice}")]
    IncompleteFolder {
        /// The folder.
        dir: PathBuf,
        /// What is missing.
        missing: String,
        /// What is there instead, starting with "; ", or nothing.
        found: String,
        /// The next step.
        advice: String,
    },
    /// Two files could be meant.
    #[error(
        "{dir} has both {first} and {second}, and nothing says which one counts. Remove one, or move it elsewhere"
    )]
    AmbiguousFolder {
        /// The folder.
        dir: PathBuf,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// A text file breaks off, is damaged or is no table of the expected kind.
    #[error("{path}, line {line}: {problem}")]
    Text {
        /// The file.
        path: PathBuf,
        /// 1-based; for a damaged file, the last line that could be read (0: none).
        line: u64,
        /// What is wrong there.
        problem: TextProblem,
    },
    /// An HDF5 file says something that can't be.
    #[error("{path}, {entry}: {problem}")]
    H5 {
        /// The file.
        path: PathBuf,
        /// The entry in it.
        entry: String,
        /// What is wrong there.
        problem: Box<H5Problem>,
    },
    /// A table of counts says something that can't be.
    #[error("{path}, line {line}: {problem}")]
    Table {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: u64,
        /// What is wrong there.
        problem: Box<TableProblem>,
    },
    /// A Matrix Market file says something else than a matrix of counts.
    #[error("{path}, line {line}: {problem}")]
    Matrix {
        /// The file.
        path: PathBuf,
        /// 1-based; 0 when there is no line at all.
        line: u64,
        /// What is wrong there.
        problem: MatrixProblem,
    },
    /// One place of the matrix has two entries.
    #[error(
        "{path}: row {row}, column {column} has two entries. A Matrix Market file may name each place once; was it \
         put together from two files?"
    )]
    DuplicateEntry {
        /// The file.
        path: PathBuf,
        /// 1-based row.
        row: u64,
        /// 1-based column.
        column: u64,
    },
    /// A choice in the `[data]` table that no data could satisfy.
    #[error("[data] {field}: {problem}")]
    Spec {
        /// The field, as in the grid file.
        field: &'static str,
        /// What is wrong with it, and what is allowed.
        problem: String,
    },
    /// Quality control left nothing.
    #[error(
        "quality control left no {what} of {dir}: {cells} cells and {genes} genes were read; {report}. Loosen the \
         thresholds in [data.qc]"
    )]
    NothingLeft {
        /// "genes" or "cells".
        what: &'static str,
        /// The data folder.
        dir: PathBuf,
        /// Cells read.
        cells: u64,
        /// Genes read.
        genes: u64,
        /// Which rule dropped how many.
        report: String,
    },
    /// Counts were asked for, and these are none.
    #[error(
        "input = \"counts\" in [data] needs whole counts, but gene {gene} of cell {barcode} has {value}. Give the raw \
         counts, or set input = \"lognorm\""
    )]
    NotCounts {
        /// The first value that is not whole.
        value: f32,
        /// Its cell.
        barcode: String,
        /// Its gene.
        gene: String,
    },
    /// The labels' CSV has no such column.
    #[error("{path}: there is no label column {wanted:?}; its columns are {found}. Name one with `column`")]
    NoLabelColumn {
        /// The CSV.
        path: PathBuf,
        /// The column that was wanted.
        wanted: String,
        /// The columns there are, quoted.
        found: String,
    },
    /// Cells without a label.
    #[error(
        "{path}: {count} of the {cells} cells that pass quality control have no label in {column:?}, e.g. {examples}; a \
         name there looks like {there}. Complete the labels, or set unlabelled = \"drop\" (leave those cells out) or \
         unlabelled = \"keep\" (a class of their own) in [data]"
    )]
    MissingLabels {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// How many cells lack one.
        count: usize,
        /// How many cells there are.
        cells: usize,
        /// The first few of their barcodes.
        examples: String,
        /// The first barcode of the CSV: a difference in suffix shows.
        there: String,
    },
    /// More classes than a label can name.
    #[error(
        "{path}: column {column:?} has {classes} different labels; at most {max} can be told apart. Is it a column \
         of ids or measurements?"
    )]
    TooManyClasses {
        /// The CSV.
        path: PathBuf,
        /// The column.
        column: String,
        /// How many there are.
        classes: usize,
        /// How many are possible.
        max: usize,
    },
    /// The same, by clustering.
    #[error(
        "labels = \"cluster\" in [data] finds {clusters} clusters; at most {max} can be told apart. Give labels from a file"
    )]
    TooManyClusters {
        /// How many there are.
        clusters: usize,
        /// How many are possible.
        max: usize,
    },
    /// A marker gene that is not there.
    #[error(
        "[data.markers] {cell_type:?} names the gene {gene}, but no gene of that name passes quality control. Correct \
         the name, or take it out"
    )]
    UnknownMarker {
        /// The cell type.
        cell_type: String,
        /// The gene.
        gene: String,
    },
    /// Variable genes are wanted and cannot be told.
    #[error(
        "the most variable genes cannot be told from {genes} genes of {cells} cells: {why}. Set genes = \"all\" in \
         [data] and give labels from a file, or raise min_cells in [data.qc]"
    )]
    Variability {
        /// Genes after quality control.
        genes: usize,
        /// Cells after quality control.
        cells: usize,
        /// What the curve through variance and mean lacks.
        why: LoessError,
    },
    /// z-scores of more entries than is sensible.
    #[error(
        "input = \"scaled\" in [data] makes a dense matrix, and {cells} cells × {genes} genes are {entries} numbers (at most \
         {most}). Take fewer genes: genes = {{ hvg = 2000 }}"
    )]
    TooDense {
        /// Cells after quality control.
        cells: usize,
        /// Genes the nets would see.
        genes: usize,
        /// Their product.
        entries: usize,
        /// The limit.
        most: usize,
    },
    /// The file is not a data set that this version can use.
    #[error(
        "{path} is not a usable data set file: {problem}. Prepare the data set again; the file can be deleted"
    )]
    DatasetFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: DatasetProblem,
    },
    /// The parts do not make a data set.
    #[error("these parts do not make a data set: {0}")]
    DatasetParts(DatasetProblem),
    /// The file is a different one than was asked for.
    #[error(
        "{path} has the fingerprint {found}, but {expected} is needed: it is damaged or another data set. Delete it; it will be fetched or prepared again"
    )]
    WrongFingerprint {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        expected: Fingerprint,
        /// What it is.
        found: Fingerprint,
    },
}

impl CellsError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn text(path: &Path, line: u64, problem: TextProblem) -> Self {
        Self::Text { path: path.to_owned(), line, problem }
    }

    pub(crate) fn h5(path: &Path, entry: impl Into<String>, problem: H5Problem) -> Self {
        Self::H5 { path: path.to_owned(), entry: entry.into(), problem: Box::new(problem) }
    }

    pub(crate) fn table(path: &Path, line: u64, problem: TableProblem) -> Self {
        Self::Table { path: path.to_owned(), line, problem: Box::new(problem) }
    }

    pub(crate) fn matrix(path: &Path, line: u64, problem: MatrixProblem) -> Self {
        Self::Matrix { path: path.to_owned(), line, problem }
    }
}

/// What can be wrong with a table of genes, barcodes or labels, or with any text file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextProblem {
    /// The compressed stream ends early.
    #[error("the gzip file is cut short after this line. Copy or download it again")]
    TruncatedGzip,
    /// The compressed stream is damaged.
    #[error("the gzip file is damaged after this line ({why}). Copy or download it again")]
    CorruptGzip {
        /// What the decompressor said.
        why: String,
    },
    /// A line beyond all reason.
    #[error("this line is longer than {max_bytes} bytes. Is it a text file with line ends?")]
    LineTooLong {
        /// The limit.
        max_bytes: usize,
    },
    /// Not UTF-8.
    #[error("this line is not UTF-8 text")]
    NotUtf8,
    /// Nothing in the file.
    #[error("the file is empty; {expected} are expected, one a line")]
    Empty {
        /// What should be in it.
        expected: &'static str,
    },
    /// A name without letters.
    #[error("the {what} is empty")]
    EmptyName {
        /// "barcode" or "gene name".
        what: &'static str,
    },
    /// A name that must be unique comes again.
    #[error("barcode {barcode:?} was already on line {first_line}")]
    DuplicateBarcode {
        /// The barcode.
        barcode: String,
        /// Where it stood first.
        first_line: u64,
    },
    /// A row with another number of columns than the first.
    #[error("{found} columns, but the first line has {expected}")]
    ColumnCount {
        /// Columns of the first line.
        expected: u64,
        /// Columns of this one.
        found: u64,
    },
    /// A features file of other things.
    #[error("no feature up to this last line is of the type \"Gene Expression\"; the types are {found}")]
    NoGenes {
        /// The types there are, quoted.
        found: String,
    },
    /// An embedding without coordinates.
    #[error(
        "an embedding needs a column of cells' names and at least one of numbers, separated by commas or tabs"
    )]
    NoCoordinates,
    /// A coordinate that is none.
    #[error("column {column:?} holds {found:?}, which is no finite number")]
    NotANumber {
        /// The column.
        column: String,
        /// What stands there.
        found: String,
    },
    /// A labels file without a label column.
    #[error("a table of barcodes and labels needs at least two columns separated by commas, found {found}")]
    NoLabels {
        /// How many columns there are.
        found: usize,
    },
    /// A header that names a column twice.
    #[error("the header names column {column:?} twice, so it is unclear which one counts")]
    ColumnTwice {
        /// The column.
        column: String,
    },
}

/// What can be wrong with a Matrix Market file. Formats: <https://math.nist.gov/MatrixMarket/formats.html>.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message above each variant says what it means and what its fields hold")]
pub enum MatrixProblem {
    #[error("the file is empty; a Matrix Market file is expected")]
    EmptyFile,
    #[error(
        "a Matrix Market file starts with \"%%MatrixMarket matrix coordinate integer general\", found {found:?}"
    )]
    NoBanner { found: String },
    #[error(
        "only \"matrix coordinate\" files can be read, found {found:?}: write the counts as a sparse matrix"
    )]
    NotCoordinate { found: String },
    #[error("only \"general\" matrices can be read, found {found:?}: cells × genes has no symmetry")]
    NotGeneral { found: String },
    #[error(
        "this is a \"pattern\" file: it says where counts are but not how large. Export the counts themselves"
    )]
    Pattern,
    #[error("entries must be \"integer\" or \"real\", found {found:?}")]
    UnknownField { found: String },
    #[error("the file ends before the line with rows, columns and entries")]
    NoSize,
    #[error("expected rows, columns and entries as three whole numbers, found {found:?}")]
    BadSize { found: String },
    #[error(
        "the matrix is {rows} × {columns}, but there are {features} features and {barcodes} barcodes{transposed}",
        transposed = if (columns, rows) == (features, barcodes) {
            ": it lies on its side; write it as genes × cells"
        } else {
            "; these files do not belong together"
        }
    )]
    ShapeMismatch { rows: u64, columns: u64, features: u64, barcodes: u64 },
    #[error("{entries} entries do not fit into {rows} × {columns} places")]
    MoreEntriesThanPlaces { rows: u64, columns: u64, entries: u64 },
    #[error(
        "{entries} entries are announced, but a file of {stored_bytes} bytes can't hold them: was it cut short?"
    )]
    MoreEntriesThanBytes { entries: u64, stored_bytes: u64 },
    #[error("expected row, column and count, found {found:?}")]
    BadEntry { found: String },
    #[error("the count {found:?} is not a number")]
    BadCount { found: String },
    #[error("the count {found:?} is not a finite number")]
    NotFinite { found: String },
    #[error("the count {found:?} is negative: raw counts are needed, not scaled or corrected values")]
    Negative { found: String },
    #[error("the count {found:?} is not whole, but the first line says \"integer\"")]
    NotInteger { found: String },
    #[error("the place in {found:?} is outside the {rows} × {columns} matrix (indices start at 1)")]
    OutOfRange { found: String, rows: u64, columns: u64 },
    #[error("{declared} entries are announced, but there are more")]
    TooManyEntries { declared: u64 },
    #[error("the file ends after {found} of {declared} entries: was it cut short?")]
    TooFewEntries { declared: u64, found: u64 },
}

/// What can be wrong with a data set file, or with the parts of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message above each variant says what it means and what its fields hold")]
pub enum DatasetProblem {
    #[error("it does not start as a data set file does")]
    NotADataset,
    #[error("it has the format version {found}, and only those from 1 to {newest} are known here")]
    Version { found: u32, newest: u32 },
    #[error("it should have {expected} bytes and has {found}")]
    Length { expected: u64, found: u64 },
    #[error("it is too large for this machine's address space")]
    TooLarge,
    #[error("its sizes contradict each other")]
    Sizes,
    #[error("bytes that must be zero are not")]
    Padding,
    #[error("its header cannot be read: {why}")]
    Header { why: String },
    #[error("it has no {what}")]
    Empty { what: &'static str },
    #[error("it names {found} {what}, but has {expected}")]
    NameCount { what: &'static str, expected: usize, found: usize },
    #[error("the {what} {name:?} comes twice")]
    NameTwice { what: &'static str, name: String },
    #[error("the row starts are wrong at cell {cell}")]
    RowStarts { cell: usize },
    #[error("the genes of cell {cell} are out of range or out of order")]
    Columns { cell: usize },
    #[error("a value of cell {cell} is not finite")]
    Values { cell: usize },
    #[error("the label of cell {cell} names no class")]
    Label { cell: usize },
    #[error("it has {found} classes; at most {max} can be told apart")]
    Classes { found: usize, max: usize },
}
