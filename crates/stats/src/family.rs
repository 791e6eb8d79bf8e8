//! Every config against every other on one metric: paired over common seeds, corrected over the whole family, and what may
//! be said of each config's place.

use std::collections::BTreeMap;

use crate::effect::{Effect, effect};
use crate::holm::holm;
use crate::letters::letters;
use crate::pairs::{BySeed, Paired, pair};
use crate::sign_flip::{SignFlip, sign_flip, smallest_p};
use crate::summary::{Summary, summarise};
use crate::wilcoxon::{Wilcoxon, wilcoxon};

/// The chance of any false claim in a family that is accepted.
pub const ALPHA: f64 = 0.05;

/// Seed of the sign patterns that are drawn where there are too many to count.
const SEED: u64 = 0x6c61_7465_6e74;

/// One config's values of one metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Scores {
    /// A value at each seed.
    BySeed(BySeed),
    /// The same value whatever the seed: it pairs with every seed of another config.
    Constant(f64),
}

/// What a comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first has the larger mean: the corrected p is below [`ALPHA`], or neither has a seed and it is larger.
    FirstLarger,
    /// The second has.
    SecondLarger,
    /// They cannot be told apart.
    NotTold,
}

/// Two configs over their common seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Position of one config.
    pub first: usize,
    /// Position of the other, larger.
    pub second: usize,
    /// First minus second at each common seed, and the seeds that only one of them has.
    pub paired: Paired,
    /// Mean, spread and interval of the differences; `None` without common seeds.
    pub difference: Option<Summary>,
    /// The test that decides; `None` without common seeds, and between two configs that have no seed.
    pub test: Option<SignFlip>,
    /// Its p after Holm's correction over the family.
    pub corrected_p: Option<f64>,
    /// A second opinion, not corrected and not used for the verdict.
    pub wilcoxon: Option<Wilcoxon>,
    /// How large the difference is beside its spread.
    pub effect: Effect,
    /// What may be said.
    pub verdict: Verdict,
}

/// All comparisons of several configs on one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Every pair, by position.
    pub comparisons: Vec<Comparison>,
    /// Tests that the correction counts.
    pub tests: usize,
    /// The smallest corrected p that any of them could have reached; 1 without tests.
    pub smallest_p: f64,
    /// For each config the first and last place that its mean could truly have among all: 1 + those told to be better, and all
    /// less those told to be worse (a confidence set at 1 − [`ALPHA`] for all places at once).
    pub places: Vec<(usize, usize)>,
    /// For each config its groups, from 0: configs that share one cannot be told apart. `None` where there would be too many.
    pub groups: Option<Vec<Vec<usize>>>,
}

impl Family {
    /// The comparison of two configs, the smaller position first.
    #[must_use]
    pub fn pair(&self, first: usize, second: usize) -> Option<&Comparison> {
        let configs = self.places.len();
        // before the row of `first` stand those of 0 … first − 1, each one shorter than the last
        let row = |first: usize| first * (2 * configs - first - 1) / 2;
        (first < second && second < configs).then(|| self.comparisons.get(row(first) + second - first - 1))?
    }
}

/// Compares `configs`, given best mean first.
#[must_use]
pub fn compare(configs: &[Scores], higher_is_better: bool) -> Family {
    let mut comparisons: Vec<Comparison> = (0..configs.len())
        .flat_map(|first| (first + 1..configs.len()).map(move |second| (first, second)))
        .map(|(first, second)| compare_two(configs, first, second))
        .collect();
    let p: Vec<f64> = comparisons.iter().filter_map(|one| one.test.map(|test| test.p)).collect();
    let smallest =
        comparisons.iter().filter_map(|one| one.test.map(|test| test.smallest_p)).fold(1.0, f64::min);
    let tested = comparisons.iter_mut().filter(|one| one.test.is_some());
    for (one, corrected) in tested.zip(holm(&p)) {
        one.corrected_p = Some(corrected);
        if corrected < ALPHA {
            one.verdict = sign_of(one.difference.as_ref());
        }
    }
    let smallest_p = if p.is_empty() { 1.0 } else { (smallest * p.len() as f64).min(1.0) };
    let places = places(configs.len(), &comparisons, higher_is_better);
    let told: Vec<(usize, usize)> = comparisons
        .iter()
        .filter(|one| one.verdict != Verdict::NotTold)
        .map(|one| (one.first, one.second))
        .collect();
    let groups = letters(configs.len(), &told);
    Family { comparisons, tests: p.len(), smallest_p, places, groups }
}

