//! The sparse matrix of the whole crate: compressed rows, one row a cell, one column a gene. Reading files and
//! preprocessing rules must not live here.

/// A borrowed sparse matrix, cells × genes.
///
/// `indptr` has `n_rows + 1` entries, starts at 0, never falls and ends at the number of stored entries; row `r`
/// owns the entries `indptr[r]..indptr[r + 1]` of `indices` and `values`. Column indices are below `n_cols` and
/// strictly ascending within a row; values are finite.
#[derive(Debug, Clone, Copy)]
pub struct CsrView<'a> {
    /// Number of cells.
    pub n_rows: usize,
    /// Number of genes.
    pub n_cols: usize,
    /// Where each row starts, and where the last one ends.
    pub indptr: &'a [u64],
    /// Column of each entry.
    pub indices: &'a [u32],
    /// Value of each entry.
    pub values: &'a [f32],
}

impl<'a> CsrView<'a> {
    /// Number of stored entries.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// Columns and values of row `row`.
    ///
    /// # Panics
    /// When `row` is not below `n_rows`, as indexing a slice does.
    #[must_use]
    pub fn row(&self, row: usize) -> (&'a [u32], &'a [f32]) {
        let entries = self.indptr[row] as usize..self.indptr[row + 1] as usize;
        (&self.indices[entries.clone()], &self.values[entries])
    }

    /// Sum of row `row`: with `input = "counts"`, the cell's library size.
    ///
    /// # Panics
    /// As [`CsrView::row`].
    #[must_use]
    pub fn row_sum(&self, row: usize) -> f64 {
        self.row(row).1.iter().map(|&value| f64::from(value)).sum()
    }

    /// All rows in order.
    pub fn rows(self) -> impl Iterator<Item = (&'a [u32], &'a [f32])> {
        (0..self.n_rows).map(move |row| self.row(row))
    }
}

/// An owned sparse matrix with the layout that [`CsrView`] describes. Only this crate makes one, so its invariants
/// hold by construction.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr {
    n_cols: usize,
    indptr: Vec<u64>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Csr {
    /// Takes over arrays that already keep the invariants of [`CsrView`].
    pub(crate) fn from_arrays(n_cols: usize, indptr: Vec<u64>, indices: Vec<u32>, values: Vec<f32>) -> Self {
        debug_assert_eq!(indptr.last().copied(), Some(values.len() as u64));
        debug_assert_eq!(indices.len(), values.len());
        Self { n_cols, indptr, indices, values }
    }

    /// The matrix as everyone else sees it.
    #[must_use]
    pub fn view(&self) -> CsrView<'_> {
        CsrView {
            n_rows: self.indptr.len() - 1,
            n_cols: self.n_cols,
            indptr: &self.indptr,
            indices: &self.indices,
            values: &self.values,
        }
    }

    /// The matrix, leaving one without rows and columns in its place.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::from_arrays(0, vec![0], Vec::new(), Vec::new()))
    }

    /// The same entries with other values, row by row: `change(columns, values of that row)`.
    pub(crate) fn map_rows(mut self, mut change: impl FnMut(&[u32], &mut [f32])) -> Self {
        for bounds in self.indptr.windows(2) {
            let entries = bounds[0] as usize..bounds[1] as usize;
            change(&self.indices[entries.clone()], &mut self.values[entries]);
        }
        self
    }

    /// The same matrix without entries of value 0. Works in place.
    pub(crate) fn without_zeros(mut self) -> Self {
        if self.values.iter().all(|&value| value != 0.0) {
            return self;
        }
        let mut write = 0;
        let mut row_start = 0;
        for row in 0..self.indptr.len() - 1 {
            let row_end = self.indptr[row + 1] as usize;
            for read in row_start..row_end {
                if self.values[read] != 0.0 {
                    (self.indices[write], self.values[write]) = (self.indices[read], self.values[read]);
                    write += 1;
                }
            }
            self.indptr[row + 1] = write as u64;
            row_start = row_end;
        }
        self.indices.truncate(write);
        self.values.truncate(write);
        self
    }

    /// Only the columns `kept` (ascending), renumbered from 0. Works in place: no second copy of the matrix.
    #[must_use]
    pub fn select_columns(mut self, kept: &[u32]) -> Self {
        const DROPPED: u32 = u32::MAX;
        let mut new_column = vec![DROPPED; self.n_cols];
        for (position, &column) in (0u32..).zip(kept) {
            new_column[column as usize] = position;
        }
        let mut write = 0;
        let mut row_start = 0;
        for row in 0..self.indptr.len() - 1 {
            let row_end = self.indptr[row + 1] as usize;
            for read in row_start..row_end {
                let column = new_column[self.indices[read] as usize];
                if column != DROPPED {
                    self.indices[write] = column;
                    self.values[write] = self.values[read];
                    write += 1;
                }
            }
            self.indptr[row + 1] = write as u64;
            row_start = row_end;
        }
        self.indices.truncate(write);
        self.values.truncate(write);
        self.n_cols = kept.len();
        self
    }

    /// Only the rows `kept` (ascending). Works in place: no second copy of the matrix.
    #[must_use]
    pub fn select_rows(mut self, kept: &[u32]) -> Self {
        let mut write = 0;
        for (position, &row) in kept.iter().enumerate() {
            let entries = self.indptr[row as usize] as usize..self.indptr[row as usize + 1] as usize;
            let length = entries.len();
            self.indices.copy_within(entries.clone(), write);
            self.values.copy_within(entries, write);
            self.indptr[position] = write as u64;
            write += length;
        }
        self.indptr[kept.len()] = write as u64;
        self.indptr.truncate(kept.len() + 1);
        self.indices.truncate(write);
        self.values.truncate(write);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Csr;

    /// 3 × 4: [[1 0 2 0] [0 0 0 0] [0 3 4 5]]
    fn example() -> Csr {
        Csr::from_arrays(4, vec![0, 2, 2, 5], vec![0, 2, 1, 2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0])
    }

    #[test]
    fn columns_are_dropped_and_renumbered() {
        let expected = Csr::from_arrays(2, vec![0, 1, 1, 3], vec![1, 0, 1], vec![2.0, 3.0, 4.0]);
        assert_eq!(example().select_columns(&[1, 2]), expected);
    }

    #[test]
    fn rows_are_dropped_even_the_first() {
        let expected = Csr::from_arrays(4, vec![0, 0, 3], vec![1, 2, 3], vec![3.0, 4.0, 5.0]);
        assert_eq!(example().select_rows(&[1, 2]), expected);
        assert_eq!(example().select_rows(&[0, 1, 2]), example());
        assert_eq!(example().select_rows(&[]).view().nnz(), 0);
    }

    #[test]
    fn rows_are_handed_out_in_order() {
        let matrix = example();
        let lengths: Vec<usize> = matrix.view().rows().map(|(columns, _)| columns.len()).collect();
        assert_eq!(lengths, [2, 0, 3]);
        assert_eq!(matrix.view().row(2), (&[1, 2, 3][..], &[3.0, 4.0, 5.0][..]));
    }
}
