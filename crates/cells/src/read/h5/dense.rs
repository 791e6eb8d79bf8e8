//! Dense matrices in HDF5 files become compressed rows, tile by tile: of the dense form, only one tile is ever held.
//! Which matrix to read must not be decided here.

use std::ops::Range;

use super::super::rows::RowBuilder;
use super::sparse::{as_count, not_a_count};
use super::{Facts, H5, shape_in_words};
use crate::csr::Csr;
use crate::error::{CellsError, H5Problem};

/// Numbers in a tile, unless the file's own chunks are larger.
const TILE: u64 = 1 << 20;

/// Reads the matrix `entry` of `n_cells` × the features whose number among the genes `gene_of` says (`None` for what is
/// none); returns the counts and how many of them are not zero.
pub(in crate::read) fn read(
    file: &H5,
    entry: &str,
    n_cells: usize,
    gene_of: &[Option<u32>],
    n_genes: usize,
) -> Result<(Csr, u64), CellsError> {
    let facts = file.facts(entry)?;
    let n_features = gene_of.len();
    let expected = [n_cells as u64, n_features as u64];
    if facts.shape != expected {
        let problem = H5Problem::WrongShape {
            expected: shape_in_words(&expected),
            found: shape_in_words(&facts.shape),
            why: format!("there are {n_cells} cells and {n_features} genes"),
        };
        return Err(file.error(entry, problem));
    }
    let (rows_at_once, columns_at_once) = tile(&facts, expected);
    let mut builder = RowBuilder::new(n_cells, 0);
    for rows in super::blocks(expected[0], rows_at_once) {
        // Tiles of one band of rows come side by side; a row is complete when its band is.
        let mut band: Vec<Vec<(u32, f32)>> = vec![Vec::new(); (rows.end - rows.start) as usize];
        for columns in super::blocks(expected[1], columns_at_once) {
            read_tile(file, entry, &rows, &columns, &mut band)?;
        }
        for (cell, row) in (rows.start as usize..).zip(&band) {
            for &(feature, value) in row {
                if let Some(gene) = gene_of[feature as usize] {
                    builder.push(cell, gene, value);
                }
            }
        }
    }
    let counts = builder.finish(n_genes).map_err(|twice| {
        let problem =
            H5Problem::IndexTwice { line: "cell", number: twice.cell as u64, index: u64::from(twice.gene) };
        file.error(entry, problem)
    })?;
    let entries = counts.view().nnz() as u64;
    Ok((counts, entries))
}

fn read_tile(
    file: &H5,
    entry: &str,
    rows: &Range<u64>,
    columns: &Range<u64>,
    band: &mut [Vec<(u32, f32)>],
) -> Result<(), CellsError> {
    let values = file.numbers(entry, &[rows.clone(), columns.clone()])?;
    let width = (columns.end - columns.start) as usize;
    for ((cell, row), values) in (rows.start..).zip(band).zip(values.chunks(width)) {
        for (gene, &value) in (columns.start..).zip(values) {
            if value == 0.0 {
                continue;
            }
            let count = as_count(value)
                .ok_or_else(|| file.error(entry, not_a_count(value, format!("row {cell}, column {gene}"))))?;
            row.push((gene as u32, count));
        }
    }
    Ok(())
}

/// Rows and columns of a tile: whole chunks where there are some, so that none is unpacked twice.
fn tile(facts: &Facts, shape: [u64; 2]) -> (u64, u64) {
    let [_, width] = shape;
    let (chunk_rows, chunk_columns) = match facts.chunk.as_deref() {
        Some(&[rows, columns]) if rows > 0 && columns > 0 => (rows, columns),
        _ => (1, width.max(1)),
    };
    let fits = |rows: u64, columns: u64| rows.saturating_mul(columns) <= TILE;
    if fits(chunk_rows, width) {
        let rows = chunk_rows * (TILE / (chunk_rows * width.max(1))).max(1);
        return (rows, width.max(1));
    }
    let columns = chunk_columns * (TILE / chunk_rows.saturating_mul(chunk_columns)).max(1);
    (chunk_rows, columns)
}

#[cfg(test)]
mod tests {
    use super::super::{Element, Facts};
    use super::{TILE, tile};

    fn facts(chunk: Option<[u64; 2]>) -> Facts {
        Facts { shape: vec![], element: Element::Float, chunk: chunk.map(|sides| sides.to_vec()) }
    }

    #[test]
    fn tiles_are_whole_chunks_and_about_as_large_as_they_should_be() {
        assert_eq!(tile(&facts(None), [10, 1000]), (TILE / 1000, 1000));
        assert_eq!(tile(&facts(None), [10, 2 * TILE]), (1, 2 * TILE));
        assert_eq!(tile(&facts(Some([100, 50])), [10_000, 1000]), (1000, 1000));
        assert_eq!(tile(&facts(Some([5000, 100])), [10_000, 30_000]), (5000, 200));
        assert_eq!(tile(&facts(Some([10_000, 30_000])), [10_000, 30_000]), (10_000, 30_000));
    }
}
