//! How well two partitions of the same cells agree: NMI, ARI, AMI, homogeneity, completeness, equal to
//! scikit-learn's on the same two labellings. Logarithms are natural. How partitions come about lives elsewhere.

use std::collections::BTreeMap;

use domain::config::NmiAverage;

use crate::error::EvalError;

/// The five scores of one partition against the labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Normalised mutual information, in 0..=1.
    pub nmi: f64,
    /// Adjusted Rand index (Hubert and Arabie 1985), in −0.5..=1.
    pub ari: f64,
    /// Adjusted mutual information with the arithmetic mean (Vinh et al. 2010), at most 1.
    pub ami: f64,
    /// Each cluster holds one label (Rosenberg and Hirschberg 2007), in 0..=1.
    pub homogeneity: f64,
    /// Each label lies in one cluster, in 0..=1.
    pub completeness: f64,
}

/// How many cells carry each pair of label and cluster. Labels that no cell carries do not exist here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contingency {
    /// Cells of each label that occurs.
    rows: Vec<u64>,
    /// Cells of each cluster that occurs.
    columns: Vec<u64>,
    /// (row, column, cells) of every pair that occurs.
    pairs: Vec<(usize, usize, u64)>,
    total: u64,
}

impl Contingency {
    /// The table of `labels` (rows) against `clusters` (columns), one entry a cell in both.
    ///
    /// # Errors
    /// When the two have different lengths.
    pub fn new(labels: &[u16], clusters: &[u16]) -> Result<Self, EvalError> {
        if labels.len() != clusters.len() {
            return Err(EvalError::LabelCount { first: labels.len(), second: clusters.len() });
        }
        let mut counts: BTreeMap<(u16, u16), u64> = BTreeMap::new();
        labels
            .iter()
            .zip(clusters)
            .for_each(|(&label, &cluster)| *counts.entry((label, cluster)).or_default() += 1);
        let (row_of, rows) = margin(counts.iter().map(|(&(label, _), &cells)| (label, cells)));
        let (column_of, columns) = margin(counts.iter().map(|(&(_, cluster), &cells)| (cluster, cells)));
        let pairs = counts
            .iter()
            .map(|((label, cluster), &cells)| (row_of[label], column_of[cluster], cells))
            .collect();
        Ok(Self { rows, columns, pairs, total: labels.len() as u64 })
    }

    /// All five scores; `average` is the mean in NMI's denominator.
    #[must_use]
    pub fn agreement(&self, average: NmiAverage) -> Agreement {
        Agreement {
            nmi: self.nmi(average),
            ari: self.ari(),
            ami: self.ami(),
            homogeneity: self.homogeneity(),
            completeness: self.completeness(),
        }
    }

    /// Normalised mutual information; 1 where neither side splits the cells.
    #[must_use]
    pub fn nmi(&self, average: NmiAverage) -> f64 {
        if self.neither_splits() {
            return 1.0;
        }
        let shared = self.mutual_information();
        if shared == 0.0 {
            return 0.0;
        }
        let (of_labels, of_clusters) = (self.label_entropy(), self.cluster_entropy());
        shared
            / match average {
                NmiAverage::Arithmetic => (of_labels + of_clusters) / 2.0,
                NmiAverage::Geometric => (of_labels * of_clusters).sqrt(),
            }
    }

    /// Adjusted Rand index; 1 where both sides are the same partition.
    #[must_use]
    pub fn ari(&self) -> f64 {
        let squares = |counts: &[u64]| counts.iter().map(|&count| square(count)).sum::<i128>();
        let together = self.pairs.iter().map(|&(_, _, cells)| square(cells)).sum::<i128>();
        // Ordered pairs of cells: together on both sides, on one side only, on neither.
        let both = together - i128::from(self.total);
        let clusters_only = squares(&self.columns) - together;
        let labels_only = squares(&self.rows) - together;
        let neither = square(self.total) - clusters_only - labels_only - together;
        if clusters_only == 0 && labels_only == 0 {
            return 1.0;
        }
        let above_chance = both * neither - labels_only * clusters_only;
        let possible = (both + labels_only) * (labels_only + neither)
            + (both + clusters_only) * (clusters_only + neither);
        2.0 * above_chance as f64 / possible as f64
    }

    /// Adjusted mutual information; 1 for equal partitions, 0 where only one side splits the cells.
    #[must_use]
    pub fn ami(&self) -> f64 {
        if self.neither_splits() || self.is_same_partition() {
            return 1.0;
        }
        if self.rows.len() == 1 || self.columns.len() == 1 {
            return 0.0;
        }
        let expected = self.expected_mutual_information();
        let above_chance = away_from_zero(self.mutual_information() - expected);
        let possible = away_from_zero((self.label_entropy() + self.cluster_entropy()) / 2.0 - expected);
        above_chance / possible
    }

