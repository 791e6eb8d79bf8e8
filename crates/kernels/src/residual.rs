//! The decoder's squared error and gradients through the residual E = H·Wᵀ + 1bᵀ − X, for a last hidden layer at least
//! as wide as the batch: `SSE = ‖E‖²`, `dH = 2·E·W`, `dW = 2·Eᵀ·H`, `db = 2·Eᵀ·1`.
//!
//! E is made gene-major, a block of genes at a time, and used for dH while it is in cache. It is kept until the step
//! (cells × genes floats): making it again would cost a third of the whole.

use std::ops::Range;

use crate::batch::Batch;
use crate::buffer::{Aligned, pack, padded};
use crate::isa::Isa;
use crate::simd::{self, Operand};
use crate::weights::{Shape, Weights};

/// Genes of one block of the walk.
const BLOCK: usize = 192;

/// What the residual form keeps between calls.
#[derive(Debug)]
pub(crate) struct Residual {
    /// Padded number of cells: the distance between rows of `error` and of `hidden_columns`.
    cells: usize,
    /// E by gene position.
    error: Aligned,
    /// Hᵀ.
    hidden_columns: Aligned,
    /// 2·H, padded rows.
    twice_hidden: Aligned,
    /// dH/2 while it is summed, padded rows.
    grad_hidden: Aligned,
    /// The hidden layer that `error` belongs to; empty when it belongs to none.
    hidden: Vec<f32>,
}

impl Residual {
    pub(crate) fn new(shape: &Shape, max_batch: usize) -> Self {
        let cells = padded(max_batch);
        Self {
            cells,
            error: Aligned::zeros(shape.genes * cells),
            hidden_columns: Aligned::zeros(shape.last * cells),
            twice_hidden: Aligned::zeros(max_batch * shape.last_padded),
            grad_hidden: Aligned::zeros(max_batch * shape.last_padded),
            hidden: Vec::new(),
        }
    }

    /// The batch or the weights changed: E is void.
    pub(crate) fn forget(&mut self) {
        self.hidden.clear();
    }

    /// The squared error, and its gradient by `hidden` where wanted.
    pub(crate) fn decode(
        &mut self,
        isa: Isa,
        weights: &Weights,
        batch: &Batch,
        hidden: &[f32],
        grad: Option<&mut [f32]>,
    ) -> f64 {
        let shape = weights.shape;
        self.lay_out_hidden(&shape, batch.cells, hidden);
        self.grad_hidden.fill(0.0);
        let mut squares = 0.0_f64;
        for start in (0..shape.genes).step_by(BLOCK) {
            let block = start..(start + BLOCK).min(shape.genes);
            self.fill_error(isa, weights, batch, block.clone());
            let error = &self.error[block.start * self.cells..block.end * self.cells];
            squares += sum_by(error, |e| e * e);
            if grad.is_some() {
                let left = Operand { data: error, row: 1, column: self.cells };
                let rows = &weights.weight[block.start * shape.stride + shape.first_padded..];
                let right = Operand { data: rows, row: shape.stride, column: 1 };
                let sizes = [batch.cells, block.len(), shape.last_padded];
                simd::matmul(isa, sizes, left, right, &mut self.grad_hidden, shape.last_padded, &[]);
            }
        }
        if let Some(grad) = grad {
            let rows = self.grad_hidden.chunks_exact(shape.last_padded);
            for (to, from) in grad.chunks_exact_mut(shape.last).zip(rows) {
                to.iter_mut().zip(from).for_each(|(to, &half)| *to = 2.0 * half);
            }
        }
        self.hidden.extend_from_slice(hidden);
        squares
    }

    /// Makes sure E and 2·H belong to `hidden`.
    pub(crate) fn prepare_gradients(&mut self, isa: Isa, weights: &Weights, batch: &Batch, hidden: &[f32]) {
        if self.hidden != hidden || hidden.is_empty() {
            self.decode(isa, weights, batch, hidden, None);
        }
        let shape = weights.shape;
        pack(hidden, shape.last, &mut self.twice_hidden, shape.last_padded);
        self.twice_hidden[..batch.cells * shape.last_padded].iter_mut().for_each(|entry| *entry *= 2.0);
    }

    /// Writes the decoder's part of the gradient rows of a block, and the biases'.
    pub(crate) fn fill_gradients(
        &self,
        isa: Isa,
        shape: &Shape,
        batch: &Batch,
        block: Range<usize>,
        grads: &mut [f32],
        bias_grads: &mut [f32],
    ) {
        for row in grads.chunks_exact_mut(shape.stride).take(block.len()) {
            row[shape.first_padded..].fill(0.0);
        }
        let error = &self.error[block.start * self.cells..block.end * self.cells];
        let left = Operand { data: error, row: self.cells, column: 1 };
        let right = Operand { data: &self.twice_hidden, row: shape.last_padded, column: 1 };
        let out = &mut grads[shape.first_padded..];
        simd::matmul(isa, [block.len(), batch.cells, shape.last_padded], left, right, out, shape.stride, &[]);
        for (row, grad) in error.chunks_exact(self.cells).zip(bias_grads) {
            *grad = (2.0 * sum_by(row, |e| e)) as f32;
        }
    }

    fn lay_out_hidden(&mut self, shape: &Shape, cells: usize, hidden: &[f32]) {
        self.hidden.clear();
        let stride = self.cells;
        // Looked up once: an access through the buffer itself costs more than the copy of an entry.
        let columns: &mut [f32] = &mut self.hidden_columns;
        columns.fill(0.0);
        debug_assert_eq!(hidden.len(), cells * shape.last, "checked by the caller");
        for (cell, row) in hidden.chunks_exact(shape.last).enumerate() {
            for (column, &h) in row.iter().enumerate() {
                columns[column * stride + cell] = h;
            }
        }
    }

    /// E of one block of genes; cells of the padding get 0.
    fn fill_error(&mut self, isa: Isa, weights: &Weights, batch: &Batch, block: Range<usize>) {
        let shape = weights.shape;
        let error = &mut self.error[block.start * self.cells..block.end * self.cells];
        for (gene, row) in block.clone().zip(error.chunks_exact_mut(self.cells)) {
            let (present, padding) = row.split_at_mut(batch.cells);
            present.fill(weights.bias[gene]);
            padding.fill(0.0);
            if gene < batch.dense {
                let column = batch.table[gene..].iter().step_by(batch.dense);
                present.iter_mut().zip(column).for_each(|(error, &value)| *error -= value);
            }
            for entry in batch.by_gene.line(gene) {
                present[entry.index as usize] -= entry.value;
            }
        }
        let rows = &weights.weight[block.start * shape.stride + shape.first_padded..];
        let left = Operand { data: rows, row: shape.stride, column: 1 };
        let right = Operand { data: &self.hidden_columns, row: self.cells, column: 1 };
        simd::matmul(isa, [block.len(), shape.last, self.cells], left, right, error, self.cells, &[]);
    }
}

/// Σ f(e) in `f64`, in eight strands so that no addition waits for the one before. The length is a multiple of eight, as
/// every padded row's is.
fn sum_by(error: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let mut strands = [0.0_f64; 8];
    for eight in error.chunks_exact(8) {
        for (strand, &e) in strands.iter_mut().zip(eight) {
            *strand += f(f64::from(e));
        }
    }
    strands.iter().sum()
}
