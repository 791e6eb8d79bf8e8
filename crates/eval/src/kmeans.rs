//! k-means: greedy k-means++ starts (Arthur and Vassilvitskii 2007), Lloyd's iterations, the best of many starts.
//! Sums are in f64 and in the order of points, so equal chance gives equal clusters. Scoring lives elsewhere.

use crate::brake::Brake;
use crate::chance::Chance;
use crate::error::EvalError;
use crate::points::Points;

/// Lloyd's iterations of one start, at most; scikit-learn's default.
const MAX_ITERATIONS: usize = 300;

/// Points whose distances are worked on together: their running minima stay in the first-level cache.
const BLOCK: usize = 256;

/// Relative difference below which two inertias count as equal, so that rounding cannot choose a start.
const SAME_INERTIA: f64 = 1e-12;

/// A partition into clusters, the largest first; equal sizes are ordered by their first point.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// Cluster of each point.
    pub clusters: Vec<u16>,
    /// Means of the clusters, `clusters × dimensions`, row-major.
    pub centroids: Vec<f64>,
    /// Squared distances of points to their centroids, summed.
    pub inertia: f64,
}

/// The best of `starts` partitions of `points` into `k` clusters.
///
/// There are fewer clusters where there are fewer different points.
///
/// # Errors
/// When `k` or `starts` is 0, `k` is more than 65,535, or `brake` is pulled.
pub fn kmeans(
    points: &Points<'_>,
    k: usize,
    starts: usize,
    chance: &mut Chance,
    brake: &mut Brake<'_>,
) -> Result<Partition, EvalError> {
    if k == 0 {
        return Err(EvalError::Setting { name: "clusters", found: "0".into(), range: "at least 1" });
    }
    if starts == 0 {
        return Err(EvalError::Setting { name: "kmeans_starts", found: "0".into(), range: "at least 1" });
    }
    if k > usize::from(u16::MAX) {
        return Err(EvalError::TooManyClusters { found: k });
    }
    let columns = Columns::new(points);
    let mut best: Option<Start> = None;
    for _ in 0..starts {
        let found = Start::plus_plus(&columns, k, chance, brake)?.settle(&columns, brake)?;
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia * (1.0 - SAME_INERTIA)) {
            best = Some(found);
        }
    }
    Ok(best.map(|best| best.canonical(&columns)).unwrap_or_default())
}

impl Default for Partition {
    /// The partition of no points.
    fn default() -> Self {
        Self { clusters: vec![], centroids: vec![], inertia: 0.0 }
    }
}

/// The points, one vector a dimension: distances of neighbouring points are neighbours in memory.
struct Columns {
    values: Vec<Vec<f64>>,
    count: usize,
}

impl Columns {
    fn new(points: &Points<'_>) -> Self {
        let column = |dimension| points.column(dimension).map(f64::from).collect();
        Self { values: (0..points.dim()).map(column).collect(), count: points.count() }
    }

    fn point(&self, index: usize) -> impl Iterator<Item = f64> {
        self.values.iter().map(move |column| column[index])
    }

    /// Squared distances from `center` to the points from `first` on, as many as `distances` holds.
    fn squared_distances(&self, center: &[f64], first: usize, distances: &mut [f64]) {
        distances.fill(0.0);
        for (column, &own) in self.values.iter().zip(center) {
            for (distance, &value) in distances.iter_mut().zip(&column[first..]) {
                let difference = value - own;
                *distance += difference * difference;
            }
        }
    }
}

/// One start of k-means on its way.
struct Start {
    centroids: Vec<Vec<f64>>,
    /// Cluster of each point; 64 bits wide like the distances it is chosen by.
    nearest: Vec<u64>,
    /// Squared distance of each point to its centroid.
    distances: Vec<f64>,
    inertia: f64,
}

