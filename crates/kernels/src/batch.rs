//! The cells of one step, by cell and by gene, with genes in the internal order of `PreparedMatrix`. No weights here.

use crate::matrix::PreparedMatrix;

/// A compressed list of lists: entry `i` of `index`/`value` belongs to line `l` when `start[l] <= i < start[l + 1]`.
///
/// Invariant, upheld by this module and relied on by the kernels: `start` never decreases and ends at the length of
/// `index` and of `value`; every index is below `bound`.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    start: Vec<u32>,
    index: Vec<u32>,
    value: Vec<f32>,
    bound: usize,
}

impl Lists {
    /// Number of lines.
    pub(crate) fn lines(&self) -> usize {
        self.start.len() - 1
    }

    /// Every index is below this.
    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// Indices and values of one line.
    #[inline]
    pub(crate) fn line(&self, line: usize) -> (&[u32], &[f32]) {
        let span = self.start[line] as usize..self.start[line + 1] as usize;
        (&self.index[span.clone()], &self.value[span])
    }
}

/// One batch. Buffers are reused from batch to batch.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Number of cells.
    pub(crate) cells: usize,
    /// Line = cell, index = gene position.
    pub(crate) by_cell: Lists,
    /// Line = gene position, index = cell.
    pub(crate) by_gene: Lists,
    /// Σ_c x_cg by gene position.
    pub(crate) gene_sums: Vec<f64>,
    /// ‖X‖².
    pub(crate) squares: f64,
    /// Write heads of the transpose.
    heads: Vec<u32>,
}

impl Batch {
    /// An empty batch over `genes` genes.
    pub(crate) fn new(genes: usize) -> Self {
        let lists = |lines: usize| Lists { start: vec![0; lines + 1], ..Lists::default() };
        Self {
            cells: 0,
            by_cell: lists(0),
            by_gene: lists(genes),
            gene_sums: vec![0.0; genes],
            squares: 0.0,
            heads: vec![0; genes],
        }
    }

    /// Gathers `rows` of the matrix. Panics when a row does not exist.
    pub(crate) fn load(&mut self, matrix: &PreparedMatrix<'_>, rows: &[u32]) {
        self.cells = rows.len();
        self.squares = rows.iter().map(|&row| matrix.row_squares()[row as usize]).sum();
        self.gather(matrix, rows);
        self.transpose();
    }

    fn gather(&mut self, matrix: &PreparedMatrix<'_>, rows: &[u32]) {
        let lists = &mut self.by_cell;
        lists.start.clear();
        lists.index.clear();
        lists.value.clear();
        lists.start.push(0);
        lists.bound = matrix.view().n_cols();
        for &row in rows {
            let (genes, values) = matrix.view().row(row as usize);
            lists.index.extend(genes.iter().map(|&gene| matrix.position_of()[gene as usize]));
            lists.value.extend_from_slice(values);
            lists.start.push(lists.index.len() as u32);
        }
    }

    /// Counting sort by gene; cells stay ascending within a gene.
    fn transpose(&mut self) {
        let (from, to) = (&self.by_cell, &mut self.by_gene);
        self.heads.fill(0);
        for &gene in &from.index {
            self.heads[gene as usize] += 1;
        }
        let mut next = 0;
        for (head, start) in self.heads.iter_mut().zip(&mut to.start) {
            *start = next;
            next += std::mem::replace(head, next);
        }
        if let Some(end) = to.start.last_mut() {
            *end = next;
        }
        to.index.resize(from.index.len(), 0);
        to.value.resize(from.value.len(), 0.0);
        to.bound = self.cells;
        self.gene_sums.fill(0.0);
        for cell in 0..self.cells {
            for entry in from.start[cell] as usize..from.start[cell + 1] as usize {
                let gene = from.index[entry] as usize;
                let slot = self.heads[gene] as usize;
                self.heads[gene] += 1;
                to.index[slot] = cell as u32;
                to.value[slot] = from.value[entry];
                self.gene_sums[gene] += f64::from(from.value[entry]);
            }
        }
    }
}
