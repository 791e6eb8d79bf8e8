//! The steps of preprocessing, one file and one pure function each, with Seurat's semantics. Files and paths must
//! not live here; [`crate::prepare()`] says in which order the steps come.

pub mod genes_seen;
pub mod keep_cells;
pub mod log_normalise;
pub mod make_unique;
pub mod measure_cells;
