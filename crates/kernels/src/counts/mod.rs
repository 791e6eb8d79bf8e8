//! The gene layers of models of counts: the encoder sees a transformed count, the decoder's output is the logarithm of a
//! mean, the loss is the negative binomial's.
//!
//! ```text
//! gamma        ln Γ, ψ and their rises                   likelihood  one count's loss and derivatives
//! data         counts, sizes of cells, what the encoder sees of a count; one batch of it
//! weights      both gene layers, dispersions, the norm of the logits
//! decoder      logits → means → loss → gradients, a matrix of cells × genes
//! layers       the order of the work, as its caller sees it
//! ```
//!
//! Must not live here: the inner net, the KL terms, which sizes and dispersions a paper starts from.

mod data;
mod decoder;
pub mod gamma;
mod layers;
mod likelihood;
mod weights;

pub use data::CountData;
pub use layers::CountLayers;
pub use likelihood::{NbTerms, negative_binomial};
pub use weights::{CountGradients, CountInit, CountState, GeneNorm, GeneNormState, MeanForm};
