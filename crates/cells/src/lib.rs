//! scRNA-seq data, from files of counts to one immutable, fingerprinted data set: readers, sparse matrix, quality
//! control, normalisation, variable genes, clusters, labels and the data set's own file format.
//!
//! Must not live here: models, scores of embeddings, anything asynchronous, clocks and seeds. [`prepare()`]
//! chains the steps; every step is a pure function in a file of its own under [`step`].

mod cluster;
pub mod csr;
pub mod dataset;
pub mod error;
pub mod inspect;
pub mod labels;
pub mod prepare;
pub mod provenance;
pub mod read;
pub mod step;

pub use csr::{Csr, CsrView};
pub use dataset::{Dataset, Parts};
pub use error::CellsError;
pub use inspect::{Inspection, inspect};
pub use labels::Labels;
pub use prepare::prepare;
pub use provenance::{CellsDropped, Choices, Clustering, CountsReader, Provenance};

#[cfg(target_endian = "big")]
compile_error!("data set files are little-endian and memory-mapped as they are; this machine is big-endian");