    /// Share of the labels' entropy that the clusters explain; 1 where there is none.
    #[must_use]
    pub fn homogeneity(&self) -> f64 {
        self.explained(self.label_entropy())
    }

    /// Share of the clusters' entropy that the labels explain; 1 where there is none.
    #[must_use]
    pub fn completeness(&self) -> f64 {
        self.explained(self.cluster_entropy())
    }

    /// Mutual information in nats, at least 0.
    #[must_use]
    pub fn mutual_information(&self) -> f64 {
        let total = self.total as f64;
        let term = |&(row, column, cells): &(usize, usize, u64)| {
            let cells = cells as f64;
            let by_chance = self.rows[row] as f64 * self.columns[column] as f64;
            let term = cells / total * (cells.ln() - total.ln() - by_chance.ln() + 2.0 * total.ln());
            // A pair exactly as frequent as by chance says nothing; rounding must not say otherwise.
            if term.abs() < f64::EPSILON { 0.0 } else { term }
        };
        self.pairs.iter().map(term).sum::<f64>().max(0.0)
    }

    fn explained(&self, entropy: f64) -> f64 {
        if self.total == 0 || entropy == 0.0 { 1.0 } else { self.mutual_information() / entropy }
    }

    fn label_entropy(&self) -> f64 {
        entropy(&self.rows, self.total)
    }

    fn cluster_entropy(&self) -> f64 {
        entropy(&self.columns, self.total)
    }

    fn neither_splits(&self) -> bool {
        self.rows.len() <= 1 && self.columns.len() <= 1
    }

    fn is_same_partition(&self) -> bool {
        self.pairs.len() == self.rows.len() && self.pairs.len() == self.columns.len()
    }

    /// Mean mutual information of two random partitions with these cluster sizes: the exact hypergeometric sum.
    ///
    /// Clusters of one size contribute alike, so each pair of sizes is summed once; a thousand singletons cost one.
    fn expected_mutual_information(&self) -> f64 {
        let (row_sizes, column_sizes) = (multiplicities(&self.rows), multiplicities(&self.columns));
        let mut expected = 0.0;
        for (&row_size, &rows) in &row_sizes {
            for (&column_size, &columns) in &column_sizes {
                let one_pair = expected_information(row_size, column_size, self.total);
                expected += rows as f64 * columns as f64 * one_pair;
            }
        }
        expected
    }
}

/// Expected contribution to the mutual information of one cluster of `first` cells and one of `second`, of `total`.
///
/// The overlap is hypergeometric. Its probabilities are walked from the mode outwards by the ratio of neighbours and
/// divided by their sum: no factorial is needed, nothing overflows, and the walk ends where nothing is left to add.
fn expected_information(first: u64, second: u64, total: u64) -> f64 {
    const NEGLIGIBLE: f64 = 1e-30;
    let (a, b, n) = (first as f64, second as f64, total as f64);
    let (least, most) = ((first + second).saturating_sub(total), first.min(second));
    let mode = (((a + 1.0) * (b + 1.0) / (n + 2.0)) as u64).clamp(least, most);
    let information = |overlap: f64| {
        if overlap == 0.0 { 0.0 } else { overlap / n * (n.ln() + overlap.ln() - a.ln() - b.ln()) }
    };
    // Probability of one overlap more, relative to `overlap`.
    let ratio_up =
        |overlap: f64| (a - overlap) * (b - overlap) / ((overlap + 1.0) * (n - a - b + overlap + 1.0));
    let (mut mass, mut weighted) = (1.0, information(mode as f64));
    let mut add = |probability: f64, overlap: u64| {
        mass += probability;
        weighted += probability * information(overlap as f64);
    };
    let mut probability = 1.0;
    for overlap in mode + 1..=most {
        probability *= ratio_up((overlap - 1) as f64);
        if probability < NEGLIGIBLE {
            break;
        }
        add(probability, overlap);
    }
    probability = 1.0;
    for overlap in (least..mode).rev() {
        probability /= ratio_up(overlap as f64);
        if probability < NEGLIGIBLE {
            break;
        }
        add(probability, overlap);
    }
    weighted / mass
}

/// Entropy in nats of a partition into clusters of these sizes.
fn entropy(sizes: &[u64], total: u64) -> f64 {
    if sizes.len() <= 1 {
        return 0.0;
    }
    let total = total as f64;
    -sizes.iter().map(|&size| size as f64 / total * ((size as f64).ln() - total.ln())).sum::<f64>()
}

