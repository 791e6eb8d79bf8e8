//! The cells × genes matrix as the kernels see it: a checked CSR view, and what can be computed from it once per data
//! set. Reading files and preprocessing do not belong here.

use crate::KernelError;
use crate::error::check_length;

/// A sparse matrix in compressed-row form, checked once by [`CsrView::new`]: cells are rows, genes are columns.
#[derive(Debug, Clone, Copy)]
pub struct CsrView<'a> {
    n_rows: usize,
    n_cols: usize,
    indptr: &'a [u64],
    indices: &'a [u32],
    values: &'a [f32],
}

impl<'a> CsrView<'a> {
    /// Wraps the three arrays of a CSR matrix with `n_rows` rows and `n_cols` columns.
    ///
    /// # Errors
    /// The row pointers must start at 0, never decrease and end at `values.len()`; column indices must increase
    /// strictly within a row and stay below `n_cols`; values must be finite. `n_rows` and `n_cols` are below 2³¹.
    pub fn new(
        n_rows: usize,
        n_cols: usize,
        indptr: &'a [u64],
        indices: &'a [u32],
        values: &'a [f32],
    ) -> Result<Self, KernelError> {
        const MAX: usize = i32::MAX as usize;
        for (what, found) in [("the number of rows", n_rows), ("the number of columns", n_cols)] {
            if found > MAX {
                return Err(KernelError::Size { what, found, min: 0, max: MAX });
            }
        }
        check_length("indptr", indptr.len(), n_rows + 1)?;
        check_length("indices", indices.len(), values.len())?;
        if indptr[0] != 0 {
            return Err(KernelError::RowPointer { row: 0, found: indptr[0] });
        }
        if indptr[n_rows] != values.len() as u64 {
            return Err(KernelError::RowPointer { row: n_rows, found: indptr[n_rows] });
        }
        if let Some(row) = indptr.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(KernelError::RowPointer { row: row + 1, found: indptr[row + 1] });
        }
        let view = Self { n_rows, n_cols, indptr, indices, values };
        (0..n_rows).try_for_each(|row| view.check_row(row))?;
        Ok(view)
    }

    fn check_row(&self, row: usize) -> Result<(), KernelError> {
        let (columns, values) = self.row(row);
        let mut least = 0_u64;
        for &column in columns {
            if u64::from(column) < least || column as usize >= self.n_cols {
                return Err(KernelError::Column { row, column, n_cols: self.n_cols });
            }
            least = u64::from(column) + 1;
        }
        if values.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err(KernelError::NotFinite { row })
        }
    }

    /// Number of cells.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of genes.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Number of stored values.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// Column indices and values of one row. Panics when `row >= n_rows`.
    pub fn row(&self, row: usize) -> (&'a [u32], &'a [f32]) {
        // In range and in `usize`: the constructor saw every pointer stay below `values.len()`.
        let span = self.indptr[row] as usize..self.indptr[row + 1] as usize;
        (&self.indices[span.clone()], &self.values[span])
    }
}

/// What the kernels know of a matrix before the first batch. Immutable, `Send + Sync`: compute it once per data set and
/// share it between the trials of a process. It borrows the values and copies none.
#[derive(Debug)]
pub struct PreparedMatrix<'a> {
    view: CsrView<'a>,
    /// Genes by falling number of cells that express them (ties by index): internal position -> gene.
    gene_at: Vec<u32>,
    /// The inverse: gene -> internal position.
    position_of: Vec<u32>,
    /// Σ_g x_cg² of each cell.
    row_squares: Vec<f64>,
    /// So many of the first positions are worth multiplying densely, zeros included.
    dense: usize,
}

/// Share of cells from which on a gene is multiplied densely: a non-zero from a list costs about that many times more.
const DENSE_SHARE: f64 = 0.35;

impl<'a> PreparedMatrix<'a> {
    /// Counts the matrix once: time and memory grow with rows + columns, the values are only read.
    pub fn new(view: CsrView<'a>) -> Self {
        let mut cells_with = vec![0_u32; view.n_cols];
        for &gene in view.indices {
            cells_with[gene as usize] += 1;
        }
        let mut gene_at: Vec<u32> = (0..view.n_cols as u32).collect();
        gene_at.sort_by_key(|&gene| (std::cmp::Reverse(cells_with[gene as usize]), gene));
        let mut position_of = vec![0_u32; view.n_cols];
        for (position, &gene) in gene_at.iter().enumerate() {
            position_of[gene as usize] = position as u32;
        }
        let many = (DENSE_SHARE * view.n_rows as f64).max(1.0);
        let dense = gene_at.partition_point(|&gene| f64::from(cells_with[gene as usize]) >= many);
        let square = |&value: &f32| f64::from(value) * f64::from(value);
        let row_squares = (0..view.n_rows).map(|row| view.row(row).1.iter().map(square).sum()).collect();
        Self { view, gene_at, position_of, row_squares, dense }
    }

    /// The matrix itself.
    pub fn view(&self) -> CsrView<'a> {
        self.view
    }

    pub(crate) fn gene_at(&self) -> &[u32] {
        &self.gene_at
    }

    pub(crate) fn position_of(&self) -> &[u32] {
        &self.position_of
    }

    pub(crate) fn row_squares(&self) -> &[f64] {
        &self.row_squares
    }

    pub(crate) fn dense(&self) -> usize {
        self.dense
    }
}
