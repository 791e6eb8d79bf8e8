//! The cells of one step, by cell and by gene, with genes in the internal order of `PreparedMatrix`. No weights here.

use std::ops::Range;

use crate::buffer::Aligned;
use crate::matrix::PreparedMatrix;

/// One non-zero: the dense row it multiplies, and its value.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry {
    pub(crate) index: u32,
    pub(crate) value: f32,
}

/// A compressed list of lists: entry `i` belongs to line `l` when `start[l] <= i < start[l + 1]`.
///
/// Invariant, upheld by this module and relied on by the kernels: `start` never decreases and ends at the number of
/// entries; every index is below `bound`.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    start: Vec<u32>,
    entries: Vec<Entry>,
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

    /// The entries of one line.
    #[inline]
    pub(crate) fn line(&self, line: usize) -> &[Entry] {
        &self.entries[self.start[line] as usize..self.start[line + 1] as usize]
    }
}

/// One batch. Buffers are reused from batch to batch.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Number of cells.
    pub(crate) cells: usize,
    /// So many of the first gene positions are in `table`, the others in the lists.
    pub(crate) dense: usize,
    /// Those genes' values, zeros included: cells × dense.
    pub(crate) table: Aligned,
    /// log2 of the genes of a bucket.
    bucket_bits: u32,
    /// One entry for each bucket of genes: line = cell, index = gene position. A bucket's weights fit in the second
    /// level of cache, so a product that goes bucket by bucket reads each weight from memory once.
    by_cell: Vec<Lists>,
    /// Line = gene position, index = cell.
    pub(crate) by_gene: Lists,
    /// Σ_c x_cg by gene position.
    pub(crate) gene_sums: Vec<f64>,
    /// ‖X‖².
    pub(crate) squares: f64,
    /// Per gene: its number of entries, then where its next entry goes.
    heads: Vec<u32>,
}

impl Batch {
    /// An empty batch of up to `max_batch` cells over `genes` genes, the first `dense` of them in a table, the others in
    /// buckets of `2^bucket_bits` genes.
    pub(crate) fn new(max_batch: usize, genes: usize, dense: usize, bucket_bits: u32) -> Self {
        let lists = |lines: usize| Lists { start: vec![0; lines + 1], ..Lists::default() };
        Self {
            cells: 0,
            dense,
            table: Aligned::zeros(max_batch * dense),
            bucket_bits,
            by_cell: (0..genes.div_ceil(1 << bucket_bits)).map(|_| lists(0)).collect(),
            by_gene: lists(genes),
            gene_sums: vec![0.0; genes],
            squares: 0.0,
            heads: vec![0; genes],
        }
    }

    /// The batch by cell, one bucket of genes after the other, each with its range of gene positions.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (Range<usize>, &Lists)> {
        let genes = self.heads.len();
        let range = move |bucket: usize| {
            let start = bucket << self.bucket_bits;
            start..(start + (1 << self.bucket_bits)).min(genes)
        };
        self.by_cell.iter().enumerate().map(move |(bucket, lists)| (range(bucket), lists))
    }

    /// Gathers `rows` of the matrix. Panics when a row does not exist.
    pub(crate) fn load(&mut self, matrix: &PreparedMatrix<'_>, rows: &[u32]) {
        self.cells = rows.len();
        self.squares = rows.iter().map(|&row| matrix.row_squares()[row as usize]).sum();
        self.gather(matrix, rows);
        self.transpose();
    }

    /// Deals the entries of each cell to the table and the buckets; counts the buckets' by gene.
    fn gather(&mut self, matrix: &PreparedMatrix<'_>, rows: &[u32]) {
        self.heads.fill(0);
        for lists in &mut self.by_cell {
            lists.start.clear();
            lists.start.push(0);
            lists.entries.clear();
            lists.bound = self.heads.len();
        }
        let dense = self.dense;
        self.gene_sums[..dense].fill(0.0);
        self.table.fill(0.0);
        for (cell, &row) in rows.iter().enumerate() {
            let (genes, values) = matrix.view().row(row as usize);
            let table = &mut self.table[cell * dense..][..dense];
            for (&gene, &value) in genes.iter().zip(values) {
                let position = matrix.position_of()[gene as usize];
                if let Some(slot) = table.get_mut(position as usize) {
                    *slot = value;
                    self.gene_sums[position as usize] += f64::from(value);
                    continue;
                }
                let lists = &mut self.by_cell[(position >> self.bucket_bits) as usize];
                lists.entries.push(Entry { index: position, value });
                self.heads[position as usize] += 1;
            }
            for lists in &mut self.by_cell {
                lists.start.push(lists.entries.len() as u32);
            }
        }
    }

    /// Counting sort by gene, within one bucket at a time; cells stay ascending within a gene.
    fn transpose(&mut self) {
        let to = &mut self.by_gene;
        let mut next = 0;
        for (head, start) in self.heads.iter_mut().zip(&mut to.start) {
            *start = next;
            next += std::mem::replace(head, next);
        }
        if let Some(end) = to.start.last_mut() {
            *end = next;
        }
        to.entries.resize(next as usize, Entry::default());
        to.bound = self.cells;
        for from in &self.by_cell {
            for cell in 0..self.cells {
                for entry in from.line(cell) {
                    let head = &mut self.heads[entry.index as usize];
                    to.entries[*head as usize] = Entry { index: cell as u32, value: entry.value };
                    *head += 1;
                }
            }
        }
        for (gene, sum) in self.gene_sums.iter_mut().enumerate().skip(self.dense) {
            *sum = sum_of(self.by_gene.line(gene));
        }
    }
}

/// The sum of the values, in four strands so that no addition waits for the one before.
fn sum_of(entries: &[Entry]) -> f64 {
    let mut strands = [0.0_f64; 4];
    for four in entries.chunks(4) {
        for (strand, entry) in strands.iter_mut().zip(four) {
            *strand += f64::from(entry.value);
        }
    }
    (strands[0] + strands[2]) + (strands[1] + strands[3])
}