/// Common seeds that so many tests need before the smallest corrected p falls below [`ALPHA`].
#[must_use]
pub fn seeds_needed(tests: usize) -> usize {
    (1..=64).find(|&seeds| smallest_p(seeds) * (tests as f64) < ALPHA).unwrap_or(64)
}

fn sign_of(difference: Option<&Summary>) -> Verdict {
    match difference.map(|difference| difference.mean) {
        Some(mean) if mean > 0.0 => Verdict::FirstLarger,
        Some(mean) if mean < 0.0 => Verdict::SecondLarger,
        _ => Verdict::NotTold,
    }
}

fn compare_two(configs: &[Scores], first: usize, second: usize) -> Comparison {
    let (paired, has_seeds) = match (&configs[first], &configs[second]) {
        (Scores::BySeed(one), Scores::BySeed(two)) => (pair(one, two), true),
        (Scores::BySeed(one), Scores::Constant(two)) => (pair(one, &like(one, *two)), true),
        (Scores::Constant(one), Scores::BySeed(two)) => (pair(&like(two, *one), two), true),
        (Scores::Constant(one), Scores::Constant(two)) => {
            (Paired { differences: vec![one - two], ..Paired::default() }, false)
        }
    };
    let differences = &paired.differences;
    let difference = summarise(differences);
    let test = sign_flip(differences, SEED).filter(|_| has_seeds);
    Comparison {
        first,
        second,
        test,
        corrected_p: None,
        wilcoxon: wilcoxon(differences).filter(|_| has_seeds),
        effect: effect(differences),
        verdict: if has_seeds { Verdict::NotTold } else { sign_of(difference.as_ref()) },
        difference,
        paired,
    }
}

/// `value` at every seed of `other`.
fn like(other: &BySeed, value: f64) -> BySeed {
    other.keys().map(|seed| (*seed, value)).collect::<BTreeMap<_, _>>()
}

