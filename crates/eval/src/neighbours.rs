//! Exact nearest neighbours by Euclidean distance, by looking at every pair. What they are used for lives elsewhere.

use crate::points::Points;

/// The `k` nearest other points of every point, nearest first; equal distances are ordered by index.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// Neighbours of each point.
    pub k: usize,
    /// Their indices, `points × k`, row-major.
    pub indices: Vec<u32>,
    /// Their squared distances, `points × k`; infinite where f32 overflows.
    pub squared_distances: Vec<f32>,
}

impl Neighbours {
    /// The `k` nearest other points of each of `points`; fewer where there are not that many.
    #[must_use]
    pub fn exact(points: &Points<'_>, k: usize) -> Self {
        let count = points.count();
        let k = k.min(count.saturating_sub(1));
        let columns: Vec<Vec<f32>> =
            (0..points.dim()).map(|dimension| points.column(dimension).collect()).collect();
        let mut found = Self {
            k,
            indices: Vec::with_capacity(count * k),
            squared_distances: Vec::with_capacity(count * k),
        };
        if k == 0 {
            return found;
        }
        let mut distances = vec![0.0f32; count];
        let mut keys = vec![0u64; count];
        for (index, point) in points.rows().enumerate() {
            squared_distances(&columns, point, &mut distances);
            // Bits of a non-negative float order like the float; the index below them breaks ties.
            for (other, (key, distance)) in keys.iter_mut().zip(&distances).enumerate() {
                *key = u64::from(distance.to_bits()) << 32 | other as u64;
            }
            keys[index] = u64::MAX;
            let (nearest, last, _) = keys.select_nth_unstable(k - 1);
            nearest.sort_unstable();
            for key in nearest.iter().chain(std::iter::once(&*last)) {
                found.indices.push(*key as u32);
                found.squared_distances.push(f32::from_bits((*key >> 32) as u32));
            }
        }
        found
    }

    /// Indices and squared distances of the neighbours of point `index`.
    pub(crate) fn row(&self, index: usize) -> (&[u32], &[f32]) {
        let row = index * self.k..(index + 1) * self.k;
        (&self.indices[row.clone()], &self.squared_distances[row])
    }
}

/// Squared distance from `point` to every point, dimension after dimension.
fn squared_distances(columns: &[Vec<f32>], point: &[f32], distances: &mut [f32]) {
    distances.fill(0.0);
    for (column, &own) in columns.iter().zip(point) {
        for (distance, &other) in distances.iter_mut().zip(column) {
            let difference = other - own;
            *distance += difference * difference;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Neighbours;
    use crate::points::Points;
    use proptest::prelude::*;

    #[test]
    fn few_points_have_few_neighbours() {
        let one = Points::new(&[1.0, 2.0], 1, 2).unwrap();
        assert_eq!(Neighbours::exact(&one, 5).k, 0);
        let none = Points::new(&[], 0, 2).unwrap();
        assert!(Neighbours::exact(&none, 5).indices.is_empty());
    }

    #[test]
    fn duplicates_are_ordered_by_index() {
        let points = Points::new(&[0.0, 1.0, 0.0, 0.0], 4, 1).unwrap();
        let found = Neighbours::exact(&points, 2);
        assert_eq!(found.indices, [2, 3, 0, 2, 0, 3, 0, 2]);
        assert_eq!(found.row(1).1, [1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn they_are_the_first_of_all_pairs_sorted(
            values in proptest::collection::vec(-9i8..9, 3..90), k in 1usize..8,
        ) {
            let floats: Vec<f32> = values.iter().map(|value| f32::from(*value)).collect();
            let count = floats.len() / 3;
            let points = Points::new(&floats[..count * 3], count, 3).unwrap();
            let found = Neighbours::exact(&points, k);
            for index in 0..count {
                let distance = |other: usize| -> f32 {
                    points.row(index).iter().zip(points.row(other)).map(|(a, b)| (a - b) * (a - b)).sum()
                };
                let mut others: Vec<usize> = (0..count).filter(|&other| other != index).collect();
                others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
                let expected: Vec<u32> = others.iter().take(k).map(|&other| other as u32).collect();
                prop_assert_eq!(found.row(index).0, &expected[..]);
            }
        }
    }
}
