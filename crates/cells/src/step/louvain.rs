//! Communities of a graph by the Louvain method (Blondel et al. 2008, J. Stat. Mech. P10008), with the order of moves and the
//! random numbers of Waltman and van Eck's modularity optimizer (2013, Eur. Phys. J. B 86:471), which Seurat's `FindClusters`
//! runs: on the same graph it gives Seurat's clusters, not only clusters of the same quality. Making the graph must not live
//! here, nor names of clusters.
//!
//! ```text
//! quality   Σ_c (weight inside c) − γ·(weight of c)² / W, over W; W is the weight of all nodes, a node's that of its edges
//! a round   move nodes to the best neighbouring community until none moves; make each community a node; again, until
//!           nothing moves; from the top anew while that changes something, at most 10 times
//! result    the best of 10 rounds from single nodes, the first of equals
//! ```

use super::shared_neighbours::Graph;

/// Seurat's `n.start`.
const STARTS: usize = 10;
/// Seurat's `n.iter`.
const ITERATIONS: usize = 10;
/// Seurat's `random.seed`.
const SEED: u64 = 0;

/// The community of each node; number 0 is the largest. Single nodes that no community wanted join the one that they are
/// tied to best, as in Seurat's `GroupSingletons`.
#[must_use]
pub fn louvain(graph: &Graph, resolution: f64) -> Vec<u32> {
    let network = Network::of(graph);
    let all_weight: f64 = network.node_weights.iter().sum();
    if all_weight == 0.0 {
        return (0..).take(graph.n_nodes()).collect(); // no edges: nothing holds anything together
    }
    let scaled_resolution = resolution / all_weight;
    let mut random = JavaRandom::new(SEED);
    let mut best: Option<(f64, Communities)> = None;
    for _ in 0..STARTS {
        let mut communities = Communities::single(graph.n_nodes());
        for _ in 0..ITERATIONS {
            if !run(&network, &mut communities, scaled_resolution, &mut random) {
                break;
            }
        }
        let quality = quality(&network, &communities, scaled_resolution);
        if best.as_ref().is_none_or(|(most, _)| quality > *most) {
            best = Some((quality, communities));
        }
    }
    let (_, mut communities) = best.expect("there is at least one start");
    communities.largest_first();
    join_singletons(graph, &mut communities);
    communities.largest_first();
    communities.of_node.iter().map(|&community| community as u32).collect()
}

/// A community of each node.
#[derive(Debug, Clone)]
struct Communities {
    of_node: Vec<usize>,
    count: usize,
}

impl Communities {
    fn single(nodes: usize) -> Self {
        Self { of_node: (0..nodes).collect(), count: nodes }
    }

    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count];
        self.of_node.iter().for_each(|&community| sizes[community] += 1);
        sizes
    }

    /// Nodes of each community, ascending.
    fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.count];
        self.of_node.iter().enumerate().for_each(|(node, &community)| members[community].push(node));
        members
    }

    /// Numbers them anew by falling size, equal ones in their own order; empty ones go.
    fn largest_first(&mut self) {
        let sizes = self.sizes();
        let mut order: Vec<usize> = (0..self.count).collect();
        order.sort_by_key(|&community| std::cmp::Reverse(sizes[community]));
        let mut number_of = vec![0; self.count];
        order.iter().enumerate().for_each(|(number, &community)| number_of[community] = number);
        self.of_node.iter_mut().for_each(|community| *community = number_of[*community]);
        self.count = sizes.iter().filter(|&&size| size > 0).count();
    }
}

/// A graph whose nodes may stand for many nodes; edges inside such a node are `inside` and nowhere else.
#[derive(Debug)]
struct Network {
    starts: Vec<usize>,
    ends: Vec<usize>,
    weights: Vec<f64>,
    node_weights: Vec<f64>,
    /// Weight of the edges inside nodes, each counted at both ends.
    inside: f64,
}

impl Network {
    fn of(graph: &Graph) -> Self {
        let node_weights = (0..graph.n_nodes()).map(|node| graph.edges(node).1.iter().sum()).collect();
        Self {
            starts: graph.starts.clone(),
            ends: graph.ends.iter().map(|&end| end as usize).collect(),
            weights: graph.weights.clone(),
            node_weights,
            inside: 0.0,
        }
    }

    fn n_nodes(&self) -> usize {
        self.node_weights.len()
    }

    fn edges(&self, node: usize) -> impl Iterator<Item = (usize, f64)> {
        let entries = self.starts[node]..self.starts[node + 1];
        self.ends[entries.clone()].iter().copied().zip(self.weights[entries].iter().copied())
    }

