//! The gene filter: which genes are seen in enough cells. Cells are not judged here.

use crate::csr::CsrView;

/// The genes (columns, ascending) with a count above zero in at least `min_cells` cells of `counts`.
#[must_use]
pub fn genes_seen(counts: CsrView<'_>, min_cells: u32) -> Vec<u32> {
    let mut cells_of = vec![0u32; counts.n_cols];
    for (&gene, &count) in counts.indices.iter().zip(counts.values) {
        cells_of[gene as usize] += u32::from(count > 0.0);
    }
    (0..).zip(cells_of).filter(|&(_, cells)| cells >= min_cells).map(|(gene, _)| gene).collect()
}

#[cfg(test)]
mod tests {
    use super::genes_seen;
    use crate::Csr;

    #[test]
    fn the_threshold_itself_is_enough() {
        let counts = Csr::from_arrays(3, vec![0, 2, 3], vec![0, 1, 0], vec![1.0, 9.0, 1.0]);
        assert_eq!(genes_seen(counts.view(), 0), [0, 1, 2]);
        assert_eq!(genes_seen(counts.view(), 1), [0, 1]);
        assert_eq!(genes_seen(counts.view(), 2), [0]);
    }
}
