//! The models, one file a paper, and the training loop. The only library crate that knows candle.
//!
//! ```text
//! train      epochs, shuffles, divergence, what is measured at the end
//! latent     the seam: what a latent model is        ae, beta_vae, beta_vsc: one paper each
//! engine     the layers that touch genes             sparse (own kernels), dense (the candle reference)
//! net        layers and initial values               params: tensors with Adam's moments
//! streams    all the chance of a trial               pca: the baseline, no net
//! ```
//!
//! A trial runs on one thread and gives the same bits in any process on one kind of processor.
//!
//! Must not live here: reading data, scores against labels, anything asynchronous, any store.

mod ae;
mod beta_vae;
mod beta_vsc;
mod checkpoint;
mod checks;
mod diagnostics;
mod engine;
mod error;
mod latent;
mod net;
mod params;
mod pca;
mod stopwatch;
pub mod streams;
mod threads;
mod train;

pub use checkpoint::{TensorState, TrainState};
pub use error::TrainError;
/// Part of [`TrainOptions`]; who trains need not know the kernels.
pub use kernels::Isa;
pub use threads::{AlreadyThreaded, limit_threads};
pub use train::{
    BatchGradients, Control, Engine, EpochReport, TrainOptions, Trained, Trainer, TrainingData, train,
    train_on,
};
