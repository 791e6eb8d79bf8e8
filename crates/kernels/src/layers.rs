//! The gene layers as their caller sees them: one batch loaded, encoded, decoded, stepped. This file orders the work;
//! the algebra is in `gram` and `residual`, the loops in `simd`.

use std::ops::Range;

use crate::adam::Adam;
use crate::batch::Batch;
use crate::buffer::{Aligned, BLOCK};
use crate::error::KernelError;
use crate::gram::Gram;
use crate::isa::Isa;
use crate::matrix::PreparedMatrix;
use crate::residual::Residual;
use crate::simd::{self, Operand};
use crate::state::{GeneLayersInit, GeneLayersState};
use crate::weights::{Weights, gather};

/// Weights that a product with the batch goes through before the next ones: half a second level of cache.
const BUCKET_BYTES: usize = 1 << 20;

/// Dense genes multiplied together: three vectors of so many rows fit in the first level of cache.
const DENSE_DEPTH: usize = 128;

/// Most cells of one batch.
const MAX_BATCH: usize = 1 << 20;

/// How the decoder's loss and gradients are taken.
#[derive(Debug)]
enum Decoder {
    /// Narrow hidden layer: through the Gram matrices, no residual is formed.
    Gram(Gram),
    /// Wide hidden layer: through the residual, one block of genes at a time.
    Residual(Residual),
}

/// The encoder's first and the decoder's last layer with Adam's moments, and one batch of cells.
///
/// One step is [`load_batch`](Self::load_batch), [`encode`](Self::encode), the inner layers forward,
/// [`decode`](Self::decode), the inner layers backward, [`step`](Self::step). All sums run in one fixed order on the
/// calling thread: equal calls give equal bits.
#[derive(Debug)]
pub struct GeneLayers<'a> {
    matrix: &'a PreparedMatrix<'a>,
    isa: Isa,
    max_batch: usize,
    weights: Weights,
    batch: Batch,
    decoder: Decoder,
    scratch: Scratch,
    /// Whether `scratch.products` belongs to the loaded batch and the present weights.
    products_fresh: bool,
}

/// Buffers that live from step to step so that none is allocated within one.
#[derive(Debug)]
struct Scratch {
    /// `[X·W1 | X·W]`, one row a cell; the second part only where the decoder wants it.
    products: Aligned,
    /// `[dL/dh1 | what the decoder sums over a gene's cells]`, one row a cell.
    sources: Aligned,
    /// Gradient rows of one block of genes.
    grads: Aligned,
    /// Gradients of the block's biases.
    bias_grads: Vec<f32>,
}

