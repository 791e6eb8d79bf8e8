//! Labels from the counts themselves: the order of Seurat's steps from counts to clusters with names. The steps must not
//! live here.

use crate::csr::Csr;
use crate::error::CellsError;
use crate::labels::Labels;
use crate::provenance::Clustering;
use crate::step::vst::GeneVariability;
use crate::step::{log_normalise::log_normalise, louvain::louvain, most_variable::most_variable};
use crate::step::{name_clusters::name_clusters, nearest_neighbours::nearest_neighbours, pca::pca};
use crate::step::{scale_data::scale_data, shared_neighbours::shared_neighbours};

/// Clusters the cells of `counts` (after quality control, all genes) and names the clusters.
///
/// # Errors
/// More clusters than [`Labels::MAX_CLASSES`].
pub(crate) fn cluster_labels(
    counts: &Csr,
    genes: &[String],
    variability: &[GeneVariability],
    scale_factor: f64,
    how: &Clustering,
) -> Result<Labels, CellsError> {
    let lognorm = log_normalise(counts.clone(), scale_factor);
    let cluster_of_cell = clusters(&lognorm, variability, how);
    let names = name_clusters(lognorm.view(), genes, &cluster_of_cell, &how.markers);
    let label_of_cell: Vec<&str> =
        cluster_of_cell.iter().map(|&cluster| names[cluster as usize].as_str()).collect();
    Labels::of_names(&label_of_cell)
        .map_err(|clusters| CellsError::TooManyClusters { clusters, max: Labels::MAX_CLASSES })
}

/// The cluster of each cell, 0 the largest.
fn clusters(lognorm: &Csr, variability: &[GeneVariability], how: &Clustering) -> Vec<u32> {
    let mut variable = most_variable(variability, how.variable_genes as usize);
    variable.sort_unstable();
    let variable_genes = lognorm.clone().select_columns(&variable);
    let components = pca(&scale_data(variable_genes.view()), how.components as usize);
    let neighbours = (how.neighbours as usize).min(lognorm.view().n_rows);
    let nearest = nearest_neighbours(&components.scores, components.count, components.count, neighbours);
    louvain(&shared_neighbours(&nearest, neighbours), how.resolution)
}
