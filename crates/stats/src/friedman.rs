//! Friedman's test over many configs: seeds are blocks, each block ranks the configs. Blocks that lack a config are
//! named and left out, never filled in.

use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor};

use crate::pairs::BySeed;
use crate::ranks::{midranks, tie_term};

/// The complete blocks of several configs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Blocks {
    /// Seeds at which every config has a finite value, rising.
    pub seeds: Vec<u64>,
    /// Their values, a row a seed, a column a config.
    pub rows: Vec<Vec<f64>>,
    /// Seeds left out, each with the positions of the configs that lack it.
    pub incomplete: Vec<(u64, Vec<usize>)>,
}

/// The blocks that `configs` form. A config without any seed in common with the others leaves none: take it out first.
#[must_use]
pub fn blocks(configs: &[&BySeed]) -> Blocks {
    let mut seeds: Vec<u64> = configs.iter().flat_map(|config| config.keys().copied()).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let mut found = Blocks::default();
    for seed in seeds {
        let values: Vec<f64> = configs.iter().map(|c| c.get(&seed).copied().unwrap_or(f64::NAN)).collect();
        let lacking: Vec<usize> = (0..values.len()).filter(|&at| !values[at].is_finite()).collect();
        if lacking.is_empty() {
            found.seeds.push(seed);
            found.rows.push(values);
        } else {
            found.incomplete.push((seed, lacking));
        }
    }
    found
}

/// Friedman's test, corrected for ties.
#[derive(Debug, Clone, PartialEq)]
pub struct Friedman {
    /// Configs.
    pub configs: usize,
    /// Complete blocks.
    pub blocks: usize,
    /// Mean rank of each config, 1 being the best in every block.
    pub mean_ranks: Vec<f64>,
    /// Friedman's χ².
    pub chi_squared: f64,
    /// Its p by the χ² distribution with configs − 1 degrees of freedom: an approximation, rough for few blocks.
    pub p: f64,
    /// Iman & Davenport's (1980) F; infinite where every block ranks alike.
    pub f: f64,
    /// Its p by F(configs − 1, (configs − 1)(blocks − 1)): less timid than χ².
    pub f_p: f64,
}

/// The test of these complete blocks (rows of equal length); `None` for fewer than three configs or two blocks, or
/// where a value is not finite. Where no block tells any two configs apart, χ² is 0 and p is 1.
#[must_use]
pub fn friedman(rows: &[Vec<f64>], higher_is_better: bool) -> Option<Friedman> {
    let k = rows.first()?.len();
    let is_whole = |row: &Vec<f64>| row.len() == k && row.iter().all(|value| value.is_finite());
    if k < 3 || rows.len() < 2 || !rows.iter().all(is_whole) {
        return None;
    }
    let mut rank_sums = vec![0.0; k];
    let mut ties = 0.0;
    for row in rows {
        let oriented: Vec<f64> =
            row.iter().map(|value| if higher_is_better { -value } else { *value }).collect();
        let ranks = midranks(&oriented);
        ties += tie_term(&ranks);
        rank_sums.iter_mut().zip(&ranks).for_each(|(sum, rank)| *sum += rank);
    }
    let (n, configs) = (rows.len() as f64, k as f64);
    let mean_ranks: Vec<f64> = rank_sums.iter().map(|sum| sum / n).collect();
    let correction = 1.0 - ties / (n * configs * (configs * configs - 1.0));
    let middle = n * (configs + 1.0) / 2.0;
    let spread: f64 = rank_sums.iter().map(|sum| (sum - middle).powi(2)).sum();
    let (chi_squared, p) = if correction > 0.0 {
        let chi_squared = 12.0 * spread / (n * configs * (configs + 1.0)) / correction;
        let by = ChiSquared::new(configs - 1.0).expect("degrees of freedom of at least 2");
        (chi_squared, by.sf(chi_squared))
    } else {
        (0.0, 1.0)
    };
    let rest = n * (configs - 1.0) - chi_squared;
    let f = if rest > 0.0 { (n - 1.0) * chi_squared / rest } else { f64::INFINITY };
    let by = FisherSnedecor::new(configs - 1.0, (configs - 1.0) * (n - 1.0))
        .expect("degrees of freedom of at least 2");
    let f_p = if f.is_finite() { by.sf(f) } else { 0.0 };
    Some(Friedman { configs: k, blocks: rows.len(), mean_ranks, chi_squared, p, f, f_p })
}

#[cfg(test)]
mod tests {
    use super::{blocks, friedman};
    use crate::pairs::BySeed;
    use proptest::prelude::*;

    #[test]
    fn an_incomplete_block_is_named_with_who_lacks_it() {
        let whole = BySeed::from([(0, 1.0), (1, 2.0), (2, 3.0)]);
        let holed = BySeed::from([(0, 1.0), (2, f64::NAN)]);
        let found = blocks(&[&whole, &holed, &whole]);
        assert_eq!((found.seeds, found.rows), (vec![0], vec![vec![1.0; 3]]));
        assert_eq!(found.incomplete, [(1, vec![1]), (2, vec![1])]);
    }

    #[test]
    fn blocks_that_tell_nothing_give_p_one() {
        let equal = friedman(&vec![vec![0.5; 4]; 3], true).unwrap();
        assert_eq!((equal.chi_squared, equal.p, equal.f_p), (0.0, 1.0, 1.0));
        assert_eq!(equal.mean_ranks, [2.5; 4]);
        assert_eq!(friedman(&[], true), None);
        assert_eq!(friedman(&[vec![1.0, 2.0], vec![1.0, 2.0]], true), None);
        assert_eq!(friedman(&[vec![1.0, 2.0, 3.0], vec![1.0, 2.0]], true), None);
    }

    #[test]
    fn blocks_that_all_agree_have_an_infinite_f() {
        let alike = friedman(&vec![vec![0.1, 0.2, 0.3]; 4], true).unwrap();
        assert_eq!((alike.mean_ranks.as_slice(), alike.f_p), (&[3.0, 2.0, 1.0][..], 0.0));
    }

    proptest! {
        #[test]
        fn turning_the_direction_turns_the_ranks_and_keeps_p(
            rows in proptest::collection::vec(proptest::collection::vec(-4i32..4, 4), 2..10),
        ) {
            let rows: Vec<Vec<f64>> = rows.into_iter().map(|row| row.into_iter().map(f64::from).collect()).collect();
            let (one, two) = (friedman(&rows, true).unwrap(), friedman(&rows, false).unwrap());
            prop_assert!((one.p - two.p).abs() < 1e-12 && (0.0..=1.0).contains(&one.p));
            for (a, b) in one.mean_ranks.iter().zip(&two.mean_ranks) {
                prop_assert!((a + b - 5.0).abs() < 1e-12);
            }
            let turned: Vec<Vec<f64>> = rows.iter().rev().cloned().collect();
            prop_assert!((friedman(&turned, true).unwrap().chi_squared - one.chi_squared).abs() < 1e-9);
        }
    }
}
