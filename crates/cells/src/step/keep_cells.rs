//! The cell filter: which cells pass quality control. Measuring them must not live here.

use domain::data::QualityControl;

use super::measure_cells::CellQuality;
use crate::provenance::CellsDropped;

/// Cells that pass (ascending), and how many each rule dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCells {
    /// Positions of the cells that pass.
    pub cells: Vec<u32>,
    /// The others, by the first rule they break.
    pub dropped: CellsDropped,
}

/// Keeps the cells with `min_genes` < genes < `max_genes` and mitochondrial percentage < `max_mito_percent` (all
/// strict; 100 % or more switches the last rule off). Seurat's first filter, genes >= `min_genes`, is implied.
#[must_use]
pub fn keep_cells(quality: &[CellQuality], qc: &QualityControl) -> KeptCells {
    let checks_mito = qc.max_mito_percent < 100.0;
    let mut kept = KeptCells { cells: Vec::new(), dropped: CellsDropped::default() };
    for (cell, measured) in (0..).zip(quality) {
        if measured.genes <= qc.min_genes {
            kept.dropped.few_genes += 1;
        } else if measured.genes >= qc.max_genes {
            kept.dropped.many_genes += 1;
        } else if checks_mito && measured.mito_percent >= qc.max_mito_percent {
            kept.dropped.mitochondrial += 1;
        } else {
            kept.cells.push(cell);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use domain::data::QualityControl;

    use super::{KeptCells, keep_cells};
    use crate::provenance::CellsDropped;
    use crate::step::measure_cells::CellQuality;

    #[test]
    fn every_threshold_is_strict() {
        let cell = |genes, mito_percent| CellQuality { counts: 1000.0, genes, mito_percent };
        let quality = [cell(200, 0.0), cell(201, 4.99), cell(2499, 0.0), cell(2500, 0.0), cell(300, 5.0)];
        let expected = KeptCells {
            cells: vec![1, 2],
            dropped: CellsDropped { few_genes: 1, many_genes: 1, mitochondrial: 1, unlabelled: 0 },
        };
        assert_eq!(keep_cells(&quality, &QualityControl::default()), expected);
    }

    #[test]
    fn a_hundred_percent_keeps_even_cells_of_nothing_else() {
        let quality = [CellQuality { counts: 1.0, genes: 300, mito_percent: 100.0 }];
        let qc = QualityControl { max_mito_percent: 100.0, ..QualityControl::default() };
        assert_eq!(keep_cells(&quality, &qc).cells, [0]);
    }
}
