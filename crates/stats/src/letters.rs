//! Groups of configs that cannot be told apart, as letters: two configs share a letter exactly when no test tells them apart
//! (the compact letter display of Piepho 2004, by insertion and absorption).

use std::collections::BTreeSet;

/// Letters that are given out: a relation that needs more says nothing that a reader could see.
const MOST: usize = 26;

/// Groups of each of `configs`, from 0, by rising position of their first member; `told_apart` lists pairs. `None` where more than 26
/// groups would be needed.
#[must_use]
pub fn letters(configs: usize, told_apart: &[(usize, usize)]) -> Option<Vec<Vec<usize>>> {
    let mut groups: Vec<BTreeSet<usize>> = vec![(0..configs).collect()];
    for (one, two) in told_apart.iter().filter(|(one, two)| one != two) {
        let (split, mut kept): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.contains(one) && group.contains(two));
        for group in split {
            for out in [one, two] {
                let mut part = group.clone();
                part.remove(out);
                if !kept.iter().any(|other| part.is_subset(other)) {
                    kept.retain(|other| !other.is_subset(&part));
                    kept.push(part);
                }
            }
        }
        if kept.len() > MOST {
            return None;
        }
        groups = kept;
    }
    groups.sort_by(|a, b| a.iter().cmp(b.iter()));
    let of = |config: usize| (0..groups.len()).filter(|&group| groups[group].contains(&config)).collect();
    Some((0..configs).map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::letters;
    use proptest::prelude::*;

    #[test]
    fn one_letter_for_all_when_nothing_is_told_apart() {
        assert_eq!(letters(3, &[]).unwrap(), [[0], [0], [0]]);
        assert!(letters(0, &[]).unwrap().is_empty());
    }

    #[test]
    fn the_one_in_between_carries_both_letters() {
        assert_eq!(letters(3, &[(0, 2)]).unwrap(), [vec![0], vec![0, 1], vec![1]]);
        assert_eq!(letters(3, &[(0, 1), (0, 2), (1, 2)]).unwrap(), [[0], [1], [2]]);
    }

    proptest! {
        #[test]
        fn two_share_a_letter_exactly_when_not_told_apart(pairs in proptest::collection::vec((0usize..6, 0usize..6), 0..12)) {
            let pairs: Vec<(usize, usize)> = pairs.into_iter().filter(|(a, b)| a != b).collect();
            let groups = letters(6, &pairs).unwrap();
            for one in 0..6 {
                prop_assert!(!groups[one].is_empty());
                for two in 0..6 {
                    let shares = groups[one].iter().any(|letter| groups[two].contains(letter));
                    let told = pairs.contains(&(one, two)) || pairs.contains(&(two, one));
                    prop_assert_eq!(shares, !told || one == two);
                }
            }
        }
    }
}
