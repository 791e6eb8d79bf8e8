//! Per-cell measures of quality. Judging them must not live here (see [`super::keep_cells`]).

use crate::csr::CsrView;

/// What quality control looks at; Seurat's `nCount_RNA`, `nFeature_RNA` and `percent.mt`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellQuality {
    /// Sum of the cell's counts.
    pub counts: f64,
    /// Genes with a count above zero.
    pub genes: u32,
    /// Share of the counts that mitochondrial genes have, in percent; 0 for a cell without counts.
    pub mito_percent: f64,
}

/// Measures every cell of `counts`. A gene is mitochondrial when its name starts with `mito_prefix`;
/// `genes` has one name a column.
#[must_use]
pub fn measure_cells(counts: CsrView<'_>, genes: &[String], mito_prefix: &str) -> Vec<CellQuality> {
    let is_mito: Vec<bool> = genes.iter().map(|name| name.starts_with(mito_prefix)).collect();
    counts.rows().map(|(columns, values)| measure_cell(columns, values, &is_mito)).collect()
}

fn measure_cell(columns: &[u32], values: &[f32], is_mito: &[bool]) -> CellQuality {
    let mut counts = 0.0;
    let mut mito_counts = 0.0;
    let mut genes = 0;
    for (&column, &value) in columns.iter().zip(values) {
        counts += f64::from(value);
        genes += u32::from(value > 0.0);
        if is_mito[column as usize] {
            mito_counts += f64::from(value);
        }
    }
    let mito_percent = if counts > 0.0 { 100.0 * mito_counts / counts } else { 0.0 };
    CellQuality { counts, genes, mito_percent }
}

#[cfg(test)]
mod tests {
    use super::{CellQuality, measure_cells};
    use crate::Csr;

    #[test]
    fn an_empty_cell_has_no_mitochondrial_share() {
        let counts = Csr::from_arrays(2, vec![0, 0, 2], vec![0, 1], vec![3.0, 1.0]);
        let names = ["ACTB".to_owned(), "MT-CO1".to_owned()];
        let expected = [
            CellQuality { counts: 0.0, genes: 0, mito_percent: 0.0 },
            CellQuality { counts: 4.0, genes: 2, mito_percent: 25.0 },
        ];
        assert_eq!(measure_cells(counts.view(), &names, "MT-"), expected);
    }
}
