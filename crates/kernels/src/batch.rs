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

/// Where a gene's entries go.
#[derive(Debug, Clone, Copy)]
struct Slot {
    bucket: u32,
    position: u32,
}

/// A compressed list of lists: entry `i` belongs to line `l` when `start[l] <= i < start[l + 1]`.
///
/// Invariant, upheld by this module and relied on by the kernels: `start` never decreases and ends at most at the
/// number of entries; every index is below `bound`.
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

    /// Lines of entries whose indices are below `bound`; a line may have none.
    ///
    /// # Panics
    /// When an index is not.
    pub(crate) fn of_lines<I: IntoIterator<Item = Entry>>(
        lines: impl Iterator<Item = I>,
        bound: usize,
    ) -> Self {
        let mut lists = Self { start: vec![0], entries: Vec::new(), bound };
        for line in lines {
            lists.entries.extend(line);
            lists
                .start
                .push(u32::try_from(lists.entries.len()).expect("a batch has fewer than 2^32 entries"));
        }
        assert!(
            lists.entries.iter().all(|entry| (entry.index as usize) < bound),
            "indices are below the bound"
        );
        lists
    }

    /// The same entries by index: line = index, index = line. Indices ascend within a line.
    pub(crate) fn transposed(&self) -> Self {
        let mut start = vec![0_u32; self.bound + 1];
        for entry in self.all() {
            start[entry.index as usize + 1] += 1;
        }
        for line in 0..self.bound {
            start[line + 1] += start[line];
        }
        let mut heads = start.clone();
        let mut entries = vec![Entry::default(); self.all().len()];
        for line in 0..self.lines() {
            for entry in self.line(line) {
                let head = &mut heads[entry.index as usize];
                entries[*head as usize] = Entry { index: line as u32, value: entry.value };
                *head += 1;
            }
        }
        Self { start, entries, bound: self.lines() }
    }

    /// Every index is below this.
    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// The entries of all lines.
    fn all(&self) -> &[Entry] {
        &self.entries[..self.start[self.lines()] as usize]
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
    /// By gene: looked up rather than computed, since a comparison would be a branch that no processor foresees.
    slots: Vec<Slot>,
    /// log2 of the genes of a bucket.
    bucket_bits: u32,
    /// One element for the table's genes, then one for each bucket of the others: line = cell, index = gene position. A bucket's weights fit in the second
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
    /// Per bucket: its number of entries.
    filled: Vec<usize>,
}

impl Batch {
    /// An empty batch of up to `max_batch` cells, the first `dense` genes in a table, the others in buckets of
    /// `2^bucket_bits` genes.
    pub(crate) fn new(max_batch: usize, position_of: &[u32], dense: usize, bucket_bits: u32) -> Self {
        let genes = position_of.len();
        let slot = |&position: &u32| {
            let bucket =
                (position as usize).checked_sub(dense).map_or(0, |listed| 1 + (listed >> bucket_bits));
            Slot { bucket: bucket as u32, position }
        };
        let lists = |lines: usize| Lists { start: vec![0; lines + 1], ..Lists::default() };
        let buckets = 1 + (genes - dense).div_ceil(1 << bucket_bits);
        Self {
            cells: 0,
            dense,
            table: Aligned::zeros(max_batch * dense),
            slots: position_of.iter().map(slot).collect(),
            bucket_bits,
            by_cell: (0..buckets).map(|_| lists(0)).collect(),
            by_gene: lists(genes),
            gene_sums: vec![0.0; genes],
            squares: 0.0,
            heads: vec![0; genes],
            filled: vec![0; buckets],
        }
    }

    /// The listed genes by cell, one bucket after the other, each with its range of gene positions.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (Range<usize>, &Lists)> {
        let genes = self.heads.len();
        let range = move |bucket: usize| {
            let start = self.dense + (bucket << self.bucket_bits);
            start..(start + (1 << self.bucket_bits)).min(genes)
        };
        self.by_cell[1..].iter().enumerate().map(move |(bucket, lists)| (range(bucket), lists))
    }

    /// Gathers `rows` of the matrix. Panics when a row does not exist.
    pub(crate) fn load(&mut self, matrix: &PreparedMatrix<'_>, rows: &[u32]) {
        self.cells = rows.len();
        self.squares = rows.iter().map(|&row| matrix.row_squares()[row as usize]).sum();
        self.deal(matrix, rows);
        self.fill_table();
        self.transpose();
    }

    /// Deals the entries of each cell to the buckets, the first of which is the table's. No branch depends on the data.
    fn deal(&mut self, matrix: &PreparedMatrix<'_>, rows: &[u32]) {
        let genes = self.heads.len();
        for lists in &mut self.by_cell {
            lists.start.clear();
            lists.start.push(0);
            lists.bound = genes;
        }
        self.filled.fill(0);
        for &row in rows {
            let (genes, values) = matrix.view().row(row as usize);
            for (lists, &filled) in self.by_cell.iter_mut().zip(&self.filled) {
                if lists.entries.len() < filled + genes.len() {
                    lists.entries.resize(2 * (filled + genes.len()), Entry::default());
                }
            }
            for (&gene, &value) in genes.iter().zip(values) {
                let Slot { bucket, position } = self.slots[gene as usize];
                let bucket = bucket as usize;
                let filled = &mut self.filled[bucket];
                self.by_cell[bucket].entries[*filled] = Entry { index: position, value };
                *filled += 1;
            }
            for (lists, &filled) in self.by_cell.iter_mut().zip(&self.filled) {
                lists.start.push(filled as u32);
            }
        }
    }

    /// The first bucket, written out with its zeros.
    fn fill_table(&mut self) {
        let dense = self.dense;
        self.gene_sums[..dense].fill(0.0);
        self.table[..self.cells * dense].fill(0.0);
        for cell in 0..self.cells {
            let table = &mut self.table[cell * dense..][..dense];
            for entry in self.by_cell[0].line(cell) {
                table[entry.index as usize] = entry.value;
                self.gene_sums[entry.index as usize] += f64::from(entry.value);
            }
        }
    }

    /// Counting sort by gene, within one bucket at a time; cells stay ascending within a gene.
    fn transpose(&mut self) {
        self.heads.fill(0);
        for from in &self.by_cell[1..] {
            for entry in from.all() {
                self.heads[entry.index as usize] += 1;
            }
        }
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
        for from in &self.by_cell[1..] {
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
