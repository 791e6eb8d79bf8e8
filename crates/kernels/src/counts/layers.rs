//! The gene layers of a model of counts as their caller sees them: one batch loaded, encoded, decoded, stepped.

use super::data::{CountBatch, CountData};
use super::decoder::{CountDecoder, Mode, blocks};
use super::weights::{
    CountGradients, CountInit, CountState, CountWeights, Table, Update, unpadded, update_line,
};
use crate::KernelError;
use crate::adam::Adam;
use crate::buffer::{Aligned, pack};
use crate::isa::Isa;
use crate::simd;

/// Most cells of one batch.
const MAX_BATCH: usize = 1 << 20;

/// Most genes of a block of [`blocks`].
const BLOCK: usize = 64;

/// The encoder's first and the decoder's last layer, dispersions and the norm of the logits, and one batch of cells.
///
/// One step is [`load_batch`](Self::load_batch), [`encode`](Self::encode), the inner layers forward,
/// [`decode`](Self::decode), the inner layers backward, [`step`](Self::step). All sums run in one fixed order on the
/// calling thread: equal calls give equal bits.
#[derive(Debug)]
pub struct CountLayers<'a> {
    data: CountData<'a>,
    isa: Isa,
    max_batch: usize,
    weights: CountWeights,
    batch: CountBatch,
    decoder: CountDecoder,
    /// ∂/∂(X·W1), padded rows.
    grad_first: Aligned,
    /// Their sum over the cells.
    grad_sum: Vec<f32>,
    /// Gradient rows of one block of genes.
    grads: Aligned,
}

impl<'a> CountLayers<'a> {
    /// Takes over the initial values, for batches of up to `max_batch` cells.
    ///
    /// # Errors
    /// Slices that do not fit their shape, weights for another number of genes than the matrix has, a size out of
    /// range, an instruction set this processor lacks.
    pub fn new(
        init: &CountInit<'_>,
        data: CountData<'a>,
        max_batch: usize,
        isa: Isa,
    ) -> Result<Self, KernelError> {
        let isa = isa.checked()?;
        let n_cols = data.view().n_cols();
        if init.genes != n_cols {
            return Err(KernelError::GeneCount { genes: init.genes, n_cols });
        }
        if !(1..=MAX_BATCH).contains(&max_batch) {
            return Err(KernelError::Size { what: "the batch", found: max_batch, min: 1, max: MAX_BATCH });
        }
        let weights = CountWeights::new(init)?;
        let decoder = CountDecoder::new(&weights, max_batch);
        let widest = weights.encoder.stride.max(weights.decoder.stride);
        Ok(Self {
            isa,
            max_batch,
            decoder,
            grad_first: Aligned::zeros(max_batch * weights.encoder.stride),
            grad_sum: Vec::new(),
            grads: Aligned::zeros(BLOCK * widest),
            batch: data.batch(&[]),
            weights,
            data,
        })
    }

    /// The instruction set in use.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Gathers the cells `rows` of the matrix.
    ///
    /// # Panics
    /// When there are more than `max_batch` rows or one does not exist.
    pub fn load_batch(&mut self, rows: &[u32]) {
        assert!(rows.len() <= self.max_batch, "a batch of {} cells, at most {}", rows.len(), self.max_batch);
        self.batch = self.data.batch(rows);
    }

    /// Writes X̃·W1 (batch × first, row-major, without bias) to `out`, X̃ being what the encoder sees of the counts.
    ///
    /// # Panics
    /// When `out` has another length.
    pub fn encode(&mut self, out: &mut [f32]) {
        let table = &self.weights.encoder;
        assert_eq!(out.len(), self.batch.cells * table.width, "one row of the first layer for each cell");
        let mut rows = vec![0.0; self.batch.cells * table.stride];
        let product = simd::SparseProduct {
            lists: &self.batch.by_cell,
            lines: (0, self.batch.cells),
            table: &table.weight,
            stride: table.stride,
            width: table.stride,
            add: false,
            ahead: &[],
        };
        simd::sparse_product(self.isa, product, &mut rows, table.stride);
        if let Some(offset) = self.data.gene_offset() {
            let mut common = vec![0.0; table.stride];
            simd::add_weighted_rows(self.isa, offset, &table.weight, table.stride, &mut common);
            for row in rows.chunks_exact_mut(table.stride) {
                row.iter_mut().zip(&common).for_each(|(value, common)| *value -= common);
            }
        }
        for (to, from) in out.chunks_exact_mut(table.width).zip(rows.chunks_exact(table.stride)) {
            to.copy_from_slice(&from[..table.width]);
        }
    }

    /// −log NB of the batch's counts, summed over genes and cells, for the last hidden layer `hidden` (batch × last);
    /// writes the gradient of its *mean* over the cells by `hidden` to `grad_hidden`. A norm of the logits goes by the
    /// batch's own statistics.
    ///
    /// # Panics
    /// When a slice has another length.
    pub fn decode(&mut self, hidden: &[f32], grad_hidden: &mut [f32]) -> f64 {
        self.check_hidden(hidden);
        assert_eq!(grad_hidden.len(), hidden.len(), "one gradient for each hidden unit");
        let loss = self.decoder.loss(self.isa, &self.weights, &self.batch, hidden, Mode::Train);
        self.decoder.backward(self.isa, &self.weights, &self.batch, grad_hidden);
        loss
    }

