//! The graph of shared nearest neighbours, as Seurat's `FindNeighbors` makes it. Finding neighbours must not live here, nor
//! clusters.

/// Lightest edge that is kept (Seurat's `prune.SNN`).
const LIGHTEST: f64 = 1.0 / 15.0;

/// An undirected graph with weights: node `i` owns the entries `starts[i]..starts[i + 1]`, each edge stands at both its
/// ends, ends are ascending, none leads to its own node.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    pub(crate) starts: Vec<usize>,
    pub(crate) ends: Vec<u32>,
    pub(crate) weights: Vec<f64>,
}

impl Graph {
    /// Number of nodes.
    #[must_use]
    pub fn n_nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// Other ends and weights of a node's edges.
    #[must_use]
    pub fn edges(&self, node: usize) -> (&[u32], &[f64]) {
        let entries = self.starts[node]..self.starts[node + 1];
        (&self.ends[entries.clone()], &self.weights[entries])
    }
}

/// Joins cells that share `s` of their `k` neighbours (each cell is its own first) by an edge of weight s / (2k − s), the
/// share of both lists that is common, unless it is below 1/15. `neighbours` is cells × k.
#[must_use]
pub fn shared_neighbours(neighbours: &[u32], k: usize) -> Graph {
    let cells = neighbours.len() / k;
    let mut listed_by: Vec<Vec<u32>> = vec![Vec::new(); cells];
    for (cell, list) in (0..).zip(neighbours.chunks_exact(k)) {
        list.iter().for_each(|&neighbour| listed_by[neighbour as usize].push(cell));
    }
    let mut graph = Graph { starts: vec![0], ends: Vec::new(), weights: Vec::new() };
    let mut shared = vec![0_usize; cells];
    let mut met = Vec::new();
    for (cell, list) in (0..).zip(neighbours.chunks_exact(k)) {
        for &other in list.iter().flat_map(|&neighbour| &listed_by[neighbour as usize]) {
            if shared[other as usize] == 0 {
                met.push(other);
            }
            shared[other as usize] += 1;
        }
        met.sort_unstable();
        for other in met.drain(..) {
            let common = std::mem::take(&mut shared[other as usize]);
            let weight = common as f64 / (2 * k - common) as f64;
            if other != cell && weight >= LIGHTEST {
                graph.ends.push(other);
                graph.weights.push(weight);
            }
        }
        graph.starts.push(graph.ends.len());
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::shared_neighbours;

    #[test]
    fn the_weight_is_the_common_share() {
        // 0: {0 1}, 1: {1 0}, 2: {2 1}, 3: {3 2}
        let graph = shared_neighbours(&[0, 1, 1, 0, 2, 1, 3, 2], 2);
        assert_eq!(graph.edges(0), (&[1, 2][..], &[1.0, 1.0 / 3.0][..]));
        assert_eq!(graph.edges(1), (&[0, 2][..], &[1.0, 1.0 / 3.0][..]));
        assert_eq!(graph.edges(2), (&[0, 1, 3][..], &[1.0 / 3.0; 3][..]));
        assert_eq!(graph.edges(3), (&[2][..], &[1.0 / 3.0][..]));
    }

    #[test]
    fn light_edges_are_dropped() {
        // two cells that share 2 of 17: 2/32 < 1/15; with 3: 3/31
        let lists = |common: u32| {
            let list = move |cell: u32| {
                let own = move |place| if place < common { 40 + place } else { cell * 17 + place };
                std::iter::once(cell).chain((0..16).map(own))
            };
            let mut all: Vec<u32> = list(0).chain(list(1)).collect();
            let others = |cell| (60..77).filter(move |&other| other != cell).take(16);
            all.extend((2..80).flat_map(|cell| std::iter::once(cell).chain(others(cell))));
            all
        };
        assert!(!shared_neighbours(&lists(2), 17).edges(0).0.contains(&1));
        assert!(shared_neighbours(&lists(3), 17).edges(0).0.contains(&1));
    }
}
