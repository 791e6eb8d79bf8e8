//! From the last hidden layer H to the loss and back, gene-major:
//!
//! ```text
//! logits    ℓ_g = H·w_g + b_g, normalised over the batch where the layer has a norm
//! means     ln μ_cg = ln L_c + ℓ_cg − ln Σ_h exp ℓ_ch  (softmax)    or    ln L_c + ℓ_cg  (exp)
//! loss      Σ −log NB(x_cg; μ_cg, θ_g)
//! back      E = ∂/∂ℓ / cells:   softmax: G_cg − μ_cg/L_c · Σ_h G_ch   with   G = ∂/∂ln μ
//!           dH = E·W,  dW = Eᵀ·H,  db = Eᵀ·1
//! ```
//!
//! The softmax couples all genes of a cell, so the logits of the batch are kept (cells × genes floats, as the residual
//! form of the squared error keeps its errors): memory is linear in both.

use std::ops::Range;

use super::data::CountBatch;
use super::likelihood::{NbTerms, positive_terms};
use super::weights::{CountWeights, MeanForm, Norm};
use crate::buffer::{Aligned, pack, padded};
use crate::isa::Isa;
use crate::simd::{self, Operand};

/// Genes of one block of the walk.
const BLOCK: usize = 64;

/// ln μ of a cell of the padding: its terms vanish.
const NO_CELL: f32 = -1e4;

/// Whether a batch is normalised by its own statistics or by the running ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Train,
    Evaluate,
}

/// Buffers, and what the last pass left in them.
#[derive(Debug)]
pub(super) struct CountDecoder {
    /// Padded number of cells: the distance between rows of the gene-major matrices.
    stride: usize,
    /// Hᵀ.
    hidden_columns: Aligned,
    /// H, padded rows.
    hidden: Aligned,
    /// Logits, then means.
    mean: Aligned,
    /// ∂/∂ln μ, then ∂/∂ logits as H made them.
    slope: Aligned,
    /// Logits as the norm centred and scaled them; empty without one.
    standard: Aligned,
    /// dH, padded rows.
    grad_hidden: Aligned,
    /// Added to a cell's logits: ln μ.
    offset: Vec<f32>,
    /// Per gene.
    pub(super) log_dispersion_grad: Vec<f32>,
    pub(super) scale_grad: Vec<f32>,
    pub(super) shift_grad: Vec<f32>,
    batch_mean: Vec<f32>,
    batch_variance: Vec<f32>,
    /// Cells whose statistics normalised the last pass; `None` for the running ones.
    own_statistics: Option<usize>,
}

impl CountDecoder {
    pub(super) fn new(weights: &CountWeights, max_batch: usize) -> Self {
        let stride = padded(max_batch);
        let genes = weights.genes;
        let norm_genes = if weights.norm.is_some() { genes } else { 0 };
        let hidden = || Aligned::zeros(max_batch * weights.decoder.stride);
        Self {
            stride,
            hidden_columns: Aligned::zeros(weights.decoder.width * stride),
            hidden: hidden(),
            mean: Aligned::zeros(genes * stride),
            slope: Aligned::zeros(genes * stride),
            standard: Aligned::zeros(norm_genes * stride),
            grad_hidden: hidden(),
            offset: vec![0.0; stride],
            log_dispersion_grad: vec![0.0; genes],
            scale_grad: vec![0.0; norm_genes],
            shift_grad: vec![0.0; norm_genes],
            batch_mean: vec![0.0; norm_genes],
            batch_variance: vec![0.0; norm_genes],
            own_statistics: None,
        }
    }

    /// The loss, summed over the cells, for `hidden` (cells × last).
    pub(super) fn loss(
        &mut self,
        isa: Isa,
        weights: &CountWeights,
        batch: &CountBatch,
        hidden: &[f32],
        mode: Mode,
    ) -> f64 {
        self.lay_out_hidden(weights, hidden);
        self.fill_logits(isa, weights);
        if let Some(norm) = &weights.norm {
            self.normalise(norm, batch.cells, mode);
        }
        self.fill_offsets(isa, weights, batch);
        self.fill_slopes(isa, weights, batch)
    }

