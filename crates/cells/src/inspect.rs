//! What a data set is, and what preprocessing makes of it: facts for a person who has not decided anything yet. How
//! they are shown must not live here.

use std::path::Path;

use domain::data::DataSpec;

use crate::dataset::Dataset;
use crate::error::CellsError;
use crate::prepare::{check_choices, make};
use crate::provenance::CountsReader;
use crate::read::{MatrixFacts, source};

/// Facts of one data set.
#[derive(Debug)]
pub struct Inspection {
    /// Which kind of file it is.
    pub reader: CountsReader,
    /// Cells in it.
    pub cells: u64,
    /// Genes in it.
    pub genes: u64,
    /// Counts above zero.
    pub nnz: u64,
    /// Sum of all counts.
    pub total_counts: f64,
    /// Features that are no genes.
    pub other_features: u64,
    /// Genes whose name begins with the prefix of mitochondrial ones.
    pub mitochondrial_genes: u64,
    /// The first names, to recognise them by.
    pub first_cells: Vec<String>,
    /// The first names, to recognise them by.
    pub first_genes: Vec<String>,
    /// What else the file offers to read as counts.
    pub matrices: Vec<MatrixFacts>,
    /// What the file offers as labels.
    pub obs_columns: Vec<String>,
    /// What preprocessing makes of it.
    pub prepared: Result<Dataset, CellsError>,
}

/// Names that are shown.
const SHOWN: usize = 3;

/// Reads what `spec` names and prepares it. Relative paths start at `base_dir`.
///
/// # Errors
/// When the choices or the files are wrong. Preprocessing that leaves nothing is a fact, not an error.
pub fn inspect(spec: &DataSpec, base_dir: &Path) -> Result<Inspection, CellsError> {
    check_choices(spec)?;
    let (matrices, obs_columns) = source::offers(spec, base_dir)?;
    let read = source::read(spec, base_dir)?;
    let raw = &read.raw;
    let first = |names: &[String]| names.iter().take(SHOWN).cloned().collect();
    let prefix = spec.qc.mito_prefix.as_str();
    let is_mitochondrial = |name: &&String| !prefix.is_empty() && name.starts_with(prefix);
    Ok(Inspection {
        reader: raw.reader,
        cells: raw.barcodes.len() as u64,
        genes: raw.genes.len() as u64,
        nnz: raw.counts.view().nnz() as u64,
        total_counts: raw.counts.view().values.iter().map(|&count| f64::from(count)).sum(),
        other_features: raw.other_features,
        mitochondrial_genes: raw.genes.iter().filter(is_mitochondrial).count() as u64,
        first_cells: first(&raw.barcodes),
        first_genes: first(&raw.genes),
        matrices,
        obs_columns,
        prepared: make(read, spec),
    })
}