/// Number of each name in the order of names, and the cells of each.
fn margin(cells_of: impl Iterator<Item = (u16, u64)>) -> (BTreeMap<u16, usize>, Vec<u64>) {
    let mut sizes: BTreeMap<u16, u64> = BTreeMap::new();
    cells_of.for_each(|(name, cells)| *sizes.entry(name).or_default() += cells);
    (sizes.keys().enumerate().map(|(index, &name)| (name, index)).collect(), sizes.into_values().collect())
}

fn multiplicities(sizes: &[u64]) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    sizes.iter().for_each(|&size| *counts.entry(size).or_default() += 1);
    counts
}

fn square(count: u64) -> i128 {
    i128::from(count) * i128::from(count)
}

/// Keeps a quotient of two vanishing numbers finite, as scikit-learn does.
fn away_from_zero(value: f64) -> f64 {
    if value < 0.0 { value.min(-f64::EPSILON) } else { value.max(f64::EPSILON) }
}

#[cfg(test)]
mod tests {
    use super::{Contingency, expected_information};
    use crate::error::EvalError;
    use domain::config::NmiAverage;
    use proptest::prelude::*;

    #[test]
    fn labellings_of_different_lengths_are_refused() {
        assert_eq!(
            Contingency::new(&[0, 1], &[0]).unwrap_err(),
            EvalError::LabelCount { first: 2, second: 1 }
        );
    }

    /// The walk from the mode equals the plain sum over all overlaps with log-factorials.
    #[test]
    fn expected_information_is_the_plain_hypergeometric_sum() {
        let log_factorial = |n: u64| (1..=n).map(|k| (k as f64).ln()).sum::<f64>();
        for (a, b, n) in
            [(1, 1, 2), (3, 4, 7), (5, 5, 9), (10, 20, 30), (7, 60, 100), (99, 99, 100), (40, 50, 600)]
        {
            let plain: f64 = ((a + b - n.min(a + b)).max(1)..=a.min(b))
                .map(|overlap: u64| {
                    let log_probability =
                        log_factorial(a) + log_factorial(b) + log_factorial(n - a) + log_factorial(n - b)
                            - log_factorial(n)
                            - log_factorial(overlap)
                            - log_factorial(a - overlap)
                            - log_factorial(b - overlap)
                            - log_factorial(n + overlap - a - b);
                    let information = (n as f64 * overlap as f64 / (a as f64 * b as f64)).ln();
                    overlap as f64 / n as f64 * information * log_probability.exp()
                })
                .sum();
            let walked = expected_information(a, b, n);
            assert!((walked - plain).abs() < 1e-13, "{a} {b} {n}: {walked} and {plain}");
        }
    }

    proptest! {
        #[test]
        fn scores_ignore_names_and_sides(cells in proptest::collection::vec((0u16..6, 0u16..9), 0..80)) {
            let (labels, clusters): (Vec<u16>, Vec<u16>) = cells.into_iter().unzip();
            let renamed: Vec<u16> = clusters.iter().map(|cluster| 40_000 - 7 * cluster).collect();
            let plain = Contingency::new(&labels, &clusters).unwrap().agreement(NmiAverage::Arithmetic);
            let other = Contingency::new(&labels, &renamed).unwrap().agreement(NmiAverage::Arithmetic);
            let turned = Contingency::new(&clusters, &labels).unwrap().agreement(NmiAverage::Arithmetic);
            for (one, two) in [
                (plain.nmi, other.nmi), (plain.ari, other.ari), (plain.ami, other.ami),
                (plain.homogeneity, other.homogeneity), (plain.completeness, other.completeness),
                (plain.nmi, turned.nmi), (plain.ari, turned.ari), (plain.ami, turned.ami),
                (plain.homogeneity, turned.completeness),
            ] {
                prop_assert!((one - two).abs() < 1e-9, "{one} and {two}");
            }
            prop_assert!((-1e-12..=1.0 + 1e-12).contains(&plain.nmi) && plain.ami.is_finite());
        }

        #[test]
        fn a_partition_agrees_fully_with_itself(labels in proptest::collection::vec(0u16..500, 0..60)) {
            let same = Contingency::new(&labels, &labels).unwrap().agreement(NmiAverage::Geometric);
            for score in [same.nmi, same.ari, same.ami, same.homogeneity, same.completeness] {
                prop_assert!((score - 1.0).abs() < 1e-12);
            }
        }
    }
}
