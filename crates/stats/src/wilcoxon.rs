//! Wilcoxon's signed-rank test of paired differences (Wilcoxon 1945): zeros are dropped, ties share their mean rank.
//!
//! The exact p is that of all sign patterns of the ranks as they are, ties included (as R's `exactRankTests` and SciPy's
//! `PermutationMethod` count; without ties it is SciPy's `method="exact"`). The normal approximation is corrected for ties.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::effect::signed_rank_sums;
use crate::ranks::{midranks, tie_term};
use crate::sign_flip::smallest_p;

/// Differences up to which [`wilcoxon`] is exact.
const MOST_EXACT: usize = 200;

/// Where p comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WilcoxonMethod {
    /// All sign patterns of the ranks.
    Exact,
    /// The normal approximation.
    Normal,
    /// The normal approximation with ½ taken off the distance (R's default).
    NormalCorrected,
}

/// A two-sided signed-rank test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// Rank sum of the positive differences.
    pub w_plus: f64,
    /// Rank sum of the negative ones.
    pub w_minus: f64,
    /// Differences that are not zero: those that are ranked.
    pub n: usize,
    /// In (0, 1].
    pub p: f64,
    /// The smallest p that so many ranks can give in the exact test.
    pub smallest_p: f64,
    /// Where p comes from.
    pub method: WilcoxonMethod,
}

/// The test of these differences, exact where that is cheap (200 of them); `None` where all are zero, there are none,
/// or one is not finite.
#[must_use]
pub fn wilcoxon(differences: &[f64]) -> Option<Wilcoxon> {
    let ranked = differences.iter().filter(|difference| **difference != 0.0).count();
    let method = if ranked <= MOST_EXACT { WilcoxonMethod::Exact } else { WilcoxonMethod::NormalCorrected };
    wilcoxon_by(differences, method)
}

/// The test by this method.
#[must_use]
pub fn wilcoxon_by(differences: &[f64], method: WilcoxonMethod) -> Option<Wilcoxon> {
    let (w_plus, w_minus) = signed_rank_sums(differences)?;
    let sizes: Vec<f64> = differences.iter().filter(|d| **d != 0.0).map(|d| d.abs()).collect();
    let ranks = midranks(&sizes);
    let p = match method {
        WilcoxonMethod::Exact => exact_p(&ranks, w_plus.min(w_minus)),
        WilcoxonMethod::Normal => normal_p(&ranks, w_plus, 0.0),
        WilcoxonMethod::NormalCorrected => normal_p(&ranks, w_plus, 0.5),
    };
    Some(Wilcoxon { w_plus, w_minus, n: ranks.len(), p, smallest_p: smallest_p(ranks.len()), method })
}

/// Twice the chance that the smaller rank sum is at most `smaller`: the distribution is even about its middle.
fn exact_p(ranks: &[f64], smaller: f64) -> f64 {
    // midranks are whole or half: doubled they are whole
    let doubled = |value: f64| (value * 2.0).round() as usize;
    let most = doubled(smaller);
    // chance_of[s]: that the positive ranks (doubled) sum to s; sums beyond `most` are not needed
    let mut chance_of = vec![0.0; most + 1];
    chance_of[0] = 1.0;
    for rank in ranks.iter().map(|rank| doubled(*rank)) {
        for sum in (0..=most).rev() {
            let with = if sum >= rank { chance_of[sum - rank] } else { 0.0 };
            chance_of[sum] = (chance_of[sum] + with) / 2.0;
        }
    }
    (2.0 * chance_of.iter().sum::<f64>()).min(1.0)
}

fn normal_p(ranks: &[f64], w_plus: f64, correction: f64) -> f64 {
    let n = ranks.len() as f64;
    let mean = n * (n + 1.0) / 4.0;
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - tie_term(ranks) / 48.0;
    let distance = ((w_plus - mean).abs() - correction).max(0.0);
    (2.0 * Normal::standard().sf(distance / variance.sqrt())).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::{WilcoxonMethod, wilcoxon, wilcoxon_by};
    use proptest::prelude::*;

    #[test]
    fn five_pairs_cannot_reach_five_per_cent() {
        let all_alike = wilcoxon(&[0.1, 0.2, 0.3, 0.4, 0.5]).unwrap();
        assert_eq!((all_alike.p, all_alike.smallest_p, all_alike.w_plus), (0.0625, 0.0625, 15.0));
    }

    #[test]
    fn what_cannot_be_ranked_has_no_test() {
        assert_eq!(wilcoxon(&[0.0, 0.0]), None);
        assert_eq!(wilcoxon(&[]), None);
        assert_eq!(wilcoxon(&[1.0, f64::INFINITY]), None);
    }

    proptest! {
        #[test]
        fn neither_sign_order_nor_scale_matters(values in proptest::collection::vec(-9i32..9, 1..40)) {
            prop_assume!(values.iter().any(|value| *value != 0));
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let turned: Vec<f64> = values.iter().rev().map(|value| -value * 4.0).collect();
            for method in [WilcoxonMethod::Exact, WilcoxonMethod::Normal, WilcoxonMethod::NormalCorrected] {
                let (one, two) = (wilcoxon_by(&values, method).unwrap(), wilcoxon_by(&turned, method).unwrap());
                prop_assert_eq!((one.w_plus, one.w_minus), (two.w_minus, two.w_plus));
                prop_assert!((one.p - two.p).abs() < 1e-14 && 0.0 < one.p && one.p <= 1.0);
            }
        }
    }
}