    /// ∂/∂logits of the mean loss over the cells from what [`Self::loss`] left, and the gradient by H.
    pub(super) fn backward(
        &mut self,
        isa: Isa,
        weights: &CountWeights,
        batch: &CountBatch,
        grad_hidden: &mut [f32],
    ) {
        let scale = 1.0 / batch.cells as f32;
        self.log_dispersion_grad.iter_mut().for_each(|grad| *grad *= scale);
        let share = self.shares(weights.mean_form, batch);
        self.grad_hidden.fill(0.0);
        for block in blocks(weights.genes) {
            for gene in block.clone() {
                let row = gene * self.stride..(gene + 1) * self.stride;
                simd::subtract_share(isa, &mut self.slope[row.clone()], &self.mean[row], &share, scale);
                if let Some(norm) = &weights.norm {
                    self.undo_norm(norm, gene, batch.cells);
                }
            }
            let slopes = &self.slope[block.start * self.stride..block.end * self.stride];
            let left = Operand { data: slopes, row: 1, column: self.stride };
            let table = &weights.decoder;
            let right = Operand { data: table.rows(&block), row: table.stride, column: 1 };
            let sizes = [batch.cells, block.len(), table.stride];
            simd::matmul(isa, sizes, left, right, &mut self.grad_hidden, table.stride, &[]);
        }
        let (width, stride) = (weights.decoder.width, weights.decoder.stride);
        for (to, from) in grad_hidden.chunks_exact_mut(width).zip(self.grad_hidden.chunks_exact(stride)) {
            to.copy_from_slice(&from[..width]);
        }
    }

    /// The decoder's gradient rows of a block of genes, and the biases'.
    pub(super) fn gradients(
        &self,
        isa: Isa,
        weights: &CountWeights,
        cells: usize,
        block: &Range<usize>,
        grads: &mut [f32],
        bias_grads: &mut [f32],
    ) {
        let table = &weights.decoder;
        grads[..block.len() * table.stride].fill(0.0);
        let slopes = self.slope_rows(block);
        let left = Operand { data: slopes, row: self.stride, column: 1 };
        let right = Operand { data: &self.hidden, row: table.stride, column: 1 };
        simd::matmul(isa, [block.len(), cells, table.stride], left, right, grads, table.stride, &[]);
        for (row, grad) in slopes.chunks_exact(self.stride).zip(bias_grads) {
            *grad = sum(&row[..cells]) as f32;
        }
    }

    /// Moves the running statistics towards those of the last batch.
    pub(super) fn remember(&self, norm: &mut Norm) {
        let Some(cells) = self.own_statistics else { return };
        let momentum = norm.spec.momentum;
        // PyTorch's: the batch is normalised by the biased variance, the unbiased one is remembered.
        let unbiased = cells as f32 / (cells as f32 - 1.0);
        let follow = |running: &mut [f32], batch: &[f32], factor: f32| {
            for (running, batch) in running.iter_mut().zip(batch) {
                *running += momentum * (batch * factor - *running);
            }
        };
        follow(&mut norm.state.running_mean, &self.batch_mean, 1.0);
        follow(&mut norm.state.running_variance, &self.batch_variance, unbiased);
    }

    fn slope_rows(&self, genes: &Range<usize>) -> &[f32] {
        &self.slope[genes.start * self.stride..genes.end * self.stride]
    }

