//! Holm's step-down correction (Holm 1979): in a family of tests, the chance of any false claim stays below α.

/// The corrected p of each test, in the order given. A NaN stays a NaN and counts as a test.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![f64::NAN; p.len()];
    let mut largest = 0.0_f64;
    for (smaller, &at) in order.iter().enumerate().filter(|(_, at)| !p[**at].is_nan()) {
        // a larger p is never corrected to less than a smaller one
        largest = largest.max(((p.len() - smaller) as f64 * p[at]).min(1.0));
        corrected[at] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::holm;
    use proptest::prelude::*;

    #[test]
    fn one_test_needs_no_correction_and_none_has_none() {
        assert_eq!(holm(&[0.03]), [0.03]);
        assert!(holm(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn it_keeps_the_order_and_never_lowers_a_p(p in proptest::collection::vec(0.0f64..=1.0, 1..30)) {
            let corrected = holm(&p);
            for (one, &before) in p.iter().enumerate() {
                prop_assert!(before <= corrected[one] && corrected[one] <= 1.0);
                prop_assert!(corrected[one] <= (before * p.len() as f64).min(1.0));
                for (two, &other) in p.iter().enumerate() {
                    prop_assert!(before > other || corrected[one] <= corrected[two]);
                }
            }
        }

        #[test]
        fn the_order_of_the_tests_does_not_matter(p in proptest::collection::vec(0.0f64..=1.0, 1..30)) {
            let mut turned: Vec<f64> = p.clone();
            turned.reverse();
            let mut back = holm(&turned);
            back.reverse();
            prop_assert_eq!(back, holm(&p));
        }
    }
}