impl Start {
    /// Centroids by greedy k-means++: of 2 + ln k candidates drawn by squared distance, the one that leaves least.
    fn plus_plus(
        columns: &Columns,
        k: usize,
        chance: &mut Chance,
        brake: &mut Brake<'_>,
    ) -> Result<Self, EvalError> {
        let count = columns.count;
        let mut start = Self {
            centroids: vec![],
            nearest: vec![0; count],
            distances: vec![f64::INFINITY; count],
            inertia: f64::INFINITY,
        };
        if count == 0 {
            return Ok(start);
        }
        let candidates = 2 + (k as f64).ln() as usize;
        start.centroids.push(columns.point(chance.below(count)).collect());
        columns.squared_distances(&start.centroids[0], 0, &mut start.distances);
        let (mut trial, mut kept) = (vec![0.0; count], vec![0.0; count]);
        let mut cumulated = vec![0.0; count];
        while start.centroids.len() < k {
            brake.check()?;
            let total = cumulate(&start.distances, &mut cumulated);
            if total <= 0.0 {
                break; // every point sits on a centroid: there are no more different points
            }
            let mut least = f64::INFINITY;
            let mut chosen = 0;
            for _ in 0..candidates {
                let drawn = chance.uniform() * total;
                let candidate = cumulated.partition_point(|&sum| sum <= drawn).min(count - 1);
                let center: Vec<f64> = columns.point(candidate).collect();
                columns.squared_distances(&center, 0, &mut trial);
                trial.iter_mut().zip(&start.distances).for_each(|(trial, &now)| *trial = trial.min(now));
                let left = sum(&trial);
                if left < least {
                    (least, chosen) = (left, candidate);
                    std::mem::swap(&mut trial, &mut kept);
                }
            }
            start.centroids.push(columns.point(chosen).collect());
            std::mem::swap(&mut start.distances, &mut kept);
        }
        Ok(start)
    }

    /// Lloyd's iterations until no point changes its cluster.
    fn settle(mut self, columns: &Columns, brake: &mut Brake<'_>) -> Result<Self, EvalError> {
        if self.centroids.is_empty() {
            self.inertia = 0.0;
            return Ok(self);
        }
        let mut before = vec![u64::MAX; columns.count];
        for _ in 0..MAX_ITERATIONS {
            brake.check()?;
            self.assign(columns);
            if self.nearest == before {
                break;
            }
            self.refill_empty_clusters(columns);
            self.move_centroids(columns);
            before.copy_from_slice(&self.nearest);
        }
        self.inertia = self.distances.iter().sum();
        Ok(self)
    }

    /// Gives each point to its nearest centroid; equal distances go to the first.
    fn assign(&mut self, columns: &Columns) {
        let mut trial = [0.0; BLOCK];
        for first in (0..columns.count).step_by(BLOCK) {
            let block = first..columns.count.min(first + BLOCK);
            let trial = &mut trial[..block.len()];
            let (least, nearest) = (&mut self.distances[block.clone()], &mut self.nearest[block]);
            least.fill(f64::INFINITY);
            for (cluster, center) in self.centroids.iter().enumerate() {
                columns.squared_distances(center, first, trial);
                for ((least, nearest), &trial) in least.iter_mut().zip(nearest.iter_mut()).zip(&*trial) {
                    let nearer = trial < *least;
                    *least = if nearer { trial } else { *least };
                    *nearest = if nearer { cluster as u64 } else { *nearest };
                }
            }
        }
    }

    /// Gives each cluster without points the point that lies farthest from its own centroid.
    fn refill_empty_clusters(&mut self, columns: &Columns) {
        let mut sizes = self.sizes();
        for cluster in 0..sizes.len() {
            if sizes[cluster] > 0 {
                continue;
            }
            let spare = |index: &usize| sizes[self.nearest[*index] as usize] > 1;
            let farther =
                |a: &usize, b: &usize| self.distances[*a].total_cmp(&self.distances[*b]).then(b.cmp(a));
            let Some(moved) = (0..columns.count).filter(spare).max_by(farther) else { return };
            sizes[self.nearest[moved] as usize] -= 1;
            sizes[cluster] = 1;
            self.nearest[moved] = cluster as u64;
            self.distances[moved] = 0.0;
        }
    }

    fn move_centroids(&mut self, columns: &Columns) {
        let sizes = self.sizes();
        for (dimension, column) in columns.values.iter().enumerate() {
            let mut sums = vec![0.0; sizes.len()];
            self.nearest.iter().zip(column).for_each(|(&cluster, &value)| sums[cluster as usize] += value);
            for ((centroid, sum), &size) in self.centroids.iter_mut().zip(sums).zip(&sizes) {
                if size > 0 {
                    centroid[dimension] = sum / size as f64;
                }
            }
        }
    }

    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.centroids.len()];
        self.nearest.iter().for_each(|&cluster| sizes[cluster as usize] += 1);
        sizes
    }

    /// Renames the clusters: the largest first, equal sizes by their first point; clusters without points go.
    fn canonical(mut self, columns: &Columns) -> Partition {
        self.move_centroids(columns);
        let sizes = self.sizes();
        let mut first = vec![columns.count; sizes.len()];
        self.nearest.iter().enumerate().rev().for_each(|(index, &cluster)| first[cluster as usize] = index);
        let mut order: Vec<usize> = (0..sizes.len()).filter(|&cluster| sizes[cluster] > 0).collect();
        order.sort_by_key(|&cluster| (std::cmp::Reverse(sizes[cluster]), first[cluster]));
        let mut name = vec![0u16; sizes.len()];
        for (new, &old) in (0u16..).zip(&order) {
            name[old] = new;
        }
        Partition {
            clusters: self.nearest.iter().map(|&cluster| name[cluster as usize]).collect(),
            centroids: order.iter().flat_map(|&cluster| self.centroids[cluster].iter().copied()).collect(),
            inertia: self.inertia,
        }
    }
}