    fn lay_out_hidden(&mut self, weights: &CountWeights, hidden: &[f32]) {
        let (width, stride) = (weights.decoder.width, weights.decoder.stride);
        pack(hidden, width, &mut self.hidden, stride);
        let cells = self.stride;
        // Looked up once: an access through the buffer itself costs more than the copy of an entry.
        let columns: &mut [f32] = &mut self.hidden_columns;
        columns.fill(0.0);
        for (cell, row) in hidden.chunks_exact(width).enumerate() {
            for (column, &h) in row.iter().enumerate() {
                columns[column * cells + cell] = h;
            }
        }
    }

    /// H·Wᵀ + b, by gene.
    fn fill_logits(&mut self, isa: Isa, weights: &CountWeights) {
        let table = &weights.decoder;
        for block in blocks(weights.genes) {
            let logits = &mut self.mean[block.start * self.stride..block.end * self.stride];
            match &weights.bias {
                Some(bias) => {
                    for (row, &bias) in logits.chunks_exact_mut(self.stride).zip(&bias.weight[block.clone()])
                    {
                        row.fill(bias);
                    }
                }
                None => logits.fill(0.0),
            }
            let left = Operand { data: table.rows(&block), row: table.stride, column: 1 };
            let right = Operand { data: &self.hidden_columns, row: self.stride, column: 1 };
            let sizes = [block.len(), table.width, self.stride];
            simd::matmul(isa, sizes, left, right, logits, self.stride, &[]);
        }
    }

    /// Centres and scales each gene's logits, then applies the learned scale and shift. A lone cell has no variance:
    /// it is normalised by the running statistics.
    fn normalise(&mut self, norm: &Norm, cells: usize, mode: Mode) {
        let has_own = mode == Mode::Train && cells > 1;
        self.own_statistics = has_own.then_some(cells);
        let state = &norm.state;
        for gene in 0..state.running_mean.len() {
            let row = gene * self.stride..gene * self.stride + cells;
            let logits = &mut self.mean[row.clone()];
            let (mean, variance) = if has_own {
                let mean = sum(logits) / cells as f64;
                let squares: f64 = logits.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum();
                (mean as f32, (squares / cells as f64) as f32)
            } else {
                (state.running_mean[gene], state.running_variance[gene])
            };
            self.batch_mean[gene] = mean;
            self.batch_variance[gene] = variance;
            let inverse = 1.0 / (variance + norm.spec.eps).sqrt();
            let (scale, shift) = (state.scale.weight[gene], state.shift.weight[gene]);
            for (logit, standard) in logits.iter_mut().zip(&mut self.standard[row]) {
                *standard = (*logit - mean) * inverse;
                *logit = *standard * scale + shift;
            }
        }
    }

    /// From ∂/∂ normalised logits to ∂/∂ logits of one gene.
    fn undo_norm(&mut self, norm: &Norm, gene: usize, cells: usize) {
        let row = gene * self.stride..gene * self.stride + cells;
        let (slopes, standard) = (&mut self.slope[row.clone()], &self.standard[row]);
        let shift_grad = sum(slopes);
        let scale_grad: f64 = slopes
            .iter()
            .zip(standard)
            .map(|(slope, standard)| f64::from(*slope) * f64::from(*standard))
            .sum();
        self.shift_grad[gene] = shift_grad as f32;
        self.scale_grad[gene] = scale_grad as f32;
        let inverse = 1.0 / (self.batch_variance[gene] + norm.spec.eps).sqrt();
        let factor = norm.state.scale.weight[gene] * inverse;
        let (mean_slope, mean_product) = match self.own_statistics {
            Some(n) => ((shift_grad / n as f64) as f32, (scale_grad / n as f64) as f32),
            None => (0.0, 0.0),
        };
        for (slope, standard) in slopes.iter_mut().zip(standard) {
            *slope = factor * (*slope - mean_slope - standard * mean_product);
        }
    }

