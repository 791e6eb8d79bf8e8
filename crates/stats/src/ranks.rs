//! Ranks with ties.

/// Ranks from 1 in rising order; equal values share the mean of the ranks that they take up. NaN has no place here:
/// it is ordered as `total_cmp` does, so that nothing panics.
#[must_use]
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut smaller = 0;
    for run in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = smaller as f64 + (run.len() as f64 + 1.0) / 2.0;
        run.iter().for_each(|&at| ranks[at] = rank);
        smaller += run.len();
    }
    ranks
}

/// Σ (t³ − t) over the runs of `t` equal ranks: what ties take from a rank statistic's variance.
pub(crate) fn tie_term(ranks: &[f64]) -> f64 {
    let mut sorted = ranks.to_vec();
    sorted.sort_by(f64::total_cmp);
    let term = |run: &[f64]| {
        let t = run.len() as f64;
        t * t * t - t
    };
    sorted.chunk_by(|a, b| a == b).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::{midranks, tie_term};
    use proptest::prelude::*;

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        assert_eq!(midranks(&[10.0, 20.0, 10.0, 5.0]), [2.5, 4.0, 2.5, 1.0]);
        assert_eq!(midranks(&[0.0, -0.0]), [1.5, 1.5]);
        assert_eq!(midranks(&[]), [0.0; 0]);
        assert_eq!(tie_term(&[2.5, 4.0, 2.5, 1.0]), 6.0);
    }

    proptest! {
        #[test]
        fn they_sum_to_that_of_one_to_n(values in proptest::collection::vec(-3i32..3, 0..40)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let n = values.len() as f64;
            prop_assert_eq!(midranks(&values).iter().sum::<f64>(), n * (n + 1.0) / 2.0);
        }
    }
}