    /// −log NB as [`decode`](Self::decode) gives it, without gradients; a norm of the logits goes by the running
    /// statistics.
    ///
    /// # Panics
    /// When `hidden` has another length than batch × last.
    pub fn nll(&mut self, hidden: &[f32]) -> f64 {
        self.check_hidden(hidden);
        self.decoder.loss(self.isa, &self.weights, &self.batch, hidden, Mode::Evaluate)
    }

    fn check_hidden(&self, hidden: &[f32]) {
        let width = self.weights.decoder.width;
        assert_eq!(hidden.len(), self.batch.cells * width, "one hidden row for each cell");
    }

    /// One step of Adam on everything learned, from what the last [`decode`](Self::decode) left and ∂L/∂(X̃·W1) (batch ×
    /// first), L being the mean loss over the cells plus whatever the inner layers added. `decay`·w is added to each
    /// gradient (PyTorch's `weight_decay`). The running statistics of the norm follow. `t` counts steps from 1.
    ///
    /// # Panics
    /// When `grad_first` has another length.
    pub fn step(&mut self, grad_first: &[f32], adam: &Adam, decay: f64, t: u64) {
        self.lay_out(grad_first);
        let update = Update::new(self.isa, adam, decay, t);
        let mut bias_grads = vec![0.0; self.weights.genes];
        for block in blocks(self.weights.genes) {
            self.fill_encoder_gradients(block.start, block.end);
            let rows = block.len() * self.weights.encoder.stride;
            self.weights.encoder.update(&block, &mut self.grads[..rows], &update);
            let (cells, biases) = (self.batch.cells, &mut bias_grads[block.clone()]);
            self.decoder.gradients(self.isa, &self.weights, cells, &block, &mut self.grads, biases);
            let rows = block.len() * self.weights.decoder.stride;
            self.weights.decoder.update(&block, &mut self.grads[..rows], &update);
        }
        if let Some(bias) = &mut self.weights.bias {
            update_line(bias, &mut bias_grads, &update);
        }
        update_line(&mut self.weights.log_dispersion, &mut self.decoder.log_dispersion_grad, &update);
        if let Some(norm) = &mut self.weights.norm {
            update_line(&mut norm.state.scale, &mut self.decoder.scale_grad, &update);
            update_line(&mut norm.state.shift, &mut self.decoder.shift_grad, &update);
            self.decoder.remember(norm);
        }
    }

    /// The gradients that [`step`](Self::step) feeds to Adam, without the decay. For tests and parity.
    ///
    /// # Panics
    /// When `grad_first` has another length.
    pub fn gradients(&mut self, grad_first: &[f32]) -> CountGradients {
        self.lay_out(grad_first);
        let genes = self.weights.genes;
        let mut bias_grads = vec![0.0; genes];
        let (mut encoder, mut decoder) = (Vec::new(), Vec::new());
        for block in blocks(genes) {
            self.fill_encoder_gradients(block.start, block.end);
            encoder.extend(self.block_rows(block.len(), &self.weights.encoder));
            let (cells, biases) = (self.batch.cells, &mut bias_grads[block.clone()]);
            self.decoder.gradients(self.isa, &self.weights, cells, &block, &mut self.grads, biases);
            decoder.extend(self.block_rows(block.len(), &self.weights.decoder));
        }
        let norm = self.weights.norm.as_ref();
        CountGradients {
            encoder_weight: encoder,
            decoder_weight: decoder,
            decoder_bias: self.weights.bias.as_ref().map(|_| bias_grads),
            log_dispersion: self.decoder.log_dispersion_grad.clone(),
            gene_norm: norm.map(|_| (self.decoder.scale_grad.clone(), self.decoder.shift_grad.clone())),
        }
    }

    /// Weights, moments and running statistics.
    #[must_use]
    pub fn export(&self) -> CountState {
        self.weights.export()
    }

    /// Goes on from an exported state. The loaded batch stays.
    ///
    /// # Errors
    /// When a tensor does not fit these layers; nothing has changed then.
    pub fn import(&mut self, state: &CountState) -> Result<(), KernelError> {
        self.weights.import(state)
    }

    fn lay_out(&mut self, grad_first: &[f32]) {
        let table = &self.weights.encoder;
        assert_eq!(grad_first.len(), self.batch.cells * table.width, "one gradient row for each cell");
        pack(grad_first, table.width, &mut self.grad_first, table.stride);
        self.grad_sum = vec![0.0; table.stride];
        for row in grad_first.chunks_exact(table.width) {
            self.grad_sum.iter_mut().zip(row).for_each(|(sum, grad)| *sum += grad);
        }
    }

    /// Σ_c x̃_cg · ∂L/∂(X̃·W1)_c for a block of genes, offsets included.
    fn fill_encoder_gradients(&mut self, start: usize, end: usize) {
        let stride = self.weights.encoder.stride;
        let product = simd::SparseProduct {
            lists: &self.batch.by_gene,
            lines: (start, end),
            table: &self.grad_first,
            stride,
            width: stride,
            add: false,
            ahead: &[],
        };
        simd::sparse_product(self.isa, product, &mut self.grads, stride);
        if let Some(offset) = self.data.gene_offset() {
            let minus: Vec<f32> = offset[start..end].iter().map(|offset| -offset).collect();
            simd::add_outer(self.isa, &minus, &self.grad_sum, &mut self.grads, stride);
        }
    }

    fn block_rows(&self, rows: usize, table: &Table) -> Vec<f32> {
        unpadded(&self.grads[..rows * table.stride], table.width, table.stride)
    }
}
