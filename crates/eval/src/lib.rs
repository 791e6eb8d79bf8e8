//! Scores of one embedding: t-SNE maps, clusters, agreement with labels, neighbours. Plain slices in, plain values out,
//! with a fixed chance of its own, on one thread or, to the same bits, on two.
//!
//! Must not live here: models and training, candle, files, clocks, and what can be said across trials (`stats`).
#![deny(unsafe_code)]

pub mod agreement;
mod brake;
pub mod chance;
mod error;
mod evaluate;
pub mod kmeans;
pub mod leiden;
pub mod nearby;
pub mod neighbours;
mod points;
pub mod silhouette;
mod simd;
pub mod trustworthiness;
pub mod tsne;

pub use brake::Brake;
pub use error::EvalError;
pub use evaluate::{Conduct, Evaluation, EvaluationInput, evaluate};
pub use points::Points;
