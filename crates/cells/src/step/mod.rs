//! The steps of preprocessing, one file and one pure function each, with Seurat's semantics. Files and paths must
//! not live here; [`crate::prepare()`] says in which order the steps come.

pub mod first_not_whole;
pub mod genes_seen;
pub mod keep_cells;
pub mod loess;
pub mod log_normalise;
pub mod louvain;
pub mod make_unique;
pub mod measure_cells;
pub mod most_variable;
pub mod name_clusters;
pub mod nearest_neighbours;
pub mod pca;
pub mod scale_data;
pub mod shared_neighbours;
pub mod vst;
