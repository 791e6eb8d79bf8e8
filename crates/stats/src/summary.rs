//! Mean, spread and confidence interval of one metric over the seeds of one config. Comparisons between configs do not
//! live here.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Probability that a 95 % interval leaves below and above it, each.
const TAIL: f64 = 0.025;

/// One metric over the seeds of one config.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Values.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divisor n − 1); `None` for one value.
    pub sd: Option<f64>,
    /// 95 % confidence interval of the mean by Student's t, lower end first; `None` for one value, or where an end
    /// lies beyond the largest f64.
    pub ci95: Option<(f64, f64)>,
}

/// The summary of `values`; `None` where there are none, or where one is not finite: a mean must not hide it.
#[must_use]
pub fn summarise(values: &[f64]) -> Option<Summary> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let scale = scale(values);
    let scaled: Vec<f64> = values.iter().map(|value| value / scale).collect();
    let n = values.len() as f64;
    let first_pass = scaled.iter().sum::<f64>() / n;
    // What rounding left in the first mean is the mean of the differences from it; equal values have none.
    let scaled_mean = first_pass + scaled.iter().map(|value| value - first_pass).sum::<f64>() / n;
    let mean = scaled_mean * scale;
    if values.len() == 1 {
        return Some(Summary { n: 1, mean, sd: None, ci95: None });
    }
    let squares: f64 = scaled.iter().map(|value| (value - scaled_mean).powi(2)).sum();
    let scaled_sd = (squares / (n - 1.0)).sqrt();
    let half_width = t_quantile(n - 1.0) * scaled_sd / n.sqrt();
    let ends = ((scaled_mean - half_width) * scale, (scaled_mean + half_width) * scale);
    let ci95 = (ends.0.is_finite() && ends.1.is_finite()).then_some(ends);
    let sd = Some(scaled_sd * scale).filter(|sd| sd.is_finite());
    Some(Summary { n: values.len(), mean, sd, ci95 })
}

/// A power of two next to the largest magnitude: dividing by it is exact and no sum or square overflows or vanishes.
pub(crate) fn scale(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    if largest.is_normal() { 2f64.powi(largest.log2().floor().clamp(-1000.0, 1023.0) as i32) } else { 1.0 }
}

/// The value that Student's t with these degrees of freedom (at least 1) stays below with probability 0.975.
fn t_quantile(degrees_of_freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees_of_freedom)
        .expect("location 0, scale 1 and degrees of freedom of at least 1 are a distribution")
        .inverse_cdf(1.0 - TAIL)
}

#[cfg(test)]
mod tests {
    use super::summarise;
    use proptest::prelude::*;

    #[test]
    fn nothing_and_what_is_not_finite_have_no_summary() {
        assert_eq!(summarise(&[]), None);
        assert_eq!(summarise(&[1.0, f64::NAN]), None);
        assert_eq!(summarise(&[f64::INFINITY]), None);
    }

    #[test]
    fn one_value_has_no_spread() {
        let one = summarise(&[0.3]).unwrap();
        assert_eq!((one.n, one.mean, one.sd, one.ci95), (1, 0.3, None, None));
    }

    #[test]
    fn equal_values_spread_by_nothing() {
        for value in [0.1, -7.3e-200, 0.0, 5e-324, 1.7e308] {
            let equal = summarise(&[value; 7]).unwrap();
            assert_eq!((equal.mean, equal.sd, equal.ci95), (value, Some(0.0), Some((value, value))));
        }
    }

    #[test]
    fn ends_beyond_the_largest_number_are_left_out() {
        let huge = summarise(&[1.7e308, -1.7e308]).unwrap();
        assert_eq!((huge.mean, huge.ci95), (0.0, None));
        assert_eq!(huge.sd, None);
        let large = summarise(&[1e307, 1.2e307, 1.1e307]).unwrap();
        assert!((large.mean / 1.1e307 - 1.0).abs() < 1e-14 && large.ci95.is_some());
    }

    proptest! {
        #[test]
        fn it_moves_and_stretches_with_the_values(
            values in proptest::collection::vec(-1e3f64..1e3, 2..40), shift in -1e3f64..1e3, stretch in 0.1f64..10.0,
        ) {
            let plain = summarise(&values).unwrap();
            let moved: Vec<f64> = values.iter().map(|value| value * stretch + shift).collect();
            let moved = summarise(&moved).unwrap();
            let close = |one: f64, two: f64| (one - two).abs() <= 1e-9 * (1.0 + one.abs());
            prop_assert!(close(moved.mean, plain.mean * stretch + shift));
            prop_assert!(close(moved.sd.unwrap(), plain.sd.unwrap() * stretch));
            let (low, high) = plain.ci95.unwrap();
            prop_assert!(low <= plain.mean && plain.mean <= high);
            prop_assert!(close(moved.ci95.unwrap().0, low * stretch + shift));
        }
    }
}