/// Running sums of `weights`; returns the last.
fn cumulate(weights: &[f64], sums: &mut [f64]) -> f64 {
    let mut total = 0.0;
    for (sum, weight) in sums.iter_mut().zip(weights) {
        total += weight;
        *sum = total;
    }
    total
}

/// Sum in eight interleaved lanes: a fixed order that the processor can follow in parallel.
fn sum(values: &[f64]) -> f64 {
    let (whole, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in whole {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter().chain(rest).sum()
}

#[cfg(test)]
mod tests {
    use super::Partition;
    use crate::brake::Brake;
    use crate::chance::{Chance, Purpose};
    use crate::error::EvalError;
    use crate::points::Points;
    use proptest::prelude::*;

    fn kmeans(points: &Points<'_>, k: usize, starts: usize) -> Result<Partition, EvalError> {
        super::kmeans(points, k, starts, &mut Chance::new(Purpose::LatentKmeans), &mut Brake::none())
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let points = Points::new(&[0.0], 1, 1).unwrap();
        assert!(matches!(kmeans(&points, 0, 1), Err(EvalError::Setting { name: "clusters", .. })));
        assert!(matches!(kmeans(&points, 1, 0), Err(EvalError::Setting { .. })));
        assert!(matches!(kmeans(&points, 70_000, 1), Err(EvalError::TooManyClusters { .. })));
    }

    #[test]
    fn clusters_are_named_by_size_then_by_first_point() {
        let points = Points::new(&[9.0, 0.0, 0.1, 5.0, 5.1, 5.2, 0.2, 9.1], 8, 1).unwrap();
        let found = kmeans(&points, 3, 20).unwrap();
        assert_eq!(found.clusters, [2, 0, 0, 1, 1, 1, 0, 2]);
        let expected = [0.1, 5.1, 9.05];
        assert!(found.centroids.iter().zip(expected).all(|(found, right)| (found - right).abs() < 1e-6));
        assert!((found.inertia - 0.045).abs() < 1e-6);
    }

    #[test]
    fn no_more_clusters_than_different_points() {
        let points = Points::new(&[1.0, 1.0, 2.0, 2.0, 2.0], 5, 1).unwrap();
        let found = kmeans(&points, 4, 3).unwrap();
        assert_eq!(found.clusters, [1, 1, 0, 0, 0]);
        assert_eq!(found.centroids, [2.0, 1.0]);
        let same = Points::new(&[3.0; 6], 3, 2).unwrap();
        assert_eq!(kmeans(&same, 2, 3).unwrap().clusters, [0, 0, 0]);
        let none = Points::new(&[], 0, 2).unwrap();
        assert_eq!(kmeans(&none, 2, 3).unwrap().clusters, [0u16; 0]);
    }

    #[test]
    fn the_largest_floats_do_not_overflow() {
        let points = Points::new(&[f32::MAX, f32::MAX, f32::MIN, f32::MIN], 4, 1).unwrap();
        let found = kmeans(&points, 2, 3).unwrap();
        assert_eq!((found.clusters, found.inertia), (vec![0, 0, 1, 1], 0.0));
    }

    proptest! {
        #[test]
        fn every_point_is_with_its_nearest_centroid(
            values in proptest::collection::vec(-100i8..100, 2..160), k in 1usize..7,
        ) {
            let floats: Vec<f32> = values.iter().map(|value| f32::from(*value)).collect();
            let count = floats.len() / 2;
            let points = Points::new(&floats[..count * 2], count, 2).unwrap();
            let found = kmeans(&points, k, 4).unwrap();
            prop_assert_eq!(&found, &kmeans(&points, k, 4).unwrap());
            let distance = |index: usize, cluster: usize| -> f64 {
                let center = &found.centroids[cluster * 2..cluster * 2 + 2];
                points.row(index).iter().zip(center).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum()
            };
            let clusters = found.centroids.len() / 2;
            prop_assert!(clusters <= k);
            let mut inertia = 0.0;
            for (index, &cluster) in found.clusters.iter().enumerate() {
                let own = distance(index, usize::from(cluster));
                inertia += own;
                prop_assert!((0..clusters).all(|other| own <= distance(index, other) + 1e-9));
            }
            prop_assert!((inertia - found.inertia).abs() < 1e-6 * (1.0 + inertia));
        }
    }
}
