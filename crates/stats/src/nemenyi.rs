//! Nemenyi's critical difference of mean ranks (Demšar 2006) and the studentized range that it rests on.

use statrs::function::erf::erfc;

/// How far apart two mean ranks must lie.
#[derive(Debug, Clone, PartialEq)]
pub struct CriticalDifference {
    /// The distance: q(1 − α; k, ∞) / √2 · √(k (k + 1) / (6 n)).
    pub distance: f64,
    /// Positions of the configs by rising mean rank.
    pub order: Vec<usize>,
    /// Largest runs of `order`, first to last place, whose mean ranks lie within the distance; those of one config left out.
    pub bars: Vec<(usize, usize)>,
}

/// The critical difference of `mean_ranks` over so many blocks; `None` for fewer than two configs or no block.
#[must_use]
pub fn critical_difference(mean_ranks: &[f64], blocks: usize, alpha: f64) -> Option<CriticalDifference> {
    let k = mean_ranks.len();
    if k < 2 || blocks == 0 {
        return None;
    }
    let (configs, n) = (k as f64, blocks as f64);
    let q = studentized_range_quantile(1.0 - alpha, k)?;
    let distance = q / std::f64::consts::SQRT_2 * (configs * (configs + 1.0) / (6.0 * n)).sqrt();
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&a, &b| mean_ranks[a].total_cmp(&mean_ranks[b]).then(a.cmp(&b)));
    let mut bars: Vec<(usize, usize)> = Vec::new();
    for first in 0..k {
        let reach = |&place: &usize| mean_ranks[order[place]] - mean_ranks[order[first]] < distance;
        let last = (first..k).take_while(reach).last().unwrap_or(first);
        let is_new = bars.last().is_none_or(|(_, end)| last > *end);
        if last > first && is_new {
            bars.push((first, last));
        }
    }
    Some(CriticalDifference { distance, order, bars })
}

/// The chance that the range of `k` standard normal numbers exceeds `q`: the studentized range with infinitely many
/// degrees of freedom, 1 − k ∫ φ(z) [Φ(z) − Φ(z − q)]^(k − 1) dz.
#[must_use]
pub fn studentized_range_tail(q: f64, k: usize) -> f64 {
    if k < 2 || q <= 0.0 {
        return 1.0;
    }
    if !q.is_finite() {
        return 0.0;
    }
    // The integrand is smooth and falls off as a Gaussian does: the trapezoid rule errs by less than rounding here.
    const STEP: f64 = 1.0 / 32.0;
    const REACH: i32 = 9 * 32;
    let power = i32::try_from(k - 1).unwrap_or(i32::MAX);
    let integrand = |step: i32| {
        let z = f64::from(step) * STEP;
        density(z) * (cumulative(z) - cumulative(z - q)).max(0.0).powi(power)
    };
    let within = k as f64 * STEP * (-REACH..=REACH).map(integrand).sum::<f64>();
    (1.0 - within).clamp(0.0, 1.0)
}

/// The `q` that the range of `k` standard normal numbers stays below with probability `probability`; `None` for fewer than two
/// numbers or a probability outside (0, 1).
#[must_use]
pub fn studentized_range_quantile(probability: f64, k: usize) -> Option<f64> {
    if k < 2 || !(probability > 0.0 && probability < 1.0) {
        return None;
    }
    let (mut low, mut high) = (0.0_f64, 64.0_f64);
    // halving until the ends are neighbours
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if studentized_range_tail(middle, k) > 1.0 - probability { low = middle } else { high = middle }
    }
    Some((low + high) / 2.0)
}

fn density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

fn cumulative(z: f64) -> f64 {
    erfc(-z / std::f64::consts::SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::{critical_difference, studentized_range_quantile, studentized_range_tail};

    #[test]
    fn bars_join_what_cannot_be_told_apart() {
        // Demšar 2006, section 3.2.4: four classifiers on 14 data sets; CD is 1.25 at 0.05 and tells none apart, and 1.12 at
        // 0.10, where the worst lies beyond it from the two best
        let ranks = [3.143, 2.000, 2.893, 1.964];
        let strict = critical_difference(&ranks, 14, 0.05).unwrap();
        assert!((strict.distance - 1.25).abs() < 0.005, "{}", strict.distance);
        assert_eq!((strict.order, strict.bars), (vec![3, 1, 2, 0], vec![(0, 3)]));
        let lax = critical_difference(&ranks, 14, 0.1).unwrap();
        assert!((lax.distance - 1.12).abs() < 0.005, "{}", lax.distance);
        assert_eq!(lax.bars, [(0, 2), (2, 3)]);
    }

    #[test]
    fn what_makes_no_sense_has_no_answer() {
        assert_eq!(critical_difference(&[1.0], 5, 0.05), None);
        assert_eq!(critical_difference(&[1.0, 2.0], 0, 0.05), None);
        assert_eq!(studentized_range_quantile(1.0, 3), None);
        assert_eq!((studentized_range_tail(-1.0, 3), studentized_range_tail(f64::INFINITY, 3)), (1.0, 0.0));
    }

    #[test]
    fn the_tail_falls_with_distance_and_rises_with_the_number_of_configs() {
        for k in [2, 5, 20, 100] {
            let tails: Vec<f64> =
                (0..20).map(|step| studentized_range_tail(f64::from(step) * 0.4, k)).collect();
            assert!(tails.is_sorted_by(|a, b| a >= b), "{k}: {tails:?}");
            assert!(studentized_range_tail(3.0, k) < studentized_range_tail(3.0, k + 1));
        }
    }
}
