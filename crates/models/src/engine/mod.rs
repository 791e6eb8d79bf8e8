//! The two layers that touch genes, and one step of training around a latent model. Two engines do the same:
//! [`sparse`] by the algebra in `kernels`, [`dense`] in plain candle, the readable reference that a test holds the
//! first one against.
//!
//! Must not live here: the models, the order of the cells, epochs.

pub(crate) mod dense;
pub(crate) mod sparse;

use candle_core::Tensor;

use crate::checkpoint::TensorState;
use crate::error::TrainError;
use crate::latent::{LatentModel, Noise};
use crate::params::{AdamStep, Params};

/// Loss of one batch before its update, summed over its cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BatchLoss {
    /// Squared error, summed over genes.
    pub(crate) sse: f64,
    /// KL terms, not multiplied by β.
    pub(crate) kl: f64,
}

impl BatchLoss {
    /// SSE + β·KL. A KL that overflowed counts even where β is 0: the model is then no longer one.
    pub(crate) fn total(self, beta: f64) -> f64 {
        if beta == 0.0 && self.kl.is_finite() { self.sse } else { self.sse + beta * self.kl }
    }
}

/// The inner net: a model and its parameters.
pub(crate) struct InnerNet {
    pub(crate) model: Box<dyn LatentModel>,
    pub(crate) params: Params,
}

/// Name and gradient of every trained tensor.
pub(crate) type NamedGradients = Vec<(String, Vec<f32>)>;

/// The gene layers of one trial on one matrix.
pub(crate) trait GeneEngine {
    /// One step on the cells `rows`: forward, backward, Adam on the gene layers and on the inner net. A loss that is
    /// not finite leaves the weights without meaning.
    fn train_step(
        &mut self,
        net: &mut InnerNet,
        rows: &[u32],
        noise: &dyn Noise,
        step: &AdamStep,
    ) -> Result<BatchLoss, TrainError>;

    /// Loss and gradients of the batch sum, without an update.
    fn gradients(
        &mut self,
        net: &InnerNet,
        rows: &[u32],
        noise: &dyn Noise,
    ) -> Result<(BatchLoss, NamedGradients), TrainError>;

    /// Loads the cells `rows` and gives X·W1 (cells × encoder[0]), without bias.
    fn first_layer(&mut self, rows: &[u32]) -> Result<Tensor, TrainError>;

    /// Squared error of the cells loaded last, decoded from `hidden` (cells × decoder[last]).
    fn sse(&mut self, hidden: &Tensor) -> Result<f64, TrainError>;

    /// The gene layers for a checkpoint.
    fn export(&self) -> Result<Vec<TensorState>, TrainError>;

    /// Takes over what `export` gave.
    fn import(&mut self, tensors: &[TensorState]) -> Result<(), TrainError>;
}

/// Initial gene layers, gene-major, and their names.
pub(crate) struct GeneLayout {
    pub(crate) genes: usize,
    /// Width of the encoder's first layer.
    pub(crate) first: usize,
    /// Width of the decoder's last hidden layer.
    pub(crate) last: usize,
    pub(crate) names: GeneNames,
    /// W1, genes × first.
    pub(crate) encoder_weight: Vec<f32>,
    /// W, genes × last.
    pub(crate) decoder_weight: Vec<f32>,
    /// b, genes.
    pub(crate) decoder_bias: Vec<f32>,
}

/// Names of the three gene tensors.
#[derive(Debug, Clone)]
pub(crate) struct GeneNames {
    pub(crate) encoder_weight: String,
    pub(crate) decoder_weight: String,
    pub(crate) decoder_bias: String,
}

impl GeneLayout {
    /// PyTorch's initial values of both layers (fan-in of the encoder: genes; of the decoder: its hidden width).
    pub(crate) fn new(net: &domain::NetSpec, genes: usize, streams: crate::streams::Streams) -> Self {
        let first = net.encoder[0] as usize;
        let last = net.decoder[net.decoder.len() - 1] as usize;
        let output = net.decoder.len();
        let names = GeneNames {
            encoder_weight: "encoder.0.weight".to_owned(),
            decoder_weight: format!("decoder.{output}.weight"),
            decoder_bias: format!("decoder.{output}.bias"),
        };
        let draw = |name: &str, len, inputs| crate::net::initial_values(streams, name, len, inputs);
        Self {
            encoder_weight: draw(&names.encoder_weight, genes * first, genes),
            decoder_weight: draw(&names.decoder_weight, genes * last, last),
            decoder_bias: draw(&names.decoder_bias, genes, last),
            genes,
            first,
            last,
            names,
        }
    }

    /// Number of trained values.
    pub(crate) fn count(&self) -> u64 {
        (self.encoder_weight.len() + self.decoder_weight.len() + self.decoder_bias.len()) as u64
    }
}