impl<'a> GeneLayers<'a> {
    /// Takes over the initial weights, for batches of up to `max_batch` cells of `matrix`.
    ///
    /// # Errors
    /// Slices that do not fit their shape, weights for another number of genes than the matrix has, a size out of
    /// range, an instruction set this processor lacks.
    pub fn new(
        init: &GeneLayersInit<'_>,
        matrix: &'a PreparedMatrix<'a>,
        max_batch: usize,
        isa: Isa,
    ) -> Result<Self, KernelError> {
        init.check()?;
        let isa = isa.checked()?;
        let n_cols = matrix.view().n_cols();
        if init.genes != n_cols {
            return Err(KernelError::GeneCount { genes: init.genes, n_cols });
        }
        if !(1..=MAX_BATCH).contains(&max_batch) {
            return Err(KernelError::Size { what: "the batch", found: max_batch, min: 1, max: MAX_BATCH });
        }
        let weights = Weights::new(init, matrix.gene_at());
        let shape = weights.shape;
        let decoder = if init.last < max_batch {
            Decoder::Gram(Gram::new(&shape, max_batch))
        } else {
            Decoder::Residual(Residual::new(&shape, max_batch))
        };
        let scratch = Scratch {
            products: Aligned::zeros(max_batch * shape.stride),
            sources: Aligned::zeros(max_batch * shape.stride),
            grads: Aligned::zeros(BLOCK * shape.stride),
            bias_grads: vec![0.0; BLOCK],
        };
        // Whole blocks, so that a block is in the table or in the lists.
        let dense = matrix.dense() / BLOCK * BLOCK;
        let row_bytes =
            size_of::<f32>() * if init.last < max_batch { shape.stride } else { shape.first_padded };
        let batch =
            Batch::new(max_batch, matrix.position_of(), dense, (BUCKET_BYTES / row_bytes).max(16).ilog2());
        let mut layers =
            Self { matrix, isa, max_batch, weights, batch, decoder, scratch, products_fresh: false };
        layers.weights_changed();
        Ok(layers)
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Number of cells of the loaded batch.
    pub fn batch_len(&self) -> usize {
        self.batch.cells
    }

    /// Gathers the cells `rows` of the matrix, by cell and by gene.
    ///
    /// # Panics
    /// When there are more than `max_batch` rows or one does not exist.
    pub fn load_batch(&mut self, rows: &[u32]) {
        assert!(rows.len() <= self.max_batch, "a batch of {} cells, at most {}", rows.len(), self.max_batch);
        self.batch.load(self.matrix, rows);
        self.products_fresh = false;
        if let Decoder::Residual(residual) = &mut self.decoder {
            residual.forget();
        }
    }

    /// Writes X·W1 (batch × first, row-major, without bias) to `out`.
    ///
    /// # Panics
    /// When `out` has another length.
    pub fn encode(&mut self, out: &mut [f32]) {
        let shape = self.weights.shape;
        assert_eq!(out.len(), self.batch.cells * shape.first, "one row of the first layer for each cell");
        self.refresh_products();
        for (row, product) in
            out.chunks_exact_mut(shape.first).zip(self.scratch.products.chunks_exact(shape.stride))
        {
            row.copy_from_slice(&product[..shape.first]);
        }
    }

    /// The squared error Σ (x̂ − x)² summed over the batch, for the last hidden layer `hidden` (batch × last); writes
    /// its gradient by `hidden` to `grad_hidden`.
    ///
    /// # Panics
    /// When a slice has another length.
    pub fn decode(&mut self, hidden: &[f32], grad_hidden: &mut [f32]) -> f64 {
        self.check_hidden(hidden);
        assert_eq!(grad_hidden.len(), hidden.len(), "one gradient for each hidden unit");
        self.error_of(hidden, Some(grad_hidden))
    }

    /// The squared error as [`decode`](Self::decode) gives it, without the gradient.
    ///
    /// # Panics
    /// When `hidden` has another length than batch × last.
    pub fn sse(&mut self, hidden: &[f32]) -> f64 {
        self.check_hidden(hidden);
        self.error_of(hidden, None)
    }

    fn check_hidden(&self, hidden: &[f32]) {
        assert_eq!(hidden.len(), self.batch.cells * self.weights.shape.last, "one hidden row for each cell");
    }

    fn error_of(&mut self, hidden: &[f32], grad: Option<&mut [f32]>) -> f64 {
        if matches!(self.decoder, Decoder::Gram(_)) {
            self.refresh_products();
        }
        match &mut self.decoder {
            Decoder::Gram(gram) => {
                gram.decode(self.isa, &self.weights, &self.batch, &self.scratch.products, hidden, grad)
            }
            Decoder::Residual(residual) => {
                residual.decode(self.isa, &self.weights, &self.batch, hidden, grad)
            }
        }
    }

    /// One step of Adam on both layers, from the last hidden layer (batch × last) and dL/d(X·W1) (batch × first), where
    /// L is the squared error plus whatever else the inner layers added. `t` counts steps from 1. No gradient matrix is
    /// formed: a block of genes goes from its gradient to its new weights while it is in cache.
    ///
    /// # Panics
    /// When a slice has another length.
    pub fn step(&mut self, hidden: &[f32], grad_first: &[f32], adam: &Adam, t: u64) {
        self.prepare_gradients(hidden, grad_first);
        let shape = self.weights.shape;
        let scalars = adam.scalars(t);
        if let Decoder::Gram(gram) = &mut self.decoder {
            gram.clear();
        }
        for block in blocks(shape.genes) {
            self.fill_gradients(block.clone());
            let rows = block.start * shape.stride..block.end * shape.stride;
            let weights = &mut self.weights;
            simd::adam(
                self.isa,
                &mut weights.weight[rows.clone()],
                &self.scratch.grads[..rows.len()],
                &mut weights.mean[rows.clone()],
                &mut weights.square[rows],
                &scalars,
            );
            simd::adam(
                self.isa,
                &mut weights.bias[block.clone()],
                &self.scratch.bias_grads[..block.len()],
                &mut weights.bias_mean[block.clone()],
                &mut weights.bias_square[block.clone()],
                &scalars,
            );
            if let Decoder::Gram(gram) = &mut self.decoder {
                gram.add_block(self.isa, &self.weights, block);
            }
        }
        self.finish_weights();
    }

    /// The sums that [`step`](Self::step) feeds to Adam, written out in the order of genes of [`GeneLayersInit`]:
    /// encoder weight (genes × first), decoder weight (genes × last), decoder bias (genes). For tests and parity.
    ///
    /// # Panics
    /// When a slice has another length.
    pub fn gradients(&mut self, hidden: &[f32], grad_first: &[f32]) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        self.prepare_gradients(hidden, grad_first);
        let shape = self.weights.shape;
        let mut encoder = vec![0.0; shape.genes * shape.first];
        let mut decoder = vec![0.0; shape.genes * shape.last];
        let mut bias = vec![0.0; shape.genes];
        for block in blocks(shape.genes) {
            self.fill_gradients(block.clone());
            let genes = &self.matrix.gene_at()[block.clone()];
            gather(&shape, genes, &self.scratch.grads, [&mut encoder, &mut decoder]);
            for (&gene, &grad) in genes.iter().zip(&self.scratch.bias_grads) {
                bias[gene as usize] = grad;
            }
        }
        (encoder, decoder, bias)
    }

