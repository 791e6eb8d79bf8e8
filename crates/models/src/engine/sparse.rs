//! The fast engine: `kernels` owns the gene layers, candle differentiates only what lies between `first` and H.
//!
//! ```text
//! first = X·W1                    kernels; enters candle as a leaf
//! H, KL                           candle
//! SSE, dH = ∂SSE/∂H               kernels, no cells × genes matrix is formed
//! backward of Σ H∘dH + penalty    candle: with dH held fixed, its gradients are those of SSE + penalty (β·KL)
//! Adam on W1, W, b                kernels, from H and ∂/∂first, block by block in cache
//! ```

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use kernels::{GeneLayers, GeneLayersInit, GeneLayersState, Isa, Moments, PreparedMatrix};

use super::{BatchLoss, GeneEngine, GeneLayout, GeneNames, InnerNet, NamedGradients};
use crate::checkpoint::TensorState;
use crate::error::TrainError;
use crate::latent::Noise;
use crate::net::values;
use crate::params::AdamStep;

/// Gene layers in `kernels`.
pub(crate) struct SparseEngine<'a> {
    layers: GeneLayers<'a>,
    names: GeneNames,
    genes: usize,
    first: usize,
    last: usize,
}

/// A batch after its backward pass.
struct Backward {
    loss: BatchLoss,
    /// H, cells × last.
    hidden: Vec<f32>,
    /// ∂loss/∂first, cells × first.
    grad_first: Vec<f32>,
    /// Gradients of the inner net.
    inner: GradStore,
}

impl<'a> SparseEngine<'a> {
    pub(crate) fn new(
        layout: &GeneLayout,
        matrix: &'a PreparedMatrix<'a>,
        max_batch: usize,
        isa: Isa,
    ) -> Result<Self, TrainError> {
        let init = GeneLayersInit {
            genes: layout.genes,
            first: layout.first,
            last: layout.last,
            encoder_weight: &layout.encoder_weight,
            decoder_weight: &layout.decoder_weight,
            decoder_bias: &layout.decoder_bias,
        };
        let layers = GeneLayers::new(&init, matrix, max_batch, isa)?;
        let names = layout.names.clone();
        Ok(Self { layers, names, genes: layout.genes, first: layout.first, last: layout.last })
    }

    /// X·W1 of the cells `rows`, row-major.
    fn load(&mut self, rows: &[u32]) -> Vec<f32> {
        self.layers.load_batch(rows);
        let mut first = vec![0.0; rows.len() * self.first];
        self.layers.encode(&mut first);
        first
    }

    fn backward(&mut self, net: &InnerNet, rows: &[u32], noise: &dyn Noise) -> Result<Backward, TrainError> {
        let cells = rows.len();
        let first = Var::from_vec(self.load(rows), (cells, self.first), &Device::Cpu)?;
        let forward = net.forward(&first, noise)?;

        let hidden = values(&forward.hidden)?;
        let mut grad_hidden = vec![0.0; hidden.len()];
        let sse = self.layers.decode(&hidden, &mut grad_hidden);

        let grad_hidden = Tensor::from_vec(grad_hidden, (cells, self.last), &Device::Cpu)?;
        let surrogate = (&forward.hidden * grad_hidden)?.sum_all()?;
        let loss = BatchLoss::new(sse, forward.penalty.as_ref());
        let total = match forward.penalty {
            Some(penalty) => (surrogate + penalty.weighted)?,
            None => surrogate,
        };
        let inner = total.backward()?;
        let grad_first = match inner.get(&first) {
            Some(grad) => values(grad)?,
            None => vec![0.0; cells * self.first],
        };
        Ok(Backward { loss, hidden, grad_first, inner })
    }
}

impl GeneEngine for SparseEngine<'_> {
    fn train_step(
        &mut self,
        net: &mut InnerNet,
        rows: &[u32],
        noise: &dyn Noise,
        step: &AdamStep,
    ) -> Result<BatchLoss, TrainError> {
        let Backward { loss, hidden, grad_first, inner } = self.backward(net, rows, noise)?;
        self.layers.step(&hidden, &grad_first, &step.adam, step.number);
        net.params.update(&inner, step)?;
        Ok(loss)
    }

    fn gradients(
        &mut self,
        net: &InnerNet,
        rows: &[u32],
        noise: &dyn Noise,
    ) -> Result<(BatchLoss, NamedGradients), TrainError> {
        let Backward { loss, hidden, grad_first, inner } = self.backward(net, rows, noise)?;
        let (encoder_weight, decoder_weight, decoder_bias) = self.layers.gradients(&hidden, &grad_first);
        let mut named = vec![
            (self.names.encoder_weight.clone(), encoder_weight),
            (self.names.decoder_weight.clone(), decoder_weight),
            (self.names.decoder_bias.clone(), decoder_bias),
        ];
        named.extend(net.params.gradients(&inner)?);
        Ok((loss, named))
    }

    fn first_layer(&mut self, rows: &[u32]) -> Result<Tensor, TrainError> {
        Ok(Tensor::from_vec(self.load(rows), (rows.len(), self.first), &Device::Cpu)?)
    }

    fn reconstruction(&mut self, hidden: &Tensor) -> Result<f64, TrainError> {
        Ok(self.layers.sse(&values(hidden)?))
    }

    fn export(&self) -> Result<Vec<TensorState>, TrainError> {
        let GeneLayersState { encoder_weight, decoder_weight, decoder_bias } = self.layers.export();
        let named = |name: &str, tensor: Moments| TensorState {
            name: name.to_owned(),
            weight: tensor.weight,
            first_moment: tensor.first,
            second_moment: tensor.second,
        };
        Ok(vec![
            named(&self.names.encoder_weight, encoder_weight),
            named(&self.names.decoder_weight, decoder_weight),
            named(&self.names.decoder_bias, decoder_bias),
        ])
    }

    fn import(&mut self, tensors: &[TensorState]) -> Result<(), TrainError> {
        let find = |name: &str, len| {
            let state = TensorState::find(tensors, name, len)?;
            Ok::<_, TrainError>(Moments {
                weight: state.weight.clone(),
                first: state.first_moment.clone(),
                second: state.second_moment.clone(),
            })
        };
        let state = GeneLayersState {
            encoder_weight: find(&self.names.encoder_weight, self.genes * self.first)?,
            decoder_weight: find(&self.names.decoder_weight, self.genes * self.last)?,
            decoder_bias: find(&self.names.decoder_bias, self.genes)?,
        };
        Ok(self.layers.import(&state)?)
    }
}
