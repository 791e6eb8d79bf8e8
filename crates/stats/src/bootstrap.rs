//! Bootstrap intervals of a mean: percentile, and bias-corrected and accelerated (BCa; Efron 1987, computed as SciPy does).
//! Below some ten values they are too narrow; Student's t (`summary`) serves there.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::stream::Stream;

/// Two 95 % intervals of a mean, lower end first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Between the 2.5 % and the 97.5 % point of the resampled means.
    pub percentile: (f64, f64),
    /// The same points moved for bias and skew; `None` where all values are equal.
    pub bca: Option<(f64, f64)>,
}

/// The intervals of the mean of `values` from so many resamples; `None` for fewer than two values or one that is not
/// finite, or without resamples.
#[must_use]
pub fn bootstrap_mean(values: &[f64], resamples: usize, seed: u64) -> Option<Bootstrap> {
    let n = values.len();
    if n < 2 || resamples == 0 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut stream = Stream::new(seed);
    let mut means: Vec<f64> =
        (0..resamples).map(|_| (0..n).map(|_| values[stream.below(n)]).sum::<f64>() / n as f64).collect();
    means.sort_by(f64::total_cmp);
    let percentile = (quantile(&means, 0.025), quantile(&means, 0.975));
    Some(Bootstrap { percentile, bca: bca(values, &means) })
}

fn bca(values: &[f64], sorted_means: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let total: f64 = values.iter().sum();
    let mean = total / n;
    // a resample that holds the values in another order has their mean, whatever the rounding of its sum
    let rounding = values.iter().map(|value| value.abs()).sum::<f64>() * f64::EPSILON;
    let below = sorted_means.partition_point(|resampled| *resampled < mean - rounding);
    let not_above = sorted_means.partition_point(|resampled| *resampled <= mean + rounding);
    let share = (below + not_above) as f64 / (2.0 * sorted_means.len() as f64);
    let normal = Normal::standard();
    let bias = normal.inverse_cdf(share);

    let without: Vec<f64> = values.iter().map(|value| (total - value) / (n - 1.0)).collect();
    let middle = without.iter().sum::<f64>() / n;
    let moment = |power: i32| without.iter().map(|one| (middle - one).powi(power)).sum::<f64>();
    let acceleration = moment(3) / (6.0 * moment(2).powf(1.5));

    let point = |z: f64| normal.cdf(bias + (bias + z) / (1.0 - acceleration * (bias + z)));
    let z = normal.inverse_cdf(0.975);
    let ends = (quantile(sorted_means, point(-z)), quantile(sorted_means, point(z)));
    (ends.0.is_finite() && ends.1.is_finite()).then_some(ends)
}

/// The value below which a share `q` of the sorted values lies, between neighbours in proportion; NaN for a NaN.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    let place = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let low = place.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * (place - low as f64)
}

#[cfg(test)]
mod tests {
    use super::bootstrap_mean;
    use proptest::prelude::*;

    #[test]
    fn equal_values_leave_no_doubt() {
        let equal = bootstrap_mean(&[0.25; 5], 500, 1).unwrap();
        assert_eq!((equal.percentile, equal.bca), ((0.25, 0.25), None));
        assert_eq!(bootstrap_mean(&[1.0], 500, 1), None);
        assert_eq!(bootstrap_mean(&[1.0, f64::NAN], 500, 1), None);
        assert_eq!(bootstrap_mean(&[1.0, 2.0], 0, 1), None);
    }

    proptest! {
        #[test]
        fn ends_are_in_order_and_within_the_values(values in proptest::collection::vec(-5.0f64..5.0, 2..20), seed in 0u64..50) {
            let found = bootstrap_mean(&values, 400, seed).unwrap();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min) - 1e-9;
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 1e-9;
            for (left, right) in [Some(found.percentile), found.bca].into_iter().flatten() {
                prop_assert!(low <= left && left <= right && right <= high);
            }
            prop_assert_eq!(bootstrap_mean(&values, 400, seed), Some(found));
        }
    }
}
