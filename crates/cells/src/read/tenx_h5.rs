//! 10x's `.h5` files: version 3 (`matrix` with `features`) and version 2 (a group a genome). The matrix is genes ×
//! cells compressed by columns, which is cells × genes compressed by rows.
//! Layout: <https://www.10xgenomics.com/support/software/cell-ranger/latest/analysis/outputs/cr-outputs-h5-matrices>.
//! Filters must not live here.

use std::collections::BTreeSet;

use super::RawCounts;
use super::h5::sparse::{Major, Sparse};
use super::h5::{H5, Kind, quoted, shape_in_words};
use super::tenx::{GENE_EXPRESSION, number_genes};
use crate::error::{CellsError, H5Problem};
use crate::provenance::CountsReader;
use crate::step::make_unique::make_unique;

/// The group of version 3.
const MATRIX: &str = "matrix";

/// Whether the file looks like 10x's.
pub(super) fn is_one(file: &H5) -> bool {
    file.kind(&format!("{MATRIX}/barcodes")) == Kind::Dataset || !genomes(file).is_empty()
}

/// The groups of version 2.
fn genomes(file: &H5) -> Vec<String> {
    let is_genome = |name: &String| file.kind(&format!("{name}/gene_names")) == Kind::Dataset;
    file.children("").into_iter().filter(is_genome).collect()
}

/// Reads the counts; of version 3 only the features of type `Gene Expression` are kept.
pub(super) fn read(file: &H5) -> Result<RawCounts, CellsError> {
    let (reader, group) = if file.kind(MATRIX) == Kind::Group {
        (CountsReader::TenxH5V3, MATRIX.to_owned())
    } else {
        let mut genomes = genomes(file);
        match (genomes.pop(), genomes.is_empty()) {
            (Some(genome), true) => (CountsReader::TenxH5V2, genome),
            (Some(last), false) => {
                genomes.push(last);
                return Err(file.error("/", H5Problem::SeveralGenomes { found: quoted(&genomes) }));
            }
            (None, _) => return Err(file.missing(MATRIX)),
        }
    };
    let names_entry = match reader {
        CountsReader::TenxH5V2 => format!("{group}/gene_names"),
        _ => format!("{group}/features/name"),
    };
    let barcodes_entry = format!("{group}/barcodes");
    let barcodes = file.texts(&barcodes_entry, None)?;
    file.check_cell_names(&barcodes_entry, &barcodes)?;
    let names = file.texts(&names_entry, None)?;
    file.check_names(&names_entry, "gene name", &names)?;
    let is_gene = which_are_genes(file, &group, reader, names.len())?;
    check_shape(file, &group, names.len(), barcodes.len())?;

    let gene_of = number_genes(&is_gene);
    let n_genes = gene_of.iter().flatten().count();
    let n_cells = barcodes.len();
    let sparse = Sparse { file, group, major: Major::Cells, n_cells, gene_of: &gene_of, n_genes };
    let (counts, entries_read) = sparse.read()?;
    let unique = make_unique(&names); // over all features, as Seurat's Read10X_h5 does
    let genes = unique.into_iter().zip(&is_gene).filter(|(_, is_gene)| **is_gene);
    Ok(RawCounts {
        reader,
        barcodes,
        genes: genes.map(|(name, _)| name).collect(),
        counts,
        other_features: (gene_of.len() - n_genes) as u64,
        entries_read,
        layer: None,
        orientation: None,
    })
}

fn which_are_genes(
    file: &H5,
    group: &str,
    reader: CountsReader,
    n_features: usize,
) -> Result<Vec<bool>, CellsError> {
    let entry = format!("{group}/features/feature_type");
    if reader == CountsReader::TenxH5V2 || file.kind(&entry) == Kind::Missing {
        return Ok(vec![true; n_features]);
    }
    let types = file.texts(&entry, None)?;
    if types.len() != n_features {
        let problem = H5Problem::WrongShape {
            expected: shape_in_words(&[n_features as u64]),
            found: shape_in_words(&[types.len() as u64]),
            why: format!("there are {n_features} features"),
        };
        return Err(file.error(&entry, problem));
    }
    let is_gene: Vec<bool> = types.iter().map(|kind| kind == GENE_EXPRESSION).collect();
    if !is_gene.contains(&true) {
        let found: BTreeSet<String> = types.into_iter().collect();
        let found = quoted(&found.into_iter().collect::<Vec<_>>());
        return Err(file.error(&entry, H5Problem::NoGenes { found }));
    }
    Ok(is_gene)
}

/// The shape that the file says, against its names.
fn check_shape(file: &H5, group: &str, n_features: usize, n_cells: usize) -> Result<(), CellsError> {
    let entry = format!("{group}/shape");
    let length = file.length(&entry)?;
    let both = 0..2;
    let said = if length == 2 { file.integers(&entry, std::slice::from_ref(&both))? } else { Vec::new() };
    let expected = [n_features as u64, n_cells as u64];
    if said.iter().map(|&side| u64::try_from(side).ok()).eq(expected.map(Some)) {
        return Ok(());
    }
    let said: Vec<String> = said.iter().map(i64::to_string).collect();
    let problem = H5Problem::WrongShape {
        expected: shape_in_words(&expected),
        found: format!("({})", said.join(", ")),
        why: format!("there are {n_features} features and {n_cells} barcodes"),
    };
    Err(file.error(&entry, problem))
}
