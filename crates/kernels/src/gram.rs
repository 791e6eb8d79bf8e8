//! The decoder's squared error and gradients through Gram matrices, for a last hidden layer narrower than the batch.
//!
//! ```text
//! G = WᵀW,  u = Wᵀb                            kept from step to step
//! SSE   = ‖X‖² − 2⟨X, 1bᵀ⟩ + B‖b‖² + Σ H∘(H·G + 2·1uᵀ − 2·X·W)
//! dH    = 2 (H·G + 1·uᵀ − X·W)
//! dW_g  = 2 (S·w_g + b_g·s − Σ_c x_cg H_c),    S = HᵀH,  s = Hᵀ1
//! db_g  = 2 (s·w_g + B·b_g − Σ_c x_cg)
//! ```
//!
//! The terms of the SSE cancel. Sums over cells, and G beyond a thousand genes, are therefore in `f64`; the SSE is right
//! to 1e-6 while the model leaves at least a seventh of ‖X‖² unexplained, and to about 1e-7 of ‖X‖² in any case.
//!
//! Neither x̂ nor the residual is formed, so the cost is genes × last² and the non-zeros, not cells × genes × last.

use std::ops::Range;

use crate::batch::Batch;
use crate::buffer::{Aligned, BLOCK, PAD, pack};
use crate::isa::Isa;
use crate::simd::{self, Operand};
use crate::weights::{Shape, Weights};

/// Blocks of genes that G is summed over in `f32`.
const SETTLE_BLOCKS: usize = 16;

/// What the Gram form keeps between calls.
#[derive(Debug)]
pub(crate) struct Gram {
    /// Padded width of the hidden layer.
    width: usize,
    /// Distance between rows of the square matrices and of packed blocks: an odd number of cache lines, so that a column
    /// of vectors spreads over all sets of the cache.
    stride: usize,
    /// The decoder's rows of one block of genes, close together.
    packed: Aligned,
    /// G; while blocks are added, the sum of the last few of them.
    weights_gram: Aligned,
    /// The sum of all blocks before those.
    weights_gram_sum: Vec<f64>,
    /// Number of blocks in `weights_gram`.
    pending: usize,
    /// u.
    weights_bias: Vec<f64>,
    /// The part of u from one block of genes.
    block_sum: Aligned,
    /// ‖b‖².
    bias_squares: f64,
    /// 2·S.
    hidden_gram: Aligned,
    /// 2·s.
    hidden_sums: Aligned,
    /// H with padded rows.
    hidden: Aligned,
    /// H·G.
    hidden_product: Aligned,
}

impl Gram {
    pub(crate) fn new(shape: &Shape, max_batch: usize) -> Self {
        let width = shape.last_padded;
        let stride = if (width / PAD).is_multiple_of(2) { width + PAD } else { width };
        Self {
            width,
            stride,
            packed: Aligned::zeros(BLOCK * stride),
            weights_gram: Aligned::zeros(width * stride),
            weights_gram_sum: vec![0.0; width * stride],
            pending: 0,
            weights_bias: vec![0.0; width],
            block_sum: Aligned::zeros(width),
            bias_squares: 0.0,
            hidden_gram: Aligned::zeros(width * stride),
            hidden_sums: Aligned::zeros(width),
            hidden: Aligned::zeros(max_batch * width),
            hidden_product: Aligned::zeros(max_batch * width),
        }
    }

    /// Forgets the weights: [`add_block`](Self::add_block) for every block, then [`finish`](Self::finish), must follow.
    pub(crate) fn clear(&mut self) {
        self.weights_gram.fill(0.0);
        self.weights_gram_sum.fill(0.0);
        self.pending = 0;
        self.weights_bias.fill(0.0);
        self.bias_squares = 0.0;
    }

    /// Adds the present weights of a block of genes to G, u and ‖b‖².
    pub(crate) fn add_block(&mut self, isa: Isa, weights: &Weights, block: Range<usize>) {
        // The next block's weights come near meanwhile.
        let following = block.end..(block.end + block.len()).min(weights.shape.genes);
        let ahead =
            &weights.weight[following.start * weights.shape.stride..following.end * weights.shape.stride];
        let shape = weights.shape;
        let rows = &weights.weight[block.start * shape.stride..block.end * shape.stride];
        for (to, from) in self.packed.chunks_exact_mut(self.stride).zip(rows.chunks_exact(shape.stride)) {
            to[..self.width].copy_from_slice(&from[shape.first_padded..]);
        }
        let (stride, gram) = (self.stride, &mut self.weights_gram);
        simd::gram_upper(isa, [block.len(), self.width], &self.packed, stride, gram, stride, ahead);
        self.pending += 1;
        if self.pending == SETTLE_BLOCKS {
            self.settle();
        }
        let biases = &weights.bias[block];
        self.block_sum.fill(0.0);
        simd::add_weighted_rows(isa, biases, &self.packed, stride, &mut self.block_sum);
        for (sum, &part) in self.weights_bias.iter_mut().zip(self.block_sum.iter()) {
            *sum += f64::from(part);
        }
        self.bias_squares += biases.iter().map(|&bias| f64::from(bias) * f64::from(bias)).sum::<f64>();
    }

    /// Moves the pending blocks to the `f64` sum: an entry of G belongs to all cells, so its rounding does not average
    /// out over a batch.
    fn settle(&mut self) {
        for (sum, part) in self.weights_gram_sum.iter_mut().zip(self.weights_gram.iter_mut()) {
            *sum += f64::from(std::mem::take(part));
        }
        self.pending = 0;
    }

