//! Exact nearest neighbours by Euclidean distance, by looking at every pair. What they are used for lives elsewhere.

use crate::brake::Brake;
use crate::error::EvalError;
use crate::points::Points;
use crate::simd::{Chunk, Isa, Kernel, LANES, Lanes};

/// Rows between two looks at the brake.
const ROWS_A_LOOK: usize = 64;

/// The `k` nearest other points of every point, nearest first; equal distances are ordered by index.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// Points.
    pub count: usize,
    /// Neighbours of each point.
    pub k: usize,
    /// Their indices, `points × k`, row-major.
    pub indices: Vec<u32>,
    /// Their squared distances, `points × k`; infinite where f32 overflows.
    pub squared_distances: Vec<f32>,
}

impl Neighbours {
    /// The `k` nearest other points of each of `points`; fewer where there are not that many.
    ///
    /// # Errors
    /// When `brake` is pulled.
    pub fn exact(points: &Points<'_>, k: usize, brake: &mut Brake<'_>) -> Result<Self, EvalError> {
        let count = points.count();
        let k = k.min(count.saturating_sub(1));
        let mut found = Self {
            count,
            k,
            indices: Vec::with_capacity(count * k),
            squared_distances: Vec::with_capacity(count * k),
        };
        if k == 0 {
            return Ok(found);
        }
        let all = Columns::new(points);
        let mut distances = all.no_distances();
        let mut nearest = Nearest::new(k);
        for point in 0..count {
            if point.is_multiple_of(ROWS_A_LOOK) {
                brake.check()?;
            }
            all.squared_distances(point, &mut distances);
            nearest.clear();
            for (other, &distance) in distances[..point].iter().enumerate() {
                nearest.offer(other, distance);
            }
            for (other, &distance) in distances.iter().enumerate().take(count).skip(point + 1) {
                nearest.offer(other, distance);
            }
            for key in nearest.sorted() {
                found.indices.push(*key as u32);
                found.squared_distances.push(f32::from_bits((*key >> 32) as u32));
            }
        }
        Ok(found)
    }

    /// Indices and squared distances of the `k` nearest neighbours of point `index`, or of all where there are fewer.
    pub(crate) fn row(&self, index: usize, k: usize) -> (&[u32], &[f32]) {
        let first = index * self.k;
        let row = first..first + k.min(self.k);
        (&self.indices[row.clone()], &self.squared_distances[row])
    }
}

/// The points, a dimension after the other, padded with zeros to whole chunks.
pub(crate) struct Columns {
    axes: Vec<Vec<Chunk>>,
    count: usize,
    isa: Isa,
}

impl Columns {
    pub(crate) fn new(points: &Points<'_>) -> Self {
        let count = points.count();
        let axis = |dimension| {
            let mut chunks = vec![[0.0; LANES]; count.div_ceil(LANES)];
            chunks
                .as_flattened_mut()
                .iter_mut()
                .zip(points.column(dimension))
                .for_each(|(own, value)| *own = value);
            chunks
        };
        Self { axes: (0..points.dim()).map(axis).collect(), count, isa: Isa::best() }
    }

    /// Room for the distances of one point.
    pub(crate) fn no_distances(&self) -> Vec<f32> {
        vec![0.0; self.count.div_ceil(LANES) * LANES]
    }

    /// Squared distances from `point` to every point; what follows the last point means nothing.
    pub(crate) fn squared_distances(&self, point: usize, distances: &mut [f32]) {
        self.isa.run(SquaredDistances { columns: self, point, distances });
    }
}

/// Sums of squares, dimension after dimension, each operation rounded: equal bits on every instruction set.
struct SquaredDistances<'a> {
    columns: &'a Columns,
    point: usize,
    distances: &'a mut [f32],
}

impl Kernel for SquaredDistances<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (chunk, lane) = (self.point / LANES, self.point % LANES);
        for (place, into) in self.distances.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let mut sum = lanes.splat(0.0);
            for axis in &self.columns.axes {
                let difference = lanes.sub(lanes.load(&axis[place]), lanes.splat(axis[chunk][lane]));
                sum = lanes.add(sum, lanes.mul(difference, difference));
            }
            lanes.store(sum, into);
        }
    }
}

