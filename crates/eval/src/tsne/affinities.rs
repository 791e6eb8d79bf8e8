//! How much each cell belongs to its neighbours: the sparse, symmetric input similarities P of t-SNE. What a map makes
//! of them lives in `descent`.

use crate::brake::Brake;
use crate::error::EvalError;
use crate::neighbours::Neighbours;
use crate::simd::{Chunk, LANES};

/// Difference of the entropy from its goal, in nats, at which the search for a bandwidth ends.
const ENTROPY_TOLERANCE: f64 = 1e-7;

/// Steps of that search at most. Where duplicates leave no bandwidth to find, the last one stands.
const MAX_STEPS: usize = 100;

/// Rows between two looks at the brake.
const ROWS_A_LOOK: usize = 256;

/// Largest change of the logarithm of a precision in one step.
const LONGEST_STEP: f64 = 4.0;

/// Symmetric joint probabilities over pairs of points, summing to 1; rows are padded with the point itself at 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affinities {
    /// First chunk of each point's row, and the end of the last.
    starts: Vec<usize>,
    others: Vec<[u32; LANES]>,
    values: Vec<Chunk>,
}

impl Affinities {
    /// Joint probabilities whose conditional rows each have this perplexity over their `reach` nearest neighbours.
    pub(super) fn new(
        neighbours: &Neighbours,
        reach: usize,
        perplexity: f64,
        brake: &mut Brake<'_>,
    ) -> Result<Self, EvalError> {
        let count = neighbours.count;
        let goal = perplexity.ln();
        let mut incoming: Vec<Vec<(u32, f64)>> = vec![vec![]; count];
        let mut outgoing: Vec<Vec<(u32, f64)>> = Vec::with_capacity(count);
        for point in 0..count {
            if point.is_multiple_of(ROWS_A_LOOK) {
                brake.check()?;
            }
            let (indices, squared_distances) = neighbours.row(point, reach);
            let probabilities = conditional(squared_distances, goal);
            for (&other, &probability) in indices.iter().zip(&probabilities) {
                incoming[other as usize].push((point as u32, probability));
            }
            let mut row: Vec<(u32, f64)> = indices.iter().copied().zip(probabilities).collect();
            row.sort_unstable_by_key(|&(other, _)| other);
            outgoing.push(row);
        }
        // Each conditional row sums to 1, so p(i|j) + p(j|i) over all pairs sums to twice the number of points.
        let scale = 0.5 / count as f64;
        let rows =
            outgoing.iter().zip(&incoming).map(|(outgoing, incoming)| merge(outgoing, incoming, scale));
        Ok(Self::from_rows(rows))
    }

    /// From one row of (other point, joint probability) for each point.
    pub(super) fn from_rows(rows: impl Iterator<Item = Vec<(u32, f32)>>) -> Self {
        let mut affinities = Self { starts: vec![0], others: vec![], values: vec![] };
        for (point, row) in rows.enumerate() {
            for entries in row.chunks(LANES) {
                let mut others = [point as u32; LANES];
                let mut values = [0.0; LANES];
                for (lane, &(other, value)) in entries.iter().enumerate() {
                    (others[lane], values[lane]) = (other, value);
                }
                affinities.others.push(others);
                affinities.values.push(values);
            }
            affinities.starts.push(affinities.others.len());
        }
        affinities
    }

    /// Number of points.
    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The row of `point` in chunks of other points and their joint probabilities.
    #[inline(always)]
    pub(super) fn chunks(&self, point: usize) -> impl Iterator<Item = (&[u32; LANES], &Chunk)> {
        let row = self.starts[point]..self.starts[point + 1];
        self.others[row.clone()].iter().zip(&self.values[row])
    }

    /// The row of `point`: other points and their joint probabilities.
    pub(super) fn row(&self, point: usize) -> impl Iterator<Item = (usize, f32)> {
        let entries = |(others, values): (&[u32; LANES], &Chunk)| {
            others.iter().copied().zip(*values).collect::<Vec<_>>()
        };
        self.chunks(point)
            .flat_map(entries)
            .filter(|&(_, value)| value > 0.0)
            .map(|(other, value)| (other as usize, value))
    }
}

