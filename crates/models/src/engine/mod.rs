//! The two layers that touch genes, and one step of training around a latent model. For squared errors two engines do the
//! same: [`sparse`] by the algebra in `kernels`, [`dense`] in plain candle, the readable reference that a test holds the
//! first one against. [`counts`] is the engine of the likelihoods of counts.
//!
//! Must not live here: the models, the order of the cells, epochs.

pub(crate) mod counts;
pub(crate) mod dense;
pub(crate) mod sparse;

use candle_core::Tensor;

use crate::checkpoint::TensorState;
use crate::error::TrainError;
use crate::latent::{Forward, LatentModel, Noise};
use crate::params::{AdamStep, Params};
use crate::penalty::{Penalty, Place};

/// Loss of one batch before its update, summed over its cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BatchLoss {
    /// Reconstruction term, summed over genes: squared error, or −log likelihood of counts.
    pub(crate) sse: f64,
    /// KL terms, not multiplied by β.
    pub(crate) kl: f64,
    /// The spike's part of `kl`.
    pub(crate) kl_spike: f64,
    /// What the KL terms added to the loss, with the step's β and free bits.
    pub(crate) penalty: f64,
}

impl BatchLoss {
    /// With what the model's penalty says.
    pub(crate) fn new(sse: f64, penalty: Option<&Penalty>) -> Self {
        match penalty {
            Some(Penalty { value, kl, kl_spike, .. }) => {
                Self { sse, kl: *kl, kl_spike: *kl_spike, penalty: *value }
            }
            None => Self { sse, kl: 0.0, kl_spike: 0.0, penalty: 0.0 },
        }
    }

    /// What the step descends.
    pub(crate) fn total(self) -> f64 {
        self.sse + self.penalty
    }
}

/// The inner net: a model, its parameters, and where in the run it stands.
pub(crate) struct InnerNet {
    pub(crate) model: Box<dyn LatentModel>,
    pub(crate) params: Params,
    pub(crate) place: Place,
}

impl InnerNet {
    /// The model's pass over a batch, at the net's place in the run.
    pub(crate) fn forward(&self, first: &Tensor, noise: &dyn Noise) -> candle_core::Result<Forward> {
        self.model.forward(first, noise, self.place)
    }
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

    /// Loss and gradients, without an update: of the batch sum for squared errors, of the mean over cells for counts.
    fn gradients(
        &mut self,
        net: &InnerNet,
        rows: &[u32],
        noise: &dyn Noise,
    ) -> Result<(BatchLoss, NamedGradients), TrainError>;

    /// Loads the cells `rows` and gives X·W1 (cells × encoder[0]), without bias.
    fn first_layer(&mut self, rows: &[u32]) -> Result<Tensor, TrainError>;

    /// Reconstruction term of the cells loaded last, decoded from `hidden` (cells × decoder[last]), summed.
    fn reconstruction(&mut self, hidden: &Tensor) -> Result<f64, TrainError>;

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
