//! Two configs over the seeds that both have: a seed is a block, so only the difference within it speaks. What one of
//! them lacks is named, never filled in.

use std::collections::BTreeMap;

/// One config's value at each seed.
pub type BySeed = BTreeMap<u64, f64>;

/// First minus second at each common seed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Paired {
    /// Seeds that both have, rising.
    pub seeds: Vec<u64>,
    /// First minus second at each of them.
    pub differences: Vec<f64>,
    /// Seeds that only one of the two has: incomplete blocks, left out.
    pub incomplete: Vec<u64>,
}

/// The differences `first − second` over common seeds. A value that is not finite counts as missing, and so does a
/// difference beyond the largest f64.
#[must_use]
pub fn pair(first: &BySeed, second: &BySeed) -> Paired {
    let mut paired = Paired::default();
    let mut seeds: Vec<u64> = first.keys().chain(second.keys()).copied().collect();
    seeds.sort_unstable();
    seeds.dedup();
    for seed in seeds {
        let difference = match (first.get(&seed), second.get(&seed)) {
            (Some(one), Some(two)) => Some(one - two).filter(|difference| difference.is_finite()),
            _ => None,
        };
        match difference {
            Some(difference) => {
                paired.seeds.push(seed);
                paired.differences.push(difference);
            }
            None => paired.incomplete.push(seed),
        }
    }
    paired
}

#[cfg(test)]
mod tests {
    use super::{BySeed, pair};

    #[test]
    fn only_common_seeds_count_and_the_others_are_named() {
        let first = BySeed::from([(0, 1.0), (1, 2.5), (3, 4.0), (4, f64::NAN)]);
        let second = BySeed::from([(1, 2.0), (0, 3.0), (2, 9.0), (4, 1.0)]);
        let paired = pair(&first, &second);
        assert_eq!((paired.seeds, paired.differences), (vec![0, 1], vec![-2.0, 0.5]));
        assert_eq!(paired.incomplete, [2, 3, 4]);
    }

    #[test]
    fn a_difference_beyond_all_numbers_is_missing() {
        let paired = pair(&BySeed::from([(0, f64::MAX)]), &BySeed::from([(0, -f64::MAX)]));
        assert_eq!((paired.differences.len(), paired.incomplete), (0, vec![0]));
    }
}
