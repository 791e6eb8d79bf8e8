//! Gene names made unique, with the result of R's `make.unique(names)` that Seurat's `Read10X` calls
//! (<https://stat.ethz.ch/R-manual/R-devel/library/base/html/make.unique.html>). Nothing else must live here.

use std::collections::{HashMap, HashSet};

/// The first of several equal names stays; the others get `.1`, `.2`, …, skipping every name that is there already.
#[must_use]
pub fn make_unique(names: &[String]) -> Vec<String> {
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let mut next_suffix: HashMap<&str, u64> = HashMap::new();
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        let Some(suffix) = next_suffix.get_mut(name.as_str()) else {
            next_suffix.insert(name, 1);
            unique.push(name.clone());
            continue;
        };
        let free = loop {
            let candidate = format!("{name}.{suffix}");
            *suffix += 1;
            if taken.insert(candidate.clone()) {
                break candidate;
            }
        };
        unique.push(free);
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::make_unique;

    /// Expected: the rule of R's manual, followed by hand; the second case is an example there.
    #[test]
    fn later_duplicates_get_the_next_free_suffix() {
        for (names, expected) in [
            (&["a", "b"][..], &["a", "b"][..]),
            (&["a", "a", "a.2", "a"], &["a", "a.1", "a.2", "a.3"]),
            (&["a", "a", "a.1"], &["a", "a.2", "a.1"]),
            (&["a.1", "a", "a", "a.1"], &["a.1", "a", "a.2", "a.1.1"]),
        ] {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(make_unique(&names), expected);
        }
    }
}