    /// Each community becomes a node. Its edges stand in the order in which its members, ascending, meet them.
    fn reduced(&self, communities: &Communities) -> Self {
        let mut reduced = Self {
            starts: vec![0],
            ends: Vec::new(),
            weights: Vec::new(),
            node_weights: Vec::new(),
            inside: self.inside,
        };
        let mut ties = Ties::new(communities.count);
        for (community, members) in communities.members().into_iter().enumerate() {
            reduced.node_weights.push(members.iter().map(|&node| self.node_weights[node]).sum());
            for (end, weight) in members.iter().flat_map(|&node| self.edges(node)) {
                let other = communities.of_node[end];
                if other == community {
                    reduced.inside += weight;
                } else {
                    ties.add(other, weight);
                }
            }
            ties.drain(|other, weight| {
                reduced.ends.push(other);
                reduced.weights.push(weight);
            });
            reduced.starts.push(reduced.ends.len());
        }
        reduced
    }
}

/// Weights to communities, in the order in which they were first met.
struct Ties {
    weight_to: Vec<f64>,
    met: Vec<usize>,
}

impl Ties {
    fn new(communities: usize) -> Self {
        Self { weight_to: vec![0.0; communities], met: Vec::new() }
    }

    fn add(&mut self, community: usize, weight: f64) {
        if self.weight_to[community] == 0.0 {
            self.met.push(community);
        }
        self.weight_to[community] += weight;
    }

    fn drain(&mut self, mut each: impl FnMut(usize, f64)) {
        for community in self.met.drain(..) {
            each(community, std::mem::take(&mut self.weight_to[community]));
        }
    }
}

/// One round; whether anything changed.
fn run(network: &Network, communities: &mut Communities, resolution: f64, random: &mut JavaRandom) -> bool {
    if network.n_nodes() == 1 {
        return false;
    }
    let mut has_changed = move_nodes(network, communities, resolution, random);
    if communities.count < network.n_nodes() {
        let mut above = Communities::single(communities.count);
        if run(&network.reduced(communities), &mut above, resolution, random) {
            has_changed = true;
            communities.of_node.iter_mut().for_each(|community| *community = above.of_node[*community]);
            communities.count = above.count;
        }
    }
    has_changed
}

/// Visits the nodes in a random order, round and round, until each has been seen once since the last move. A node goes to the
/// neighbouring community with the largest gain, the lowest number of equals; to an empty one when no gain is positive.
fn move_nodes(
    network: &Network,
    communities: &mut Communities,
    resolution: f64,
    random: &mut JavaRandom,
) -> bool {
    let nodes = network.n_nodes();
    let mut weight_of = vec![0.0; nodes];
    let mut size_of = vec![0_usize; nodes];
    for (node, &community) in communities.of_node.iter().enumerate() {
        weight_of[community] += network.node_weights[node];
        size_of[community] += 1;
    }
    let mut empty: Vec<usize> = (0..nodes).filter(|&community| size_of[community] == 0).collect();
    let order = random.permutation(nodes);
    let mut ties = Ties::new(nodes);
    let (mut has_changed, mut settled) = (false, 0);
    for &node in order.iter().cycle() {
        if settled == nodes {
            break;
        }
        network.edges(node).for_each(|(end, weight)| ties.add(communities.of_node[end], weight));
        let own = communities.of_node[node];
        weight_of[own] -= network.node_weights[node];
        size_of[own] -= 1;
        if size_of[own] == 0 {
            empty.push(own);
        }
        let mut best: Option<(f64, usize)> = None;
        ties.drain(|community, weight| {
            let gain = weight - network.node_weights[node] * weight_of[community] * resolution;
            let is_better = match best {
                None => gain > 0.0,
                Some((most, lowest)) => gain > most || (gain == most && community < lowest),
            };
            if is_better {
                best = Some((gain, community));
            }
        });
        let chosen = match best {
            Some((_, community)) => community,
            None => empty.pop().expect("the node itself has just left one, or one was empty before"),
        };
        weight_of[chosen] += network.node_weights[node];
        size_of[chosen] += 1;
        if chosen == own {
            settled += 1;
        } else {
            communities.of_node[node] = chosen;
            settled = 1;
            has_changed = true;
        }
    }
    let mut number_of = vec![0; nodes];
    communities.count = 0;
    for community in (0..nodes).filter(|&community| size_of[community] > 0) {
        number_of[community] = communities.count;
        communities.count += 1;
    }
    communities.of_node.iter_mut().for_each(|community| *community = number_of[*community]);
    has_changed
}

/// The modularity; `resolution` is already over the weight of all nodes.
fn quality(network: &Network, communities: &Communities, resolution: f64) -> f64 {
    let mut weight_of = vec![0.0; communities.count];
    let mut together = network.inside;
    for node in 0..network.n_nodes() {
        let community = communities.of_node[node];
        weight_of[community] += network.node_weights[node];
        let inside = network.edges(node).filter(|(end, _)| communities.of_node[*end] == community);
        together += inside.map(|(_, weight)| weight).sum::<f64>();
    }
    let expected: f64 = weight_of.iter().map(|weight| weight * weight * resolution).sum();
    (together - expected) / (network.weights.iter().sum::<f64>() + network.inside)
}

