//! The sign-flip permutation test on the mean of paired differences: if neither config is better, each difference is as
//! likely with the other sign, so all 2ⁿ sign patterns are equally likely (Fisher 1935).
//!
//! Against a value without a seed (PCA) the same test asks whether the config's values lie evenly about it; then it assumes
//! that they scatter symmetrically.

use crate::stream::Stream;
use crate::summary::scale;

/// Pairs up to which all 2ⁿ patterns are counted. Two halves are enumerated and joined, so that 2¹⁵ sums do for 2³⁰.
pub const MOST_EXACT: usize = 30;

/// Patterns drawn beyond that.
const DRAWS: u32 = 99_999;

/// A two-sided sign-flip test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlip {
    /// Share of sign patterns whose mean is at least as far from 0, in (0, 1].
    pub p: f64,
    /// The smallest p that so many differences can give: 2 / 2ⁿ of those that are not zero; of drawn patterns 1 / (draws + 1).
    pub smallest_p: f64,
    /// Whether all patterns were counted; else they were drawn and p is (hits + 1) / (draws + 1).
    pub exact: bool,
}

/// The smallest two-sided p that an exact sign-flip test over `pairs` differences can give.
#[must_use]
pub fn smallest_p(pairs: usize) -> f64 {
    2_f64.powi(1 - i32::try_from(pairs).unwrap_or(i32::MAX)).min(1.0)
}

/// The test of these differences; `None` where there are none or one is not finite. `seed` matters beyond
/// [`MOST_EXACT`] differences only.
#[must_use]
pub fn sign_flip(differences: &[f64], seed: u64) -> Option<SignFlip> {
    if differences.is_empty() || differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    // Turning the sign of a zero changes nothing: every pattern of the others is met equally often.
    let scale = scale(differences);
    let sizes: Vec<f64> = differences.iter().filter(|d| **d != 0.0).map(|d| d.abs() / scale).collect();
    let sum: f64 = differences.iter().map(|difference| difference / scale).sum();
    // Sums that are equal but for their rounding must count as equal: ties are common among rounded scores.
    let rounding = sizes.iter().sum::<f64>() * sizes.len() as f64 * f64::EPSILON;
    let reached = sum.abs() - rounding;
    if sizes.len() <= MOST_EXACT {
        let (hits, patterns) = if reached <= 0.0 { (1, 1) } else { count_all(&sizes, reached) };
        return Some(SignFlip {
            p: hits as f64 / patterns as f64,
            smallest_p: smallest_p(sizes.len()),
            exact: true,
        });
    }
    let hits = count_drawn(&sizes, reached, seed);
    let of = f64::from(DRAWS + 1);
    Some(SignFlip { p: f64::from(hits + 1) / of, smallest_p: 1.0 / of, exact: false })
}

/// Of all sign patterns those whose sum is `reached` or more from 0. `reached` is above 0, so no pattern counts twice.
fn count_all(sizes: &[f64], reached: f64) -> (u64, u64) {
    let (left, right) = sizes.split_at(sizes.len() / 2);
    let left = signed_sums(left);
    let mut right = signed_sums(right);
    right.sort_by(f64::total_cmp);
    let hits: u64 = left
        .iter()
        .map(|sum| {
            let below = right.partition_point(|other| sum + other <= -reached);
            let above = right.len() - right.partition_point(|other| sum + other < reached);
            (below + above) as u64
        })
        .sum();
    (hits, left.len() as u64 * right.len() as u64)
}

/// The sums under all sign patterns.
fn signed_sums(sizes: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    for size in sizes {
        sums = sums.iter().map(|sum| sum + size).chain(sums.iter().map(|sum| sum - size)).collect();
    }
    sums
}

fn count_drawn(sizes: &[f64], reached: f64, seed: u64) -> u32 {
    let mut stream = Stream::new(seed);
    let mut hits = 0;
    for _ in 0..DRAWS {
        let mut sum = 0.0;
        for part in sizes.chunks(64) {
            let bits = stream.next_u64();
            for (place, size) in part.iter().enumerate() {
                sum += if bits >> place & 1 == 1 { *size } else { -size };
            }
        }
        hits += u32::from(sum.abs() >= reached);
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::{sign_flip, smallest_p};
    use proptest::prelude::*;

    fn p(differences: &[f64]) -> f64 {
        sign_flip(differences, 1).unwrap().p
    }

    #[test]
    fn five_pairs_cannot_reach_five_per_cent() {
        let all_alike = sign_flip(&[0.1, 0.2, 0.3, 0.4, 0.5], 1).unwrap();
        assert_eq!((all_alike.p, all_alike.smallest_p, all_alike.exact), (0.0625, 0.0625, true));
        assert_eq!(smallest_p(6), 0.03125);
        assert_eq!((smallest_p(0), smallest_p(1)), (1.0, 1.0));
    }

    #[test]
    fn nothing_but_zeros_tells_nothing() {
        let zeros = sign_flip(&[0.0; 6], 1).unwrap();
        assert_eq!((zeros.p, zeros.smallest_p), (1.0, 1.0));
        assert_eq!(sign_flip(&[], 1), None);
        assert_eq!(sign_flip(&[1.0, f64::NAN], 1), None);
    }

    #[test]
    fn a_zero_changes_neither_p_nor_what_can_be_reached() {
        let with = sign_flip(&[0.3, 0.0, -0.1, 0.2, 0.0], 1).unwrap();
        let without = sign_flip(&[0.3, -0.1, 0.2], 1).unwrap();
        assert_eq!((with.p, with.smallest_p), (without.p, without.smallest_p));
    }

    #[test]
    fn huge_and_tiny_differences_are_counted_alike() {
        let plain = [0.3, -0.1, 0.2, 0.25];
        for factor in [1e300, 1e-300] {
            assert_eq!(p(&plain.map(|d| d * factor)), p(&plain));
        }
    }

    #[test]
    fn drawn_patterns_never_give_zero_and_follow_the_seed() {
        let alike: Vec<f64> = (1..=40).map(f64::from).collect();
        let one = sign_flip(&alike, 5).unwrap();
        assert_eq!((one.p, one.exact), (1e-5, false));
        let mixed: Vec<f64> =
            (1..=40).map(|i| if i % 3 == 0 { -f64::from(i) } else { f64::from(i) * 0.6 }).collect();
        assert_eq!(sign_flip(&mixed, 5), sign_flip(&mixed, 5));
    }

    proptest! {
        #[test]
        fn neither_sign_nor_order_matters(values in proptest::collection::vec(-9i32..9, 1..16)) {
            let values: Vec<f64> = values.into_iter().map(|value| f64::from(value) / 7.0).collect();
            let turned: Vec<f64> = values.iter().rev().map(|value| -value).collect();
            let found = sign_flip(&values, 1).unwrap();
            prop_assert_eq!(found, sign_flip(&turned, 1).unwrap());
            prop_assert!(found.smallest_p <= found.p && found.p <= 1.0);
        }

        #[test]
        fn it_counts_what_counting_one_by_one_counts(values in proptest::collection::vec(-20i32..20, 1..12)) {
            let sum: i32 = values.iter().sum();
            let hits = (0..1_u32 << values.len()).filter(|bits| {
                let signed = values.iter().enumerate().map(|(at, v)| if bits >> at & 1 == 1 { *v } else { -v });
                signed.sum::<i32>().abs() >= sum.abs()
            });
            let expected = hits.count() as f64 / f64::from(1_u32 << values.len());
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            prop_assert_eq!(p(&values), expected);
        }
    }
}
