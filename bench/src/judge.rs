//! One judge for everybody's maps of the same codes: the same affinities, exact and over all pairs in f64, the same
//! divergence, the same neighbours. It shares no code with `eval`, whose maps it judges beside the peers'.
//!
//! Must not live here: drawing maps, starting peers.

/// Neighbours whose preservation is counted.
const NEIGHBOURS: usize = 15;

/// Bisections of a point's precision: the entropy is exact to f64 long before.
const BISECTIONS: usize = 100;

/// What a map of some codes is held to. Memory grows with the square of the number of points.
pub struct Judge {
    /// Joint probabilities of all pairs, count × count, sum 1.
    joint: Vec<f64>,
    /// Σ p ln p.
    negentropy: f64,
    /// The nearest other points of each point, by distance between codes.
    nearest: Vec<Vec<usize>>,
}

/// How well a map fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// KL(P‖Q) over all pairs, in nats; less is better.
    pub kl_divergence: f64,
    /// Share of the 15 nearest neighbours in the codes that are among the 15 nearest in the map, 0..=1.
    pub preserved: f64,
}

impl Judge {
    /// Takes `codes` (points × `dim`, row-major) and the perplexity that the maps were drawn for.
    ///
    /// # Panics
    /// When there are not more than 15 points.
    #[must_use]
    pub fn new(codes: &[f64], dim: usize, perplexity: f64) -> Self {
        let distances = squared_distances(codes, dim);
        let count = codes.len() / dim;
        let mut joint = vec![0.0; count * count];
        for (point, row) in distances.chunks_exact(count).enumerate() {
            let conditional = conditional(row, point, perplexity.ln());
            for (other, probability) in conditional.into_iter().enumerate() {
                let half = probability / (2 * count) as f64;
                joint[point * count + other] += half;
                joint[other * count + point] += half;
            }
        }
        let negentropy = joint.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum();
        Self { joint, negentropy, nearest: nearest(&distances, count) }
    }

    /// Judges a map (points × `dims`, row-major).
    ///
    /// # Panics
    /// When the map has another number of points than the codes.
    #[must_use]
    pub fn verdict(&self, map: &[f64], dims: usize) -> Verdict {
        let count = self.nearest.len();
        assert_eq!(map.len(), count * dims, "a map of all points");
        let distances = squared_distances(map, dims);
        let (mut cross, mut total) = (0.0, 0.0);
        for (pair, (&p, &squared)) in self.joint.iter().zip(&distances).enumerate() {
            if pair / count != pair % count {
                let closeness = 1.0 / (1.0 + squared);
                cross += p * closeness.ln();
                total += closeness;
            }
        }
        let found = nearest(&distances, count);
        let kept: usize = self
            .nearest
            .iter()
            .zip(&found)
            .map(|(right, found)| right.iter().filter(|point| found.contains(point)).count())
            .sum();
        Verdict {
            kl_divergence: self.negentropy - cross + total.ln(),
            preserved: kept as f64 / (count * NEIGHBOURS) as f64,
        }
    }
}

fn squared_distances(points: &[f64], dim: usize) -> Vec<f64> {
    let rows = || points.chunks_exact(dim);
    let squared = |one: &[f64], two: &[f64]| one.iter().zip(two).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    rows().flat_map(|one| rows().map(move |two| squared(one, two))).collect()
}

/// exp(−β d²) / Σ over all other points, with the β whose entropy in nats is `goal`, by bisection on a growing bracket.
fn conditional(squared: &[f64], point: usize, goal: f64) -> Vec<f64> {
    let others = || squared.iter().enumerate().filter(|&(other, _)| other != point);
    // From the nearest on, so that no row underflows to nothing; the probabilities stay as they are.
    let least = others().map(|(_, &squared)| squared).fold(f64::INFINITY, f64::min);
    let (mut low, mut high, mut precision) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..BISECTIONS {
        let (mut total, mut energy) = (0.0, 0.0);
        for (_, &squared) in others() {
            let weight = (-precision * (squared - least)).exp();
            total += weight;
            energy += weight * precision * (squared - least);
        }
        let entropy = total.ln() + energy / total;
        if entropy > goal {
            low = precision;
        } else {
            high = precision;
        }
        precision = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * precision };
    }
    let mut weights: Vec<f64> =
        squared.iter().map(|squared| (-precision * (squared - least)).exp()).collect();
    weights[point] = 0.0;
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// The nearest other points of each point; ties go to the lower index.
fn nearest(distances: &[f64], count: usize) -> Vec<Vec<usize>> {
    assert!(count > NEIGHBOURS, "{NEIGHBOURS} neighbours need more than {count} points");
    let mut order: Vec<usize> = Vec::with_capacity(count);
    distances
        .chunks_exact(count)
        .enumerate()
        .map(|(point, row)| {
            order.clear();
            order.extend((0..count).filter(|&other| other != point));
            order.select_nth_unstable_by(NEIGHBOURS - 1, |&a, &b| row[a].total_cmp(&row[b]).then(a.cmp(&b)));
            order[..NEIGHBOURS].to_vec()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Judge, conditional};

    /// Points on a spiral: no two distances alike.
    fn spiral(count: usize) -> Vec<f64> {
        (0..count).flat_map(|i| [i as f64 * (i as f64).cos(), i as f64 * (i as f64).sin()]).collect()
    }

    #[test]
    fn a_row_has_the_entropy_asked_for() {
        let squared: Vec<f64> = (0..50).map(|i| f64::from(i * i)).collect();
        let row = conditional(&squared, 3, 8f64.ln());
        let entropy: f64 = row.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
        assert!((entropy.exp() - 8.0).abs() < 1e-9 && row[3] == 0.0);
    }

    #[test]
    fn the_codes_themselves_keep_all_neighbours_and_a_heap_keeps_few() {
        let codes = spiral(60);
        let judge = Judge::new(&codes, 2, 5.0);
        let own = judge.verdict(&codes, 2);
        let shuffled: Vec<f64> =
            (0..60).flat_map(|i| [codes[(i * 37 % 60) * 2], codes[(i * 37 % 60) * 2 + 1]]).collect();
        let other = judge.verdict(&shuffled, 2);
        assert_eq!(own.preserved, 1.0);
        assert!(other.preserved < 0.5);
        assert!(0.0 < own.kl_divergence && own.kl_divergence < other.kl_divergence);
    }

    #[test]
    fn all_points_at_one_place_leave_the_entropy_of_the_pairs() {
        let codes = spiral(40);
        let judge = Judge::new(&codes, 2, 5.0);
        let even = (40.0 * 39.0f64).ln();
        assert!((judge.verdict(&[0.0; 40], 1).kl_divergence - (judge.negentropy + even)).abs() < 1e-9);
    }
}