/// Puts each community of one node into the one to whose nodes it has the heaviest mean tie, the first of equals.
fn join_singletons(graph: &Graph, communities: &mut Communities) {
    let mut sizes = communities.sizes();
    let hosts: Vec<usize> = (0..communities.count).filter(|&community| sizes[community] > 1).collect();
    let is_single = sizes.iter().map(|&size| size == 1).collect::<Vec<bool>>();
    let singles: Vec<usize> =
        (0..graph.n_nodes()).filter(|&node| is_single[communities.of_node[node]]).collect();
    for node in singles {
        let (ends, weights) = graph.edges(node);
        let mut ties = vec![0.0; communities.count];
        ends.iter().zip(weights).for_each(|(&end, weight)| ties[communities.of_node[end as usize]] += weight);
        let mut best: Option<(f64, usize)> = None;
        for &host in &hosts {
            let mean = ties[host] / sizes[host] as f64;
            if best.is_none_or(|(most, _)| mean > most) {
                best = Some((mean, host));
            }
        }
        if let Some((_, host)) = best {
            sizes[host] += 1;
            communities.of_node[node] = host;
        }
    }
}

/// `java.util.Random`: the linear congruential generator that its documentation specifies.
struct JavaRandom {
    state: u64,
}

impl JavaRandom {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: u64) -> Self {
        Self { state: (seed ^ Self::MULTIPLIER) & Self::MASK }
    }

    /// `next(31)`.
    fn next_31_bits(&mut self) -> u64 {
        self.state = (self.state.wrapping_mul(Self::MULTIPLIER) + 0xB) & Self::MASK;
        self.state >> 17
    }

    /// `nextInt(bound)`; `bound` is from 1 to 2^31 − 1.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        if bound.is_power_of_two() {
            return ((bound * self.next_31_bits()) >> 31) as usize;
        }
        loop {
            let bits = self.next_31_bits();
            let value = bits % bound;
            // rejects the last, incomplete run of values
            if bits - value + (bound - 1) < 1 << 31 {
                return value as usize;
            }
        }
    }

    /// Each place in turn changes its content with a random one (not a fair shuffle, but the optimizer's).
    fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for place in 0..count {
            let other = self.below(count);
            order.swap(place, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::{JavaRandom, louvain};
    use crate::step::shared_neighbours::Graph;

    /// From Java: `Random r = new Random(0)`, then `r.nextInt(10)` five times; `new Random(42)`, `r.nextInt(16)` likewise.
    #[test]
    fn the_random_numbers_are_javas() {
        let draw = |seed, bound| {
            let mut random = JavaRandom::new(seed);
            (0..5).map(|_| random.below(bound)).collect::<Vec<usize>>()
        };
        assert_eq!(draw(0, 10), [0, 8, 9, 7, 5]);
        assert_eq!(draw(42, 16), [11, 0, 10, 0, 4]);
    }

    /// Undirected edges of weight 1.
    fn graph(nodes: usize, edges: &[(u32, u32)]) -> Graph {
        let mut graph = Graph { starts: vec![0], ends: Vec::new(), weights: Vec::new() };
        for node in 0..nodes as u32 {
            let mut ends: Vec<u32> = edges
                .iter()
                .filter_map(|&(a, b)| if a == node { Some(b) } else { (b == node).then_some(a) })
                .collect();
            ends.sort_unstable();
            graph.weights.extend(ends.iter().map(|_| 1.0));
            graph.ends.extend(ends);
            graph.starts.push(graph.ends.len());
        }
        graph
    }

    #[test]
    fn cliques_on_a_string_come_apart_by_size() {
        let mut edges = Vec::new();
        for (first, last) in [(0_u32, 4_u32), (5, 11), (12, 14)] {
            edges.extend((first..last).flat_map(|a| (a + 1..=last).map(move |b| (a, b))));
        }
        edges.extend([(4, 5), (11, 12)]);
        let found = louvain(&graph(15, &edges), 1.0);
        let expected = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2];
        assert_eq!(found, expected);
        assert_eq!(louvain(&graph(15, &edges), 1e-3), [0; 15], "at a low resolution all hold together");
    }

    #[test]
    fn loose_nodes_join_a_community_and_a_graph_without_edges_has_none() {
        let found = louvain(&graph(4, &[(0, 1), (1, 2), (0, 2)]), 1.0);
        assert_eq!(found, [0; 4]);
        assert_eq!(louvain(&graph(3, &[]), 1.0), [0, 1, 2]);
    }
}
