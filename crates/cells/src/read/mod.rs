//! Readers of other people's files. What a reader returns is checked and complete; preprocessing rules must not
//! live here.

mod columns;
pub mod embedding;
mod h5;
mod h5ad;
pub mod labels;
pub mod mtx;
mod rows;
pub mod source;
mod table;
pub mod tenx;
mod tenx_h5;
mod text;

use domain::data::Orientation;

use crate::csr::Csr;
use crate::provenance::CountsReader;

/// The counts of a file or folder.
#[derive(Debug, Clone, PartialEq)]
pub struct RawCounts {
    /// Which kind of file it was.
    pub reader: CountsReader,
    /// One name a cell, unique, in file order.
    pub barcodes: Vec<String>,
    /// One name a gene, made unique as Seurat does, in file order.
    pub genes: Vec<String>,
    /// Counts, cells × genes; no stored zeros.
    pub counts: Csr,
    /// Features that are no genes and were left out.
    pub other_features: u64,
    /// Entries of the matrix file, other features' included; of a dense one, those that are not zero.
    pub entries_read: u64,
    /// Which matrix of an `.h5ad`: `X`, `raw/X` or `layers/NAME`.
    pub layer: Option<String>,
    /// Which way a table lay.
    pub orientation: Option<Orientation>,
}

/// One matrix of an `.h5ad`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixFacts {
    /// As `layer` in the grid file names it.
    pub name: String,
    /// Whether the first of its values are counts.
    pub holds_counts: bool,
}
