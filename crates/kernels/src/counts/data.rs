//! Counts with what belongs to each cell and gene, and one batch of them. No weights here.

use crate::KernelError;
use crate::batch::{Entry, Lists};
use crate::error::check_length;
use crate::matrix::CsrView;

/// Counts, the size of each cell, and what the encoder sees of a count x of gene g in cell c: ln(1 + x·a_c)·b_g − o_g.
#[derive(Debug, Clone)]
pub struct CountData<'a> {
    view: CsrView<'a>,
    log_size: Vec<f32>,
    cell_factor: Vec<f32>,
    gene_factor: Vec<f32>,
    gene_offset: Option<Vec<f32>>,
}

impl<'a> CountData<'a> {
    /// `log_size` is ln L_c, by which means are scaled; `cell_factor` is a_c, `gene_factor` b_g, `gene_offset` o_g (none
    /// for 0). An offset costs a product with one dense row, not with a dense matrix.
    ///
    /// # Errors
    /// A stored value that is negative, a factor that is not finite, a length that is not the matrix's.
    pub fn new(
        view: CsrView<'a>,
        log_size: Vec<f32>,
        cell_factor: Vec<f32>,
        gene_factor: Vec<f32>,
        gene_offset: Option<Vec<f32>>,
    ) -> Result<Self, KernelError> {
        check_length("log_size", log_size.len(), view.n_rows())?;
        check_length("cell_factor", cell_factor.len(), view.n_rows())?;
        check_length("gene_factor", gene_factor.len(), view.n_cols())?;
        let offsets = gene_offset.iter().map(|offset| ("gene_offset", offset));
        for (what, offset) in offsets.clone() {
            check_length(what, offset.len(), view.n_cols())?;
        }
        let given = [("log_size", &log_size), ("cell_factor", &cell_factor), ("gene_factor", &gene_factor)];
        for (what, factors) in given.into_iter().chain(offsets) {
            if let Some(index) = factors.iter().position(|factor| !factor.is_finite()) {
                return Err(KernelError::Factor { what, index });
            }
        }
        let is_negative = |row: usize| view.row(row).1.iter().any(|value| *value < 0.0);
        if let Some(row) = (0..view.n_rows()).find(|row| is_negative(*row)) {
            return Err(KernelError::Negative { row });
        }
        Ok(Self { view, log_size, cell_factor, gene_factor, gene_offset })
    }

    /// The counts.
    #[must_use]
    pub fn view(&self) -> CsrView<'a> {
        self.view
    }

    /// What is subtracted from each gene's input, if anything.
    pub(super) fn gene_offset(&self) -> Option<&[f32]> {
        self.gene_offset.as_deref()
    }

    /// ln L of a cell.
    pub(super) fn log_size(&self, row: u32) -> f32 {
        self.log_size[row as usize]
    }

    fn line(&self, row: u32) -> impl Iterator<Item = (u32, f32)> {
        let (genes, counts) = self.view.row(row as usize);
        genes.iter().copied().zip(counts.iter().copied()).filter(|(_, count)| *count > 0.0)
    }

    /// Gathers `rows`. Panics when a row does not exist.
    pub(super) fn batch(&self, rows: &[u32]) -> CountBatch {
        let genes = self.view.n_cols();
        let counts = |row: &u32| self.line(*row).map(|(index, value)| Entry { index, value });
        let input = |row: &u32| {
            let factor = self.cell_factor[*row as usize];
            self.line(*row).map(move |(index, count)| Entry {
                index,
                value: (count * factor).ln_1p() * self.gene_factor[index as usize],
            })
        };
        let by_cell = Lists::of_lines(rows.iter().map(input), genes);
        CountBatch {
            cells: rows.len(),
            by_gene: by_cell.transposed(),
            counts: Lists::of_lines(rows.iter().map(counts), genes).transposed(),
            log_size: rows.iter().map(|row| self.log_size(*row)).collect(),
            by_cell,
        }
    }
}

/// The cells of one step.
#[derive(Debug)]
pub(super) struct CountBatch {
    /// Number of cells.
    pub(super) cells: usize,
    /// What the encoder sees before the offsets: line = cell, index = gene.
    pub(super) by_cell: Lists,
    /// The same: line = gene, index = cell.
    pub(super) by_gene: Lists,
    /// Counts above 0: line = gene, index = cell.
    pub(super) counts: Lists,
    /// ln L of each cell.
    pub(super) log_size: Vec<f32>,
}
