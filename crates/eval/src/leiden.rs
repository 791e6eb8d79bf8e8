//! Communities of the codes' neighbour graph by Leiden (Traag, Waltman and van Eck 2019), at several resolutions of the
//! modularity. Which resolution counts is decided where they are scored.

use single_clustering::community_search::leiden::{LeidenConfig, ObjectiveKind, leiden, modularity};
use single_clustering::error::ClusteringError;
use single_clustering::network::CSRNetwork;

use crate::chance::{Chance, Purpose};
use crate::error::EvalError;
use crate::neighbours::Neighbours;

/// Resolutions that are tried.
pub const RESOLUTIONS: [f64; 10] = [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0];

/// Passes at most, each going on from the last one's communities; it ends sooner where two find nothing.
const MOST_PASSES: usize = 10;

/// Cells joined to their nearest neighbours: an edge wherever either is among the other's, all of weight 1.
#[derive(Debug, Clone)]
pub struct NeighbourGraph {
    network: CSRNetwork,
    seed: u64,
}

impl NeighbourGraph {
    /// The graph of the `k` nearest neighbours of each point.
    ///
    /// # Errors
    /// When there are more points than the graph can number.
    pub fn new(neighbours: &Neighbours, k: usize) -> Result<Self, EvalError> {
        let count = neighbours.count;
        let mut edges: Vec<(usize, usize)> = Vec::with_capacity(count * k.min(neighbours.k));
        for point in 0..count {
            let others = neighbours.row(point, k).0.iter().map(|&other| other as usize);
            edges.extend(others.map(|other| (point.min(other), point.max(other))));
        }
        edges.sort_unstable();
        edges.dedup();
        let weighted: Vec<(usize, usize, f32)> = edges.into_iter().map(|(a, b)| (a, b, 1.0)).collect();
        let network = CSRNetwork::from_edges(count, &weighted).map_err(not_a_graph)?;
        Ok(Self { network, seed: Chance::new(Purpose::LatentLeiden).seed() })
    }

    /// Number of edges.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.network.edge_count()
    }

    /// The community of each point at `resolution`, the largest first, equal sizes by their first point.
    ///
    /// # Errors
    /// When there are more communities than an artifact can name, or the resolution is no number of at least 0.
    pub fn communities(&self, resolution: f64) -> Result<Vec<u16>, EvalError> {
        let config = LeidenConfig {
            objective: ObjectiveKind::Rb { resolution },
            seed: Some(self.seed),
            n_iterations: MOST_PASSES,
            ..LeidenConfig::default()
        };
        let found = leiden(&self.network, &config).map_err(not_a_graph)?;
        by_size(found.labels(), found.n_clusters())
    }

    /// Modularity of a partition at resolution 1, as igraph's.
    ///
    /// # Panics
    /// When it has another number of points.
    #[must_use]
    pub fn modularity(&self, clusters: &[u16]) -> f64 {
        let clusters: Vec<usize> = clusters.iter().map(|&cluster| usize::from(cluster)).collect();
        modularity(&self.network, &clusters, 1.0)
    }
}

fn not_a_graph(error: ClusteringError) -> EvalError {
    EvalError::Graph(error.to_string())
}

/// New names for communities: the largest is 0, equal sizes are ordered by their first point.
fn by_size(labels: &[usize], communities: usize) -> Result<Vec<u16>, EvalError> {
    if communities > usize::from(u16::MAX) {
        return Err(EvalError::TooManyClusters { found: communities });
    }
    let mut sizes = vec![0usize; communities];
    let mut first = vec![labels.len(); communities];
    for (point, &label) in labels.iter().enumerate().rev() {
        sizes[label] += 1;
        first[label] = point;
    }
    let mut order: Vec<usize> = (0..communities).collect();
    order.sort_by_key(|&label| (std::cmp::Reverse(sizes[label]), first[label]));
    let mut name = vec![0u16; communities];
    for (new, &old) in (0u16..).zip(&order) {
        name[old] = new;
    }
    Ok(labels.iter().map(|&label| name[label]).collect())
}

#[cfg(test)]
mod tests {
    use super::{NeighbourGraph, RESOLUTIONS};
    use crate::brake::Brake;
    use crate::error::EvalError;
    use crate::neighbours::Neighbours;
    use crate::points::Points;

    fn graph(values: &[f32], dim: usize, k: usize) -> NeighbourGraph {
        let points = Points::new(values, values.len() / dim, dim).unwrap();
        NeighbourGraph::new(&Neighbours::exact(&points, k, &mut Brake::none()).unwrap(), k).unwrap()
    }

    /// Clumps of 9, 12 and 15 cells, far from each other.
    fn clumps() -> Vec<f32> {
        let clump = |size: usize, place: f32| (0..size).map(move |cell| place + cell as f32 * 0.01);
        clump(9, 0.0).chain(clump(12, 50.0)).chain(clump(15, 100.0)).collect()
    }

    #[test]
    fn clumps_that_no_edge_joins_are_the_communities_of_a_low_resolution() {
        let graph = graph(&clumps(), 1, 5);
        let found = graph.communities(0.2).unwrap();
        let expected: Vec<u16> = [vec![2; 9], vec![1; 12], vec![0; 15]].concat();
        assert_eq!(found, expected);
        assert_eq!(found, graph.communities(0.2).unwrap());
    }

    #[test]
    fn communities_get_no_fewer_with_the_resolution() {
        let graph = graph(&clumps(), 1, 5);
        let count = |resolution| graph.communities(resolution).unwrap().into_iter().max().unwrap();
        let counts: Vec<u16> = RESOLUTIONS.into_iter().map(count).collect();
        assert!(counts.is_sorted(), "{counts:?}");
    }

    #[test]
    fn few_cells_have_few_communities() {
        assert_eq!(graph(&[], 2, 15).communities(1.0).unwrap(), [0u16; 0]);
        assert_eq!(graph(&[1.0, 2.0], 1, 15).communities(1.0).unwrap(), [0, 0]);
        let same = graph(&[7.0; 40], 1, 15);
        assert!(same.edges() >= 40 * 15 / 2);
        assert_eq!(same.communities(1.0).unwrap().len(), 40);
    }

    #[test]
    fn a_resolution_below_zero_is_refused() {
        assert!(matches!(graph(&[1.0, 2.0], 1, 1).communities(-1.0), Err(EvalError::Graph(_))));
    }

    #[test]
    fn modularity_of_one_community_is_zero() {
        let graph = graph(&clumps(), 1, 5);
        assert!(graph.modularity(&[0; 36]).abs() < 1e-12);
        // Three components without a common edge: 1 − Σ (share of edge ends)².
        let parts: Vec<u16> = [vec![2; 9], vec![1; 12], vec![0; 15]].concat();
        assert!((0.6..0.7).contains(&graph.modularity(&parts)));
    }
}