    /// Weights and moments in the order of genes of [`GeneLayersInit`].
    pub fn export(&self) -> GeneLayersState {
        self.weights.export(self.matrix.gene_at())
    }

    /// Goes on from an exported state. The loaded batch stays.
    ///
    /// # Errors
    /// When a tensor does not fit these layers; nothing has changed then.
    pub fn import(&mut self, state: &GeneLayersState) -> Result<(), KernelError> {
        let shape = self.weights.shape;
        state.check(shape.genes, shape.first, shape.last)?;
        self.weights.import(state, self.matrix.gene_at());
        self.weights_changed();
        Ok(())
    }

    /// Recomputes what is kept of the weights from step to step.
    fn weights_changed(&mut self) {
        if let Decoder::Gram(gram) = &mut self.decoder {
            gram.clear();
            for block in blocks(self.weights.shape.genes) {
                gram.add_block(self.isa, &self.weights, block);
            }
        }
        self.finish_weights();
    }

    fn finish_weights(&mut self) {
        self.products_fresh = false;
        match &mut self.decoder {
            Decoder::Gram(gram) => gram.finish(),
            Decoder::Residual(residual) => residual.forget(),
        }
    }

    /// `[X·W1 | X·W]` of the loaded batch, unless they are there already.
    fn refresh_products(&mut self) {
        if self.products_fresh {
            return;
        }
        let shape = self.weights.shape;
        let width = match self.decoder {
            Decoder::Gram(_) => shape.stride,
            Decoder::Residual(_) => shape.first_padded,
        };
        let genes = shape.genes;
        let (cells, dense) = (self.batch.cells, self.batch.dense);
        self.scratch.products[..cells * shape.stride].fill(0.0);
        let left = Operand { data: &self.batch.table, row: dense, column: 1 };
        for part in (0..dense).step_by(DENSE_DEPTH) {
            let part = part..(part + DENSE_DEPTH).min(dense);
            let left = Operand { data: &left.data[part.start.min(left.data.len())..], ..left };
            let right = &self.weights.weight[part.start * shape.stride..];
            let right = Operand { data: right, row: shape.stride, column: 1 };
            let products = &mut self.scratch.products;
            simd::matmul(self.isa, [cells, part.len(), width], left, right, products, shape.stride, &[]);
        }
        for (bucket, lists) in self.batch.buckets() {
            let following = bucket.end * shape.stride..(bucket.end + bucket.len()).min(genes) * shape.stride;
            let product = simd::SparseProduct {
                lists,
                lines: (0, self.batch.cells),
                table: &self.weights.weight,
                stride: shape.stride,
                width,
                add: true,
                ahead: if width == shape.stride { &self.weights.weight[following] } else { &[] },
            };
            simd::sparse_product(self.isa, product, &mut self.scratch.products, shape.stride);
        }
        self.products_fresh = true;
    }

