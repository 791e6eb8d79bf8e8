//! Scores of one embedding: t-SNE maps, k-means, agreement with labels. Plain slices in, plain values out, on one
//! thread, with a fixed chance of its own.
//!
//! Must not live here: models and training, candle, files, clocks, and what can be said across trials (`stats`).
#![deny(unsafe_code)]

pub mod agreement;
pub mod chance;
mod error;
mod evaluate;
pub mod kmeans;
pub mod neighbours;
mod points;
pub mod tsne;

pub use error::EvalError;
pub use evaluate::{Evaluation, EvaluationInput, evaluate};
pub use points::Points;