    /// Completes G once every block is in.
    pub(crate) fn finish(&mut self) {
        self.settle();
        for (entry, &sum) in self.weights_gram.iter_mut().zip(&self.weights_gram_sum) {
            *entry = sum as f32;
        }
        mirror(&mut self.weights_gram, self.width, self.stride);
    }

    /// The squared error, and its gradient by `hidden` where wanted. `products` holds X·W in its second part.
    pub(crate) fn decode(
        &mut self,
        isa: Isa,
        weights: &Weights,
        batch: &Batch,
        products: &[f32],
        hidden: &[f32],
        mut grad: Option<&mut [f32]>,
    ) -> f64 {
        let (shape, width) = (weights.shape, self.width);
        pack(hidden, shape.last, &mut self.hidden, width);
        self.hidden_product.fill(0.0);
        let left = Operand { data: &self.hidden, row: width, column: 1 };
        let right = Operand { data: &self.weights_gram, row: self.stride, column: 1 };
        simd::matmul(
            isa,
            [batch.cells, shape.last, width],
            left,
            right,
            &mut self.hidden_product,
            width,
            &[],
        );

        let mut quadratic = 0.0_f64;
        for (cell, hidden) in hidden.chunks_exact(shape.last).enumerate() {
            let product = &products[cell * shape.stride + shape.first_padded..][..shape.last];
            let through_gram = &self.hidden_product[cell * width..][..shape.last];
            let terms = hidden.iter().zip(product).zip(through_gram).zip(&self.weights_bias);
            for (j, (((&h, &xw), &hg), &u)) in terms.enumerate() {
                let (xw, hg) = (f64::from(xw), f64::from(hg));
                quadratic += f64::from(h) * (hg + 2.0 * (u - xw));
                if let Some(grad) = grad.as_deref_mut() {
                    grad[cell * shape.last + j] = (2.0 * (hg + u - xw)) as f32;
                }
            }
        }
        let bias_terms = weights.bias.iter().zip(&batch.gene_sums);
        let cross: f64 = bias_terms.map(|(&bias, &sum)| f64::from(bias) * sum).sum();
        batch.squares - 2.0 * cross + batch.cells as f64 * self.bias_squares + quadratic
    }

    /// S and s of a batch, and −2·H into the second part of `sources`.
    pub(crate) fn prepare_gradients(
        &mut self,
        isa: Isa,
        shape: &Shape,
        cells: usize,
        hidden: &[f32],
        sources: &mut [f32],
    ) {
        let width = self.width;
        pack(hidden, shape.last, &mut self.hidden, width);
        self.hidden_gram.fill(0.0);
        simd::gram_upper(isa, [cells, width], &self.hidden, width, &mut self.hidden_gram, self.stride, &[]);
        mirror(&mut self.hidden_gram, width, self.stride);
        self.hidden_gram.iter_mut().for_each(|entry| *entry *= 2.0);

        let mut sums = vec![0.0_f64; width];
        for (cell, row) in hidden.chunks_exact(shape.last).enumerate() {
            let source = &mut sources[cell * shape.stride + shape.first_padded..];
            for ((&h, sum), source) in row.iter().zip(&mut sums).zip(source) {
                *sum += f64::from(h);
                *source = -2.0 * h;
            }
        }
        for (entry, sum) in self.hidden_sums.iter_mut().zip(sums) {
            *entry = (2.0 * sum) as f32;
        }
    }

    /// Completes the gradient rows of a block, which hold Σ_c x_cg [dL/dh1_c | −2·H_c], and writes the biases'.
    pub(crate) fn add_gradients(
        &self,
        isa: Isa,
        weights: &Weights,
        batch: &Batch,
        block: Range<usize>,
        grads: &mut [f32],
        bias_grads: &mut [f32],
    ) {
        let (shape, width) = (weights.shape, self.width);
        let rows = &weights.weight[block.start * shape.stride..block.end * shape.stride];
        let right = Operand { data: &self.hidden_gram, row: self.stride, column: 1 };
        let out = &mut grads[shape.first_padded..];
        // Adam reads the block's moments next: they come near during the products, the means in the first half, the
        // squares in the second.
        let span = block.start * shape.stride..block.end * shape.stride;
        let middle = block.len() / 2;
        for (part, moments) in [(0..middle, &weights.mean), (middle..block.len(), &weights.square)] {
            let from = part.start * shape.stride;
            let left = Operand {
                data: &rows[(from + shape.first_padded).min(rows.len())..],
                row: shape.stride,
                column: 1,
            };
            let sizes = [part.len(), shape.last, width];
            simd::matmul(isa, sizes, left, right, &mut out[from..], shape.stride, &moments[span.clone()]);
        }

        let biases = &weights.bias[block.clone()];
        simd::add_outer(isa, biases, &self.hidden_sums, out, shape.stride);
        let bias_grads = &mut bias_grads[..block.len()];
        simd::row_dots(isa, &rows[shape.first_padded..], shape.stride, &self.hidden_sums, bias_grads);
        for ((grad, &bias), &sum) in bias_grads.iter_mut().zip(biases).zip(&batch.gene_sums[block]) {
            let residual = batch.cells as f64 * f64::from(bias) - sum;
            *grad = (f64::from(*grad) + 2.0 * residual) as f32;
        }
    }
}

/// Copies the upper triangle to the lower.
fn mirror(matrix: &mut [f32], width: usize, stride: usize) {
    for row in 1..width {
        for column in 0..row {
            matrix[row * stride + column] = matrix[column * stride + row];
        }
    }
}
