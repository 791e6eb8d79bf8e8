//! Entries in any order become compressed rows. Where the entries come from must not be known here.

use crate::csr::Csr;

/// The place of an entry that came twice.
#[derive(Debug, PartialEq)]
pub(super) struct Twice {
    pub(super) cell: usize,
    pub(super) gene: u32,
}

/// Collects entries into compressed rows. As long as the cells come in order, as 10x writes them, nothing but the
/// result itself is held; the first cell out of order makes the builder remember the cell of every entry.
pub(super) struct RowBuilder {
    n_cells: usize,
    indptr: Vec<u64>,
    cells: Option<Vec<u32>>,
    genes: Vec<u32>,
    values: Vec<f32>,
}

impl RowBuilder {
    /// A builder for that many cells, with room for `expected` entries.
    pub(super) fn new(n_cells: usize, expected: usize) -> Self {
        let mut indptr = Vec::with_capacity(n_cells + 1);
        indptr.push(0); // from here on: one start for each cell that has begun
        Self {
            n_cells,
            indptr,
            cells: None,
            genes: Vec::with_capacity(expected),
            values: Vec::with_capacity(expected),
        }
    }

    /// Adds one entry; `cell` is below `n_cells`.
    pub(super) fn push(&mut self, cell: usize, gene: u32, value: f32) {
        if self.cells.is_none() {
            if cell + 1 >= self.indptr.len() {
                self.indptr.resize(cell + 1, self.genes.len() as u64);
            } else {
                self.cells = Some(self.cells_so_far());
            }
        }
        if let Some(cells) = &mut self.cells {
            cells.push(cell as u32);
        }
        self.genes.push(gene);
        self.values.push(value);
    }

    /// Cell of every entry, from the starts of the cells that have begun.
    fn cells_so_far(&self) -> Vec<u32> {
        let ends = self.indptr[1..].iter().copied().chain([self.genes.len() as u64]);
        let mut cells = Vec::with_capacity(self.genes.capacity());
        for (cell, end) in (0u32..).zip(ends) {
            cells.resize(end as usize, cell);
        }
        cells
    }

    /// The matrix of all entries, without stored zeros; refuses two entries at one place.
    pub(super) fn finish(mut self, n_genes: usize) -> Result<Csr, Twice> {
        match self.cells.take() {
            None => self.indptr.resize(self.n_cells + 1, self.genes.len() as u64),
            Some(cells) => self.scatter(&cells),
        }
        self.sort_rows();
        self.refuse_duplicates()?;
        Ok(Csr::from_arrays(n_genes, self.indptr, self.genes, self.values).without_zeros())
    }

    /// Counting sort by cell.
    fn scatter(&mut self, cells: &[u32]) {
        let mut indptr = vec![0u64; self.n_cells + 1];
        for &cell in cells {
            indptr[cell as usize + 1] += 1;
        }
        for cell in 0..self.n_cells {
            indptr[cell + 1] += indptr[cell];
        }
        let mut next = indptr.clone();
        let mut genes = vec![0; self.genes.len()];
        let mut values = vec![0.0; self.values.len()];
        for ((&cell, &gene), &value) in cells.iter().zip(&self.genes).zip(&self.values) {
            let place = &mut next[cell as usize];
            genes[*place as usize] = gene;
            values[*place as usize] = value;
            *place += 1;
        }
        (self.indptr, self.genes, self.values) = (indptr, genes, values);
    }

    fn sort_rows(&mut self) {
        let mut row = Vec::new();
        for bounds in self.indptr.windows(2) {
            let entries = bounds[0] as usize..bounds[1] as usize;
            if self.genes[entries.clone()].is_sorted() {
                continue;
            }
            row.clear();
            row.extend(entries.clone().map(|entry| (self.genes[entry], self.values[entry])));
            row.sort_unstable_by_key(|&(gene, _)| gene);
            for (entry, &(gene, value)) in entries.zip(&row) {
                (self.genes[entry], self.values[entry]) = (gene, value);
            }
        }
    }

    fn refuse_duplicates(&self) -> Result<(), Twice> {
        for (cell, bounds) in self.indptr.windows(2).enumerate() {
            let genes = &self.genes[bounds[0] as usize..bounds[1] as usize];
            if let Some(pair) = genes.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(Twice { cell, gene: pair[0] });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{RowBuilder, Twice};

    fn build(n_cells: usize, entries: &[(usize, u32, f32)]) -> Result<crate::Csr, Twice> {
        let mut builder = RowBuilder::new(n_cells, 0);
        entries.iter().for_each(|&(cell, gene, value)| builder.push(cell, gene, value));
        builder.finish(4)
    }

    #[test]
    fn the_order_of_entries_does_not_matter() {
        let in_order = build(4, &[(1, 0, 1.0), (1, 3, 2.0), (2, 1, 3.0), (2, 2, 4.0)]).unwrap();
        let shuffled = build(4, &[(2, 2, 4.0), (1, 3, 2.0), (2, 1, 3.0), (1, 0, 1.0)]).unwrap();
        let descending = build(4, &[(1, 3, 2.0), (1, 0, 1.0), (2, 2, 4.0), (2, 1, 3.0)]).unwrap();
        let late_disorder = build(4, &[(1, 0, 1.0), (2, 1, 3.0), (2, 2, 4.0), (1, 3, 2.0)]).unwrap();
        assert_eq!(in_order.view().indptr, [0, 0, 2, 4, 4]);
        assert_eq!(in_order, shuffled);
        assert_eq!(in_order, descending);
        assert_eq!(in_order, late_disorder);
    }

    #[test]
    fn zeros_are_dropped_but_still_count_as_duplicates() {
        let matrix = build(2, &[(0, 1, 0.0), (0, 2, 5.0), (1, 0, 0.0)]).unwrap();
        assert_eq!((matrix.view().indptr, matrix.view().values), (&[0, 1, 1][..], &[5.0][..]));
        assert_eq!(build(2, &[(1, 2, 5.0), (1, 2, 0.0)]), Err(Twice { cell: 1, gene: 2 }));
    }
}
