//! How large a paired difference is, in units of its own spread.

use statrs::function::gamma::ln_gamma;

use crate::ranks::midranks;
use crate::summary::summarise;

/// Sizes of one paired difference; a size that does not exist (one pair, no spread) is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Cohen's d_z: mean of the differences over their standard deviation.
    pub d_z: Option<f64>,
    /// Hedges' g_z: d_z times J(n − 1), which removes its bias for few pairs (Hedges 1981, the exact factor).
    pub g_z: Option<f64>,
    /// Matched-pairs rank-biserial correlation (Kerby 2014): share of the rank sum that is in favour minus the share that is
    /// against, zeros dropped; −1 to 1.
    pub rank_biserial: Option<f64>,
}

/// The sizes of these differences.
#[must_use]
pub fn effect(differences: &[f64]) -> Effect {
    let spread = summarise(differences).and_then(|summary| Some((summary.mean, summary.sd?)));
    let d_z = spread.filter(|(_, sd)| *sd > 0.0).map(|(mean, sd)| mean / sd).filter(|d| d.is_finite());
    let g_z = d_z.map(|d| d * hedges_factor(differences.len() as f64 - 1.0));
    Effect { d_z, g_z, rank_biserial: rank_biserial(differences) }
}

/// J(m) = Γ(m/2) / (√(m/2) Γ((m − 1)/2)); for one degree of freedom it is 0: two pairs say nothing unbiased.
fn hedges_factor(degrees_of_freedom: f64) -> f64 {
    let m = degrees_of_freedom;
    if m <= 1.0 { 0.0 } else { (ln_gamma(m / 2.0) - ln_gamma((m - 1.0) / 2.0)).exp() / (m / 2.0).sqrt() }
}

fn rank_biserial(differences: &[f64]) -> Option<f64> {
    let (in_favour, against) = signed_rank_sums(differences)?;
    Some((in_favour - against) / (in_favour + against))
}

/// Rank sums of positive and negative differences, zeros dropped; `None` where all are zero or one is not finite.
pub(crate) fn signed_rank_sums(differences: &[f64]) -> Option<(f64, f64)> {
    let non_zero: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    if non_zero.is_empty() || non_zero.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    let sizes: Vec<f64> = non_zero.iter().map(|difference| difference.abs()).collect();
    let ranks = midranks(&sizes);
    let sum = |wanted: bool| -> f64 {
        let of_sign = non_zero.iter().zip(&ranks).filter(|(difference, _)| (**difference > 0.0) == wanted);
        of_sign.map(|(_, rank)| rank).sum()
    };
    Some((sum(true), sum(false)))
}

#[cfg(test)]
mod tests {
    use super::effect;
    use proptest::prelude::*;

    #[test]
    fn what_has_no_spread_has_no_size() {
        assert_eq!(effect(&[]).d_z, None);
        assert_eq!(effect(&[0.5]).d_z, None);
        assert_eq!(effect(&[0.5, 0.5]).d_z, None);
        assert_eq!(effect(&[0.5, 0.5]).rank_biserial, Some(1.0));
        assert_eq!(effect(&[0.0, 0.0]).rank_biserial, None);
    }

    proptest! {
        #[test]
        fn turning_the_pair_turns_the_sign(values in proptest::collection::vec(-5.0f64..5.0, 2..20)) {
            let turned: Vec<f64> = values.iter().map(|value| -value).collect();
            let (one, two) = (effect(&values), effect(&turned));
            prop_assert_eq!(one.d_z.map(|d| -d), two.d_z);
            prop_assert_eq!(one.rank_biserial.map(|r| -r), two.rank_biserial);
            prop_assert!(one.g_z.unwrap_or(0.0).abs() <= one.d_z.unwrap_or(0.0).abs());
        }
    }
}