/// Probabilities exp(−β d²) / Σ over ascending squared distances, with the β whose entropy in nats is `goal`.
///
/// Newton's method on log β, kept inside a bracket that every step tightens. Distances count from the nearest: the
/// probabilities stay as they are and nothing underflows.
fn conditional(squared_distances: &[f32], goal: f64) -> Vec<f64> {
    let nearest = squared_distances.first().map_or(0.0, |&nearest| f64::from(nearest));
    let beyond: Vec<f64> = squared_distances.iter().map(|&squared| f64::from(squared) - nearest).collect();
    let mean = beyond.iter().sum::<f64>() / beyond.len().max(1) as f64;
    let mut weights = vec![1.0; beyond.len()];
    let mut total = beyond.len() as f64;
    let mut log_precision = -mean.ln();
    let (mut lowest, mut highest) = (f64::NEG_INFINITY, f64::INFINITY);
    let steps = if mean > 0.0 { MAX_STEPS } else { 0 };
    for _ in 0..steps {
        let precision = log_precision.exp();
        let (mut first, mut second) = (0.0, 0.0);
        total = 0.0;
        for (weight, &beyond) in weights.iter_mut().zip(&beyond) {
            let energy = precision * beyond;
            *weight = (-energy).exp();
            total += *weight;
            first += *weight * energy;
            second += *weight * energy * energy;
        }
        let mean_energy = first / total;
        let excess = total.ln() + mean_energy - goal;
        if excess.abs() < ENTROPY_TOLERANCE {
            break;
        }
        if excess > 0.0 {
            lowest = log_precision
        } else {
            highest = log_precision
        }
        let slope = mean_energy * mean_energy - second / total;
        let newton = log_precision + (-excess / slope).clamp(-LONGEST_STEP, LONGEST_STEP);
        log_precision = if newton > lowest && newton < highest {
            newton
        } else if lowest.is_finite() && highest.is_finite() {
            (lowest + highest) / 2.0
        } else {
            log_precision + LONGEST_STEP.copysign(excess)
        };
    }
    weights.iter().map(|weight| weight / total).collect()
}

/// Sum of two rows sorted by point, scaled.
fn merge(one: &[(u32, f64)], two: &[(u32, f64)], scale: f64) -> Vec<(u32, f32)> {
    let mut merged = Vec::with_capacity(one.len() + two.len());
    let (mut one, mut two) = (one.iter().peekable(), two.iter().peekable());
    loop {
        let next = match (one.peek(), two.peek()) {
            (Some(first), Some(second)) => first.0.min(second.0),
            (Some(only), None) | (None, Some(only)) => only.0,
            (None, None) => return merged,
        };
        let from_one = one.next_if(|entry| entry.0 == next).map_or(0.0, |entry| entry.1);
        let from_two = two.next_if(|entry| entry.0 == next).map_or(0.0, |entry| entry.1);
        merged.push((next, ((from_one + from_two) * scale) as f32));
    }
}

#[cfg(test)]
mod tests {
    use super::{Affinities, conditional};
    use crate::brake::Brake;
    use crate::neighbours::Neighbours;
    use crate::points::Points;
    use proptest::prelude::*;

    fn perplexity(probabilities: &[f64]) -> f64 {
        probabilities.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum::<f64>().exp()
    }

    #[test]
    fn ties_leave_an_even_row() {
        assert_eq!(conditional(&[2.0; 4], 2.0f64.ln()), [0.25; 4]);
        assert_eq!(conditional(&[0.0; 4], 0.0), [0.25; 4]);
        let duplicates = conditional(&[0.0, 0.0, 0.0, 1.0], 2.0f64.ln());
        assert!(
            duplicates
                .iter()
                .zip([1.0, 1.0, 1.0, 0.0])
                .all(|(found, right)| (found - right / 3.0).abs() < 1e-9)
        );
        assert_eq!(conditional(&[], 1.0), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn rows_have_the_perplexity_asked_for(
            mut distances in proptest::collection::vec(1e-6f32..1e6, 30..100), goal in 2.0f64..10.0,
        ) {
            distances.sort_by(f32::total_cmp);
            let found = conditional(&distances, goal.ln());
            prop_assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!((perplexity(&found) - goal).abs() < 1e-5 * goal, "{}", perplexity(&found));
        }

        #[test]
        fn they_are_symmetric_and_sum_to_one(values in proptest::collection::vec(-5.0f32..5.0, 24..120)) {
            let count = values.len() / 3;
            let points = Points::new(&values[..3 * count], count, 3).unwrap();
            let neighbours = Neighbours::exact(&points, 7, &mut Brake::none()).unwrap();
            let affinities = Affinities::new(&neighbours, 7, 2.0, &mut Brake::none()).unwrap();
            prop_assert_eq!(affinities.count(), count);
            let mut total = 0.0;
            for point in 0..count {
                for (other, value) in affinities.row(point) {
                    total += f64::from(value);
                    prop_assert!(other != point);
                    prop_assert!(affinities.row(other).any(|(back, same)| back == point && same == value));
                }
            }
            prop_assert!((total - 1.0).abs() < 1e-5);
        }
    }
}
