//! Entries that come gene by gene become compressed rows. Where the entries come from must not be known here.

use crate::csr::Csr;

/// Collects the entries of one gene after the other. Holds nothing but them, and while it turns them over into rows,
/// the rows.
pub(super) struct ColumnBuilder {
    n_cells: usize,
    /// Where each gene that is complete ends.
    ends: Vec<u64>,
    cells: Vec<u32>,
    values: Vec<f32>,
}

impl ColumnBuilder {
    pub(super) fn new(n_cells: usize) -> Self {
        Self { n_cells, ends: Vec::new(), cells: Vec::new(), values: Vec::new() }
    }

    /// Adds an entry to the gene that is being read; `cell` is below the number of cells, and comes once a gene.
    pub(super) fn push(&mut self, cell: u32, value: f32) {
        if value != 0.0 {
            self.cells.push(cell);
            self.values.push(value);
        }
    }

    /// The gene is complete.
    pub(super) fn end_gene(&mut self) {
        self.ends.push(self.cells.len() as u64);
    }

    /// The matrix, cells × genes.
    pub(super) fn finish(self) -> Csr {
        let mut indptr = vec![0_u64; self.n_cells + 1];
        for &cell in &self.cells {
            indptr[cell as usize + 1] += 1;
        }
        for cell in 0..self.n_cells {
            indptr[cell + 1] += indptr[cell];
        }
        let mut next = indptr.clone();
        let mut genes = vec![0_u32; self.cells.len()];
        let mut values = vec![0.0_f32; self.cells.len()];
        let mut start = 0;
        for (gene, &end) in (0_u32..).zip(&self.ends) {
            for entry in start..end as usize {
                let place = &mut next[self.cells[entry] as usize];
                (genes[*place as usize], values[*place as usize]) = (gene, self.values[entry]);
                *place += 1;
            }
            start = end as usize;
        }
        Csr::from_arrays(self.ends.len(), indptr, genes, values)
    }
}

#[cfg(test)]
mod tests {
    use super::ColumnBuilder;

    /// Cells × genes: [[1 0 2] [0 0 0] [3 0 4]]
    #[test]
    fn genes_are_turned_over_into_cells() {
        let mut builder = ColumnBuilder::new(3);
        for gene in [&[(0, 1.0), (2, 3.0)][..], &[(1, 0.0)], &[(0, 2.0), (2, 4.0)]] {
            gene.iter().for_each(|&(cell, value)| builder.push(cell, value));
            builder.end_gene();
        }
        let matrix = builder.finish();
        assert_eq!(matrix.view().n_cols, 3);
        assert_eq!(matrix.view().indptr, [0, 2, 2, 4]);
        assert_eq!(matrix.view().indices, [0, 2, 0, 2]);
        assert_eq!(matrix.view().values, [1.0, 2.0, 3.0, 4.0]);
    }
}