    /// What makes ln μ of a cell's logits.
    fn fill_offsets(&mut self, isa: Isa, weights: &CountWeights, batch: &CountBatch) {
        self.offset.fill(NO_CELL);
        self.offset[..batch.cells].copy_from_slice(&batch.log_size);
        if weights.mean_form == MeanForm::Exp {
            return;
        }
        let rows = || self.mean.chunks_exact(self.stride);
        let mut most = vec![f32::NEG_INFINITY; self.stride];
        rows().for_each(|row| simd::raise(isa, row, &mut most));
        // Blocks of genes are summed in f32, blocks among each other in f64.
        let mut total = vec![0.0_f64; self.stride];
        let mut part = vec![0.0_f32; self.stride];
        for block in self.mean.chunks(BLOCK * self.stride) {
            part.fill(0.0);
            block
                .chunks_exact(self.stride)
                .for_each(|row| simd::add_exponentials(isa, row, &most, &mut part));
            total.iter_mut().zip(&part).for_each(|(total, part)| *total += f64::from(*part));
        }
        for ((offset, most), total) in self.offset.iter_mut().zip(&most).zip(&total).take(batch.cells) {
            *offset = (f64::from(*offset) - f64::from(*most) - total.ln()) as f32;
        }
    }

    /// Means, ∂/∂ln μ, ∂/∂ln θ and the loss: each gene's cells as if all counts were 0, then what the others add.
    fn fill_slopes(&mut self, isa: Isa, weights: &CountWeights, batch: &CountBatch) -> f64 {
        let mut loss = 0.0;
        let mut positive: Vec<(usize, NbTerms)> = Vec::new();
        for gene in 0..weights.genes {
            let row = gene * self.stride..(gene + 1) * self.stride;
            let mean = &mut self.mean[row.clone()];
            let slope = &mut self.slope[row];
            let theta = f64::from(weights.log_dispersion.weight[gene]).exp();
            positive.clear();
            positive.extend(batch.counts.line(gene).iter().map(|entry| {
                let cell = entry.index as usize;
                let log_mean = f64::from(mean[cell]) + f64::from(self.offset[cell]);
                (cell, positive_terms(f64::from(entry.value), log_mean, theta))
            }));
            let zero = simd::zero_counts(isa, mean, &self.offset, theta as f32, slope);
            loss += theta * zero.log_ratio;
            let mut by_log_dispersion = theta * zero.slope;
            for (cell, terms) in &positive {
                loss += terms.nll;
                by_log_dispersion += terms.by_log_dispersion;
                slope[*cell] += terms.by_log_mean as f32;
            }
            self.log_dispersion_grad[gene] = by_log_dispersion as f32;
        }
        loss
    }

    /// Σ_h G_ch / L_c of each cell for the softmax; 0 where no gene depends on another.
    fn shares(&self, form: MeanForm, batch: &CountBatch) -> Vec<f32> {
        let mut share = vec![0.0; self.stride];
        if form == MeanForm::Exp {
            return share;
        }
        let mut total = vec![0.0_f64; self.stride];
        let mut part = vec![0.0_f32; self.stride];
        for block in self.slope.chunks(BLOCK * self.stride) {
            part.fill(0.0);
            for row in block.chunks_exact(self.stride) {
                part.iter_mut().zip(row).for_each(|(part, slope)| *part += slope);
            }
            total.iter_mut().zip(&part).for_each(|(total, part)| *total += f64::from(*part));
        }
        for ((share, total), log_size) in share.iter_mut().zip(&total).zip(&batch.log_size) {
            *share = (total * (-f64::from(*log_size)).exp()) as f32;
        }
        share
    }
}

/// The genes in blocks.
pub(super) fn blocks(genes: usize) -> impl Iterator<Item = Range<usize>> {
    (0..genes).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(genes))
}

/// Σ in f64, in four strands so that no addition waits for the one before.
fn sum(values: &[f32]) -> f64 {
    let mut strands = [0.0_f64; 4];
    for four in values.chunks(4) {
        for (strand, value) in strands.iter_mut().zip(four) {
            *strand += f64::from(*value);
        }
    }
    (strands[0] + strands[2]) + (strands[1] + strands[3])
}