fn places(configs: usize, comparisons: &[Comparison], higher_is_better: bool) -> Vec<(usize, usize)> {
    let mut places = vec![(1, configs); configs];
    for one in comparisons {
        let first_is_better = match one.verdict {
            Verdict::NotTold => continue,
            Verdict::FirstLarger => higher_is_better,
            Verdict::SecondLarger => !higher_is_better,
        };
        let (better, worse) = if first_is_better { (one.first, one.second) } else { (one.second, one.first) };
        places[worse].0 += 1;
        places[better].1 -= 1;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::{ALPHA, Scores, Verdict, compare, seeds_needed};
    use crate::stream::Stream;

    fn by_seed(values: impl IntoIterator<Item = f64>) -> Scores {
        Scores::BySeed(values.into_iter().enumerate().map(|(seed, value)| (seed as u64, value)).collect())
    }

    #[test]
    fn five_seeds_tell_nothing_apart_and_it_is_said() {
        let family =
            compare(&[by_seed([0.9, 0.8, 0.9, 0.85, 0.88]), by_seed([0.1, 0.2, 0.1, 0.15, 0.12])], true);
        assert_eq!((family.tests, family.smallest_p), (1, 0.0625));
        assert_eq!(family.comparisons[0].verdict, Verdict::NotTold);
        assert_eq!((family.places, family.groups), (vec![(1, 2), (1, 2)], Some(vec![vec![0], vec![0]])));
        assert_eq!((seeds_needed(1), seeds_needed(21)), (6, 10));
    }

    #[test]
    fn a_clear_difference_over_enough_seeds_is_told() {
        let good = by_seed((0..8).map(|i| 0.9 + f64::from(i) * 1e-3));
        let bad = by_seed((0..8).map(|i| 0.5 + f64::from(i) * 2e-3));
        let family = compare(&[good, bad, Scores::Constant(0.7)], true);
        assert!(family.comparisons.iter().all(|one| one.corrected_p.unwrap() <= 3.0 / 128.0));
        assert_eq!(family.places, [(1, 1), (3, 3), (2, 2)]);
        assert_eq!(family.groups.unwrap(), [[0], [1], [2]]);
    }

    #[test]
    fn configs_without_a_seed_are_told_apart_by_their_values_alone() {
        let family = compare(&[Scores::Constant(1.0), Scores::Constant(2.0), Scores::Constant(2.0)], false);
        assert_eq!((family.tests, family.smallest_p), (0, 1.0));
        assert_eq!(family.places, [(1, 1), (2, 3), (2, 3)]);
        assert_eq!(family.comparisons[2].verdict, Verdict::NotTold);
    }

    #[test]
    fn what_has_no_seed_in_common_is_not_compared_but_named() {
        let one = Scores::BySeed([(0, 1.0)].into());
        let two = Scores::BySeed([(1, 2.0)].into());
        let family = compare(&[one, two], true);
        let found = &family.comparisons[0];
        assert_eq!((found.difference, found.test, &found.paired.incomplete), (None, None, &vec![0, 1]));
        assert!(compare(&[], true).comparisons.is_empty());
    }

    #[test]
    fn a_pair_is_found_by_its_positions() {
        let family = compare(&vec![Scores::Constant(0.0); 5], true);
        for first in 0..5 {
            for second in 0..6 {
                let found = family.pair(first, second).map(|pair| (pair.first, pair.second));
                assert_eq!(found, (first < second && second < 5).then_some((first, second)));
            }
        }
    }

    /// An A/A control: one config under several names. Values are skewed and shift with the seed, as scores do. Any claim is
    /// false, so at most 5 % of families may hold one.
    #[test]
    fn one_config_under_several_names_is_seldom_told_apart() {
        let mut stream = Stream::new(20_240_602);
        let mut uniform = || stream.next_u64() as f64 / 2_f64.powi(64);
        for (names, seeds) in [(2, 8), (4, 12), (3, 20)] {
            const FAMILIES: usize = 1000;
            let mut claims = 0;
            for _ in 0..FAMILIES {
                let shift: Vec<f64> = (0..seeds).map(|_| uniform()).collect();
                let configs: Vec<Scores> = (0..names)
                    .map(|_| {
                        by_seed(shift.iter().map(|s| s - (1.0 - uniform()).ln() * 0.1).collect::<Vec<_>>())
                    })
                    .collect();
                let family = compare(&configs, true);
                claims += usize::from(family.comparisons.iter().any(|one| one.verdict != Verdict::NotTold));
            }
            // the exact test keeps α; 3 binomial standard errors of a rate of 5 % in 1000 are 2.1 %
            let rate = claims as f64 / FAMILIES as f64;
            assert!(rate <= ALPHA + 0.021, "{names} names, {seeds} seeds: {rate}");
        }
    }

    /// The other way round: a real difference of one standard deviation over twenty seeds is mostly found.
    #[test]
    fn a_real_difference_is_found() {
        let mut stream = Stream::new(3);
        let mut noise = || (0..12).map(|_| stream.next_u64() as f64 / 2_f64.powi(64)).sum::<f64>() - 6.0;
        let found = (0..200).filter(|_| {
            let one = by_seed((0..20).map(|_| noise() + 1.0).collect::<Vec<_>>());
            let two = by_seed((0..20).map(|_| noise() * 0.1).collect::<Vec<_>>());
            compare(&[one, two], true).comparisons[0].verdict == Verdict::FirstLarger
        });
        assert!(found.count() > 180);
    }
}
