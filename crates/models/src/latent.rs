//! The seam between a latent model and the layers that touch genes.
//!
//! ```text
//! X ──W1──▶ first ──[ trunk, heads, q(z|x), z, decoder ]──▶ H ──W, b──▶ x̂
//!  (engine)          (a latent model: one file a paper)            (engine)
//! ```
//!
//! A model sees neither genes nor the reconstruction error; an engine sees neither z nor the KL terms.

use candle_core::{Device, Result, Tensor};

use crate::penalty::{Objective, Penalty, Place};
use crate::streams::{Stream, Streams};

/// Where a model gets its random numbers from.
pub(crate) trait Noise {
    /// ε ~ N(0, 1), cells × dims.
    fn epsilon(&self, cells: usize, dims: usize) -> Result<Tensor>;
    /// η ~ U(0, 1), cells × dims.
    fn eta(&self, cells: usize, dims: usize) -> Result<Tensor>;
    /// What dropout multiplies the units of `layer` by, cells × width: 0 with probability `dropout`, else
    /// 1/(1 − dropout).
    fn keep(&self, layer: &str, cells: usize, width: usize, dropout: f64) -> Result<Tensor>;
}

/// The noise of one step of the optimiser.
pub(crate) struct StepNoise {
    pub(crate) streams: Streams,
    /// Number of the step, from 0.
    pub(crate) step: u64,
}

impl Noise for StepNoise {
    fn epsilon(&self, cells: usize, dims: usize) -> Result<Tensor> {
        let values = self.streams.open("noise epsilon", self.step).normals(cells * dims);
        Tensor::from_vec(values, (cells, dims), &Device::Cpu)
    }

    fn eta(&self, cells: usize, dims: usize) -> Result<Tensor> {
        let values = self.streams.open("noise eta", self.step).uniforms(cells * dims);
        Tensor::from_vec(values, (cells, dims), &Device::Cpu)
    }

    fn keep(&self, layer: &str, cells: usize, width: usize, dropout: f64) -> Result<Tensor> {
        let draws = self.streams.open(&format!("dropout {layer}"), self.step).uniforms(cells * width);
        let (limit, kept) = (dropout as f32, (1.0 / (1.0 - dropout)) as f32);
        let factors =
            draws.into_iter().map(|draw| if draw < limit { 0.0 } else { kept }).collect::<Vec<f32>>();
        Tensor::from_vec(factors, (cells, width), &Device::Cpu)
    }
}

/// The noise of the final encoding: each cell has draws of its own, whatever block of cells it comes in and however
/// long the training was.
pub(crate) struct EncodingNoise<'a> {
    pub(crate) streams: Streams,
    /// The block's cells.
    pub(crate) rows: &'a [u32],
}

impl EncodingNoise<'_> {
    fn draw(&self, purpose: &str, cells: usize, draw: impl Fn(&mut Stream) -> Vec<f32>) -> Vec<f32> {
        let rows = self.rows.iter().take(cells);
        rows.flat_map(|row| draw(&mut self.streams.open(purpose, u64::from(*row)))).collect()
    }
}

impl Noise for EncodingNoise<'_> {
    fn epsilon(&self, cells: usize, dims: usize) -> Result<Tensor> {
        let values = self.draw("encode epsilon", cells, |stream| stream.normals(dims));
        Tensor::from_vec(values, (cells, dims), &Device::Cpu)
    }

    fn eta(&self, cells: usize, dims: usize) -> Result<Tensor> {
        let values = self.draw("encode eta", cells, |stream| stream.uniforms(dims));
        Tensor::from_vec(values, (cells, dims), &Device::Cpu)
    }

    /// Nothing drops out of an encoding.
    fn keep(&self, _layer: &str, cells: usize, width: usize, _dropout: f64) -> Result<Tensor> {
        Tensor::ones((cells, width), candle_core::DType::F32, &Device::Cpu)
    }
}

/// What one pass over a batch gives.
pub(crate) struct Forward {
    /// H, the decoder's last hidden layer, cells × decoder[last].
    pub(crate) hidden: Tensor,
    /// What the KL terms add to the loss; `None` for a model without.
    pub(crate) penalty: Option<Penalty>,
}

/// What the model makes of cells after training; every tensor is cells × latent_dim.
pub(crate) struct Encoded {
    /// The deterministic code: AE z, VAE μ, VSC γ·μ. Losses after training are those of its decoding.
    pub(crate) mean: Tensor,
    /// The code that stands for a cell in the evaluation, as the config's `encode` says.
    pub(crate) code: Tensor,
    /// KL of each cell and dimension, nat; `None` for a model without.
    pub(crate) kl: Option<Tensor>,
    /// VSC: the gates.
    pub(crate) gates: Option<Gates>,
}

/// The gates of a VSC; every tensor is cells × latent_dim.
pub(crate) struct Gates {
    /// γ.
    pub(crate) gamma: Tensor,
    /// The spike's part of the KL, nat.
    pub(crate) kl_spike: Tensor,
    /// η − 1 + γ of one draw from the posterior: not above 0 where the hard gate is shut.
    pub(crate) threshold: Tensor,
    /// 1 where γ is 1 and has no gradient, else 0.
    pub(crate) pinned: Tensor,
}

/// One model: everything between `first` and H.
pub(crate) trait LatentModel {
    /// `first` is X·W1 without bias, cells × encoder[0]; `place` sets what the schedules say.
    fn forward(&self, first: &Tensor, noise: &dyn Noise, place: Place) -> Result<Forward>;
    /// `first` as in [`LatentModel::forward`]. The model as it is when every schedule has run its course; `noise` matters
    /// only where the config encodes by a sample, and for the hard gates.
    fn encode(&self, first: &Tensor, noise: &dyn Noise) -> Result<Encoded>;
    /// z (cells × latent_dim) → H.
    fn decode(&self, z: &Tensor) -> Result<Tensor>;
    /// How the KL terms enter the loss.
    fn objective(&self) -> Objective;
    /// The step of the last [`LatentModel::forward`] is done: running statistics follow. Most models have none.
    fn remember(&self) {}
}

/// KL(N(μ, σ²) ‖ N(0, 1)) = ½ (μ² + σ² − 1 − log σ²), element by element.
pub(crate) fn gaussian_kl(mu: &Tensor, log_var: &Tensor) -> Result<Tensor> {
    ((mu.sqr()? + log_var.exp()?)? - (log_var + 1.0)?)? * 0.5
}

/// μ + σ·ε with σ = exp(½ log σ²): the reparametrisation of Kingma & Welling 2013.
pub(crate) fn reparametrise(mu: &Tensor, log_var: &Tensor, epsilon: &Tensor) -> Result<Tensor> {
    mu + ((log_var * 0.5)?.exp()? * epsilon)?
}
