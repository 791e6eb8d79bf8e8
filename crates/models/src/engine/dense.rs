//! The reference: the whole net in plain candle, on dense batches, with candle's own gradients. Slow, and short enough
//! to be checked by reading.

use candle_core::{DType, Device, Tensor, Var};
use cells::CsrView;

use super::{BatchLoss, GeneEngine, GeneLayout, InnerNet, NamedGradients};
use crate::checkpoint::TensorState;
use crate::error::TrainError;
use crate::latent::Noise;
use crate::params::{AdamStep, Params};
use crate::penalty::sum_f64;

/// Dense gene layers.
pub(crate) struct DenseEngine<'a> {
    matrix: CsrView<'a>,
    /// W1, genes × first.
    encoder_weight: Var,
    /// W, genes × last.
    decoder_weight: Var,
    /// b, genes.
    decoder_bias: Var,
    params: Params,
    /// The cells loaded last, cells × genes.
    x: Tensor,
}

/// A loss with the graph that made it.
struct Graph {
    batch: BatchLoss,
    total: Tensor,
}

impl<'a> DenseEngine<'a> {
    pub(crate) fn new(layout: GeneLayout, matrix: CsrView<'a>) -> Result<Self, TrainError> {
        let GeneLayout { genes, first, last, names, .. } = layout;
        let encoder_weight = Var::from_vec(layout.encoder_weight, (genes, first), &Device::Cpu)?;
        let decoder_weight = Var::from_vec(layout.decoder_weight, (genes, last), &Device::Cpu)?;
        let decoder_bias = Var::from_vec(layout.decoder_bias, genes, &Device::Cpu)?;
        let mut params = Params::default();
        params.push(&names.encoder_weight, encoder_weight.clone());
        params.push(&names.decoder_weight, decoder_weight.clone());
        params.push(&names.decoder_bias, decoder_bias.clone());
        let x = Tensor::zeros((0, genes), DType::F32, &Device::Cpu)?;
        Ok(Self { matrix, encoder_weight, decoder_weight, decoder_bias, params, x })
    }

    /// The cells `rows` as a dense tensor, cells × genes.
    fn load(&mut self, rows: &[u32]) -> Result<(), TrainError> {
        let genes = self.matrix.n_cols;
        let mut dense = vec![0.0; rows.len() * genes];
        for (row, cell) in rows.iter().zip(dense.chunks_exact_mut(genes)) {
            let (columns, values) = self.matrix.row(*row as usize);
            columns.iter().zip(values).for_each(|(column, value)| cell[*column as usize] = *value);
        }
        self.x = Tensor::from_vec(dense, (rows.len(), genes), &Device::Cpu)?;
        Ok(())
    }

    /// Σ_g (x_g − x̂_g)² of each cell, x̂ = H·Wᵀ + b.
    fn squared_errors(&self, hidden: &Tensor) -> Result<Tensor, TrainError> {
        let x_hat = hidden.matmul(&self.decoder_weight.t()?)?.broadcast_add(&self.decoder_bias)?;
        Ok((&self.x - x_hat)?.sqr()?.sum(1)?)
    }

    /// SSE + penalty of the cells `rows`.
    fn loss(&mut self, net: &InnerNet, rows: &[u32], noise: &dyn Noise) -> Result<Graph, TrainError> {
        let first = self.first_layer(rows)?;
        let forward = net.forward(&first, noise)?;
        let squared_errors = self.squared_errors(&forward.hidden)?;
        let sse = sum_f64(&squared_errors)?;
        let sse_sum = squared_errors.sum_all()?;
        let batch = BatchLoss::new(sse, forward.penalty.as_ref());
        let total = match forward.penalty {
            Some(penalty) => (sse_sum + penalty.weighted)?,
            None => sse_sum,
        };
        Ok(Graph { batch, total })
    }
}

impl GeneEngine for DenseEngine<'_> {
    fn train_step(
        &mut self,
        net: &mut InnerNet,
        rows: &[u32],
        noise: &dyn Noise,
        step: &AdamStep,
    ) -> Result<BatchLoss, TrainError> {
        let loss = self.loss(net, rows, noise)?;
        let grads = loss.total.backward()?;
        self.params.update(&grads, step)?;
        net.params.update(&grads, step)?;
        Ok(loss.batch)
    }

    fn gradients(
        &mut self,
        net: &InnerNet,
        rows: &[u32],
        noise: &dyn Noise,
    ) -> Result<(BatchLoss, NamedGradients), TrainError> {
        let loss = self.loss(net, rows, noise)?;
        let grads = loss.total.backward()?;
        let mut named = self.params.gradients(&grads)?;
        named.extend(net.params.gradients(&grads)?);
        Ok((loss.batch, named))
    }

    fn first_layer(&mut self, rows: &[u32]) -> Result<Tensor, TrainError> {
        self.load(rows)?;
        Ok(self.x.matmul(&self.encoder_weight)?)
    }

    fn reconstruction(&mut self, hidden: &Tensor) -> Result<f64, TrainError> {
        Ok(sum_f64(&self.squared_errors(hidden)?)?)
    }

    fn export(&self) -> Result<Vec<TensorState>, TrainError> {
        Ok(self.params.export()?)
    }

    fn import(&mut self, tensors: &[TensorState]) -> Result<(), TrainError> {
        self.params.import(tensors)
    }
}
