//! The models, one file a paper, and the training loop. The only library crate that knows candle.
//!
//! ```text
//! train      epochs, shuffles, divergence, what is measured at the end
//! latent     the seam: what a latent model is        ae, beta_vae, beta_vsc, scvi, ldvae, dca: one paper each
//! penalty    β's schedule, free bits                 diagnostics: what the latent space looks like
//! engine     the layers that touch genes             sparse (own kernels), dense (the candle reference), counts
//! net        layers and initial values               params: tensors with Adam's moments
//! normed     batch norm, dropout                     gaussian: the encoder that scVI and LDVAE share
//! streams    all the chance of a trial               visits: the order of cells in an epoch
//!                                                    pca: the baseline, no net
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
mod dca;
mod diagnostics;
mod engine;
mod error;
mod gaussian;
mod latent;
mod ldvae;
mod net;
mod normed;
mod params;
mod pca;
mod penalty;
mod scvi;
mod stopwatch;
pub mod streams;
mod threads;
mod train;
mod visits;

pub use checkpoint::{KeptEpoch, KeptTensor, TensorState, TrainState};
pub use error::TrainError;
/// Part of [`TrainOptions`]; who trains need not know the kernels.
pub use kernels::Isa;
pub use threads::{AlreadyThreaded, keep_freed_memory, limit_threads};
pub use train::{
    BatchGradients, Control, Engine, EpochReport, TrainOptions, Trained, Trainer, TrainingData, train,
    train_on,
};