/// The `k` smallest of the pairs offered. Bits of a non-negative float order like the float; the index below them breaks
/// ties.
struct Nearest {
    k: usize,
    keys: Vec<u64>,
    /// No pair beyond this distance is among the `k` smallest.
    bound: f32,
}

impl Nearest {
    fn new(k: usize) -> Self {
        Self { k, keys: Vec::with_capacity(2 * k + LANES), bound: f32::INFINITY }
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.bound = f32::INFINITY;
    }

    #[inline(always)]
    fn offer(&mut self, index: usize, squared_distance: f32) {
        if squared_distance <= self.bound {
            self.keep(index, squared_distance);
        }
    }

    fn keep(&mut self, index: usize, squared_distance: f32) {
        self.keys.push(u64::from(squared_distance.to_bits()) << 32 | index as u64);
        if self.keys.len() == 2 * self.k + LANES {
            let (_, last, _) = self.keys.select_nth_unstable(self.k - 1);
            self.bound = f32::from_bits((*last >> 32) as u32);
            self.keys.truncate(self.k);
        }
    }

    fn sorted(&mut self) -> &[u64] {
        if self.keys.len() > self.k {
            self.keys.select_nth_unstable(self.k - 1);
            self.keys.truncate(self.k);
        }
        self.keys.sort_unstable();
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::Neighbours;
    use crate::brake::Brake;
    use crate::error::EvalError;
    use crate::points::Points;
    use proptest::prelude::*;

    fn exact(points: &Points<'_>, k: usize) -> Neighbours {
        Neighbours::exact(points, k, &mut Brake::none()).unwrap()
    }

    #[test]
    fn few_points_have_few_neighbours() {
        let one = Points::new(&[1.0, 2.0], 1, 2).unwrap();
        assert_eq!(exact(&one, 5).k, 0);
        let none = Points::new(&[], 0, 2).unwrap();
        assert!(exact(&none, 5).indices.is_empty());
    }

    #[test]
    fn duplicates_are_ordered_by_index() {
        let points = Points::new(&[0.0, 1.0, 0.0, 0.0], 4, 1).unwrap();
        let found = exact(&points, 2);
        assert_eq!(found.indices, [2, 3, 0, 2, 0, 3, 0, 2]);
        assert_eq!(found.row(1, 2).1, [1.0, 1.0]);
        assert_eq!(found.row(1, 1).0, [0]);
    }

    #[test]
    fn distances_that_overflow_come_last() {
        let points = Points::new(&[f32::MAX, f32::MIN, f32::MAX, 0.0], 4, 1).unwrap();
        let found = exact(&points, 3);
        assert_eq!(found.row(0, 3).0, [2, 1, 3]);
        assert_eq!(found.row(0, 3).1, [0.0, f32::INFINITY, f32::INFINITY]);
    }

    #[test]
    fn a_pulled_brake_stops_the_search() {
        let points = Points::new(&[0.0; 300], 300, 1).unwrap();
        let mut looks = 0;
        let mut pulled = || {
            looks += 1;
            looks > 2
        };
        assert_eq!(Neighbours::exact(&points, 3, &mut Brake::new(&mut pulled)), Err(EvalError::Stopped));
    }

    proptest! {
        #[test]
        fn they_are_the_first_of_all_pairs_sorted(
            values in proptest::collection::vec(-9i8..9, 3..400), k in 1usize..8,
        ) {
            let floats: Vec<f32> = values.iter().map(|value| f32::from(*value)).collect();
            let count = floats.len() / 3;
            let points = Points::new(&floats[..count * 3], count, 3).unwrap();
            let found = exact(&points, k);
            for index in 0..count {
                let distance = |other: usize| -> f32 {
                    points.row(index).iter().zip(points.row(other)).map(|(a, b)| (a - b) * (a - b)).sum()
                };
                let mut others: Vec<usize> = (0..count).filter(|&other| other != index).collect();
                others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
                let expected: Vec<u32> = others.iter().take(k).map(|&other| other as u32).collect();
                prop_assert_eq!(found.row(index, k).0, &expected[..]);
            }
        }
    }
}
