//! The seam between a latent model and the layers that touch genes.
//!
//! ```text
//! X ──W1──▶ first ──[ trunk, heads, q(z|x), z, decoder ]──▶ H ──W, b──▶ x̂
//!  (engine)          (a latent model: one file a paper)            (engine)
//! ```
//!
//! A model sees neither genes nor the reconstruction error; an engine sees neither z nor the KL terms.

use candle_core::{Device, Result, Tensor};

use crate::streams::{Stream, Streams};

/// Where a model gets its random numbers from.
pub(crate) trait Noise {
    /// ε ~ N(0, 1), cells × dims.
    fn epsilon(&self, cells: usize, dims: usize) -> Result<Tensor>;
    /// η ~ U(0, 1), cells × dims.
    fn eta(&self, cells: usize, dims: usize) -> Result<Tensor>;
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
}

/// The noise of the final encoding: each cell has draws of its own, whatever block of cells it comes in and however
/// long the training was.
pub(crate) struct EncodingNoise {
    pub(crate) streams: Streams,
    /// Number of the block's first cell.
    pub(crate) first_cell: u64,
}

impl EncodingNoise {
    fn draw(&self, purpose: &str, cells: usize, draw: impl Fn(&mut Stream) -> Vec<f32>) -> Vec<f32> {
        (self.first_cell..).take(cells).flat_map(|cell| draw(&mut self.streams.open(purpose, cell))).collect()
    }
}

impl Noise for EncodingNoise {
    fn epsilon(&self, cells: usize, dims: usize) -> Result<Tensor> {
        let values = self.draw("encode epsilon", cells, |stream| stream.normals(dims));
        Tensor::from_vec(values, (cells, dims), &Device::Cpu)
    }

    fn eta(&self, cells: usize, dims: usize) -> Result<Tensor> {
        let values = self.draw("encode eta", cells, |stream| stream.uniforms(dims));
        Tensor::from_vec(values, (cells, dims), &Device::Cpu)
    }
}

/// What one pass over a batch gives.
pub(crate) struct Forward {
    /// H, the decoder's last hidden layer, cells × decoder[last].
    pub(crate) hidden: Tensor,
    /// KL terms summed over dimensions and cells, a scalar, not multiplied by β; `None` for a model without.
    pub(crate) kl_sum: Option<Tensor>,
}

/// What the model makes of cells after training; every tensor is cells × latent_dim.
pub(crate) struct Encoded {
    /// The deterministic code: AE z, VAE μ, VSC γ·μ. Losses after training are those of its decoding.
    pub(crate) mean: Tensor,
    /// The code that stands for a cell in the evaluation, as the config's `encode` says.
    pub(crate) code: Tensor,
    /// KL of each cell and dimension, nat; `None` for a model without.
    pub(crate) kl: Option<Tensor>,
    /// VSC: γ.
    pub(crate) gate: Option<Tensor>,
}

/// One model: everything between `first` and H.
pub(crate) trait LatentModel {
    /// `first` is X·W1 without bias, cells × encoder[0].
    fn forward(&self, first: &Tensor, noise: &dyn Noise) -> Result<Forward>;
    /// `first` as in [`LatentModel::forward`]; `noise` matters only where the config encodes by a sample.
    fn encode(&self, first: &Tensor, noise: &dyn Noise) -> Result<Encoded>;
    /// z (cells × latent_dim) → H.
    fn decode(&self, z: &Tensor) -> Result<Tensor>;
    /// Weight of the KL terms in the loss; 0 for a model without.
    fn beta(&self) -> f64;
}

/// KL(N(μ, σ²) ‖ N(0, 1)) = ½ (μ² + σ² − 1 − log σ²), element by element.
pub(crate) fn gaussian_kl(mu: &Tensor, log_var: &Tensor) -> Result<Tensor> {
    ((mu.sqr()? + log_var.exp()?)? - (log_var + 1.0)?)? * 0.5
}

/// μ + σ·ε with σ = exp(½ log σ²): the reparametrisation of Kingma & Welling 2013.
pub(crate) fn reparametrise(mu: &Tensor, log_var: &Tensor, epsilon: &Tensor) -> Result<Tensor> {
    mu + ((log_var * 0.5)?.exp()? * epsilon)?
}
