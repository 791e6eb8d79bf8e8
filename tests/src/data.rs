//! Small data sets with known structure, written as 10x directories.

use std::fmt::Write as _;
use std::path::Path;

/// Cells of a few types, each type with genes of its own; small enough to train in a moment.
#[derive(Debug, Clone, Copy)]
pub struct SyntheticCells {
    /// Number of cells.
    pub cells: usize,
    /// Number of genes.
    pub genes: usize,
    /// Number of cell types.
    pub types: usize,
    /// Chooses the counts.
    pub seed: u64,
}

impl Default for SyntheticCells {
    fn default() -> Self {
        Self { cells: 240, genes: 320, types: 4, seed: 1 }
    }
}

/// A step of the SplitMix64 sequence: enough chance for test data.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

impl SyntheticCells {
    /// Writes `matrix.mtx`, `genes.tsv`, `barcodes.tsv` and `labels.csv` into `folder`, which is made.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("the test's folder can be written");
        let mut state = self.seed;
        let mut entries = Vec::new();
        for cell in 0..self.cells {
            let own_type = cell % self.types;
            for gene in 0..self.genes {
                let is_marker = gene % self.types == own_type && gene % 3 == 0;
                let chance = if is_marker { 70 } else { 25 };
                let draw = next(&mut state);
                if draw % 100 < chance {
                    let count = 1 + (draw >> 8) % if is_marker { 12 } else { 3 };
                    entries.push((gene + 1, cell + 1, count));
                }
            }
        }
        let mut matrix = String::from("%%MatrixMarket matrix coordinate integer general\n%\n");
        let _ = writeln!(matrix, "{} {} {}", self.genes, self.cells, entries.len());
        for (gene, cell, count) in entries {
            let _ = writeln!(matrix, "{gene} {cell} {count}");
        }
        let genes: String = (0..self.genes).map(|gene| format!("ENSG{gene:06}\tG{gene}\n")).collect();
        let barcodes: String = (0..self.cells).map(|cell| format!("CELL{cell:05}-1\n")).collect();
        let labels: String = (0..self.cells)
            .map(|cell| format!("CELL{cell:05}-1,{0},type {0}\n", cell % self.types))
            .collect();
        let files = [
            ("matrix.mtx", matrix),
            ("genes.tsv", genes),
            ("barcodes.tsv", barcodes),
            ("labels.csv", format!("barcode,cluster,cell_type\n{labels}")),
        ];
        for (name, text) in files {
            std::fs::write(folder.join(name), text).expect("the test's folder can be written");
        }
    }
}

/// The `[data]` table for a data set of [`SyntheticCells::write`] at `path`: filters that keep every cell.
#[must_use]
pub fn data_table(path: &str) -> String {
    format!(
        "[data]\npath = \"{path}\"\nlabels = \"{path}/labels.csv\"\n\
         qc = {{ min_cells = 1, min_genes = 1, max_genes = 100000, max_mito_percent = 100.0 }}\n"
    )
}