    /// Lays out what the gradients of all genes are summed from.
    fn prepare_gradients(&mut self, hidden: &[f32], grad_first: &[f32]) {
        let shape = self.weights.shape;
        self.check_hidden(hidden);
        assert_eq!(grad_first.len(), self.batch.cells * shape.first, "one gradient row for each cell");
        for (source, grad) in
            self.scratch.sources.chunks_exact_mut(shape.stride).zip(grad_first.chunks_exact(shape.first))
        {
            source[..shape.first].copy_from_slice(grad);
        }
        match &mut self.decoder {
            Decoder::Gram(gram) => {
                gram.prepare_gradients(self.isa, &shape, self.batch.cells, hidden, &mut self.scratch.sources);
            }
            Decoder::Residual(residual) => {
                residual.prepare_gradients(self.isa, &self.weights, &self.batch, hidden);
            }
        }
    }

    /// Gradients of one block of genes, from the weights as they are.
    fn fill_gradients(&mut self, block: Range<usize>) {
        let shape = self.weights.shape;
        let width = match self.decoder {
            Decoder::Gram(_) => shape.stride,
            Decoder::Residual(_) => shape.first_padded,
        };
        if block.end <= self.batch.dense {
            self.fill_dense_sums(block.clone(), width);
        } else {
            self.fill_listed_sums(block.clone(), width);
        }
        let (grads, bias_grads) = (&mut self.scratch.grads, &mut self.scratch.bias_grads);
        match &mut self.decoder {
            Decoder::Gram(gram) => {
                gram.add_gradients(self.isa, &self.weights, &self.batch, block, grads, bias_grads);
            }
            Decoder::Residual(residual) => {
                residual.fill_gradients(self.isa, &shape, &self.batch, block, grads, bias_grads);
            }
        }
    }

    /// Σ_c x_cg · sources_c for a block of genes in the table.
    fn fill_dense_sums(&mut self, block: Range<usize>, width: usize) {
        let stride = self.weights.shape.stride;
        self.scratch.grads.fill(0.0);
        let left = Operand { data: &self.batch.table[block.start..], row: 1, column: self.batch.dense };
        let right = Operand { data: &self.scratch.sources, row: stride, column: 1 };
        let sizes = [block.len(), self.batch.cells, width];
        simd::matmul(self.isa, sizes, left, right, &mut self.scratch.grads, stride, &[]);
    }

    /// Σ_c x_cg · sources_c for a block of genes in the lists.
    fn fill_listed_sums(&mut self, block: Range<usize>, width: usize) {
        let shape = self.weights.shape;
        let product = simd::SparseProduct {
            lists: &self.batch.by_gene,
            lines: (block.start, block.end),
            table: &self.scratch.sources,
            stride: shape.stride,
            width,
            add: false,
            ahead: &[],
        };
        simd::sparse_product(self.isa, product, &mut self.scratch.grads, shape.stride);
    }
}

/// The genes in blocks of [`BLOCK`].
fn blocks(genes: usize) -> impl Iterator<Item = Range<usize>> {
    (0..genes).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(genes))
}
