//! The choice of the most variable genes. Measuring them must not live here (see [`super::vst`]).

use super::vst::GeneVariability;

/// The `count` genes with the largest standardised variance, largest first, equal ones in their own order; fewer when
/// fewer vary.
#[must_use]
pub fn most_variable(genes: &[GeneVariability], count: usize) -> Vec<u32> {
    let mut ranked: Vec<u32> =
        (0..).zip(genes).filter(|(_, gene)| gene.variance > 0.0).map(|(position, _)| position).collect();
    let standardised = |position: u32| genes[position as usize].standardised;
    ranked.sort_by(|&a, &b| standardised(b).total_cmp(&standardised(a)));
    ranked.truncate(count);
    ranked
}

#[cfg(test)]
mod tests {
    use super::most_variable;
    use crate::step::vst::GeneVariability;

    #[test]
    fn ranks_fall_and_what_does_not_vary_has_none() {
        let gene =
            |variance, standardised| GeneVariability { mean: 1.0, variance, expected: 1.0, standardised };
        let genes = [gene(1.0, 0.5), gene(2.0, 3.0), gene(0.0, 0.0), gene(9.0, 0.5)];
        assert_eq!(most_variable(&genes, 2), [1, 0]);
        assert_eq!(most_variable(&genes, 9), [1, 0, 3]);
    }
}
