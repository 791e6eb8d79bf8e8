//! How variable each gene is, as Seurat's `FindVariableFeatures(selection.method = "vst")` measures it on raw counts
//! (Stuart et al. 2019, Cell 177, methods: "Feature selection"). Which genes are kept must not live here.

use super::loess::{LoessError, loess};
use crate::csr::CsrView;

/// Share of the genes that each local fit sees (Seurat's `loess.span`).
const SPAN: f64 = 0.3;

/// One gene over the cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeneVariability {
    /// Mean count.
    pub mean: f64,
    /// Variance of the counts (n − 1).
    pub variance: f64,
    /// Variance that genes of this mean usually have; 0 for a gene that does not vary.
    pub expected: f64,
    /// Variance of the counts after (x − mean) / √expected, clipped from above at √cells; 0 for a gene that does not vary.
    pub standardised: f64,
}

/// Measures every gene of `counts`: a curve log10 variance ~ log10 mean over the genes that vary, and each gene's variance
/// beside it.
///
/// # Errors
/// When too few genes vary, or too many have one mean: see [`loess`].
pub fn vst(counts: CsrView<'_>) -> Result<Vec<GeneVariability>, LoessError> {
    let mut genes = moments(counts);
    let varying: Vec<usize> = (0..genes.len()).filter(|&gene| genes[gene].variance > 0.0).collect();
    let log_mean: Vec<f64> = varying.iter().map(|&gene| genes[gene].mean.log10()).collect();
    let log_variance: Vec<f64> = varying.iter().map(|&gene| genes[gene].variance.log10()).collect();
    for (&gene, fitted) in varying.iter().zip(loess(&log_mean, &log_variance, SPAN)?) {
        genes[gene].expected = 10f64.powf(fitted);
    }
    standardise(counts, &mut genes);
    Ok(genes)
}

/// Mean and variance of each column, zeros included.
fn moments(counts: CsrView<'_>) -> Vec<GeneVariability> {
    let cells = counts.n_rows as f64;
    let mut genes =
        vec![GeneVariability { mean: 0.0, variance: 0.0, expected: 0.0, standardised: 0.0 }; counts.n_cols];
    for (&gene, &count) in counts.indices.iter().zip(counts.values) {
        genes[gene as usize].mean += f64::from(count);
    }
    genes.iter_mut().for_each(|gene| gene.mean /= cells);
    let stored = entries_of_each(counts);
    for (&gene, &count) in counts.indices.iter().zip(counts.values) {
        let gene = &mut genes[gene as usize];
        gene.variance += (f64::from(count) - gene.mean).powi(2);
    }
    for (gene, stored) in genes.iter_mut().zip(stored) {
        let zeros = cells - f64::from(stored);
        gene.variance =
            if cells > 1.0 { (gene.variance + zeros * gene.mean.powi(2)) / (cells - 1.0) } else { 0.0 };
    }
    genes
}

/// Σ ((x − mean) / deviation)² from Σx, Σx² and the number of the values that are not clipped. Sums of counts are exact, so
/// genes with the same counts in other cells get the same bits: ties do not hang on the order of the cells.
fn standardise(counts: CsrView<'_>, genes: &mut [GeneVariability]) {
    let cells = counts.n_rows as f64;
    let most = cells.sqrt();
    let deviation: Vec<f64> = genes.iter().map(|gene| gene.expected.sqrt()).collect();
    let mut sums = vec![(0.0, 0.0, cells); genes.len()];
    for (&gene, &count) in counts.indices.iter().zip(counts.values) {
        let gene = gene as usize;
        let count = f64::from(count);
        let (sum, squares, unclipped) = &mut sums[gene];
        if (count - genes[gene].mean) / deviation[gene] > most {
            *unclipped -= 1.0;
        } else {
            *sum += count;
            *squares += count * count;
        }
    }
    for (gene, (sum, squares, unclipped)) in genes.iter_mut().zip(sums) {
        if gene.expected > 0.0 {
            let around_mean = squares - 2.0 * gene.mean * sum + unclipped * gene.mean * gene.mean;
            let clipped = (cells - unclipped) * cells;
            gene.standardised = (around_mean / gene.expected + clipped) / (cells - 1.0);
        }
    }
}

/// Number of stored entries of each column.
fn entries_of_each(counts: CsrView<'_>) -> Vec<u32> {
    let mut stored = vec![0; counts.n_cols];
    counts.indices.iter().for_each(|&gene| stored[gene as usize] += 1);
    stored
}

#[cfg(test)]
mod tests {
    use super::moments;
    use crate::Csr;

    #[test]
    fn zeros_count_stored_or_not() {
        // columns: 0 0 6 | 1 2 3 | 0 0 0
        let counts =
            Csr::from_arrays(3, vec![0, 2, 3, 5], vec![0, 1, 1, 0, 1], vec![0.0, 1.0, 2.0, 6.0, 3.0]);
        let found: Vec<(f64, f64)> =
            moments(counts.view()).iter().map(|gene| (gene.mean, gene.variance)).collect();
        assert_eq!(found, [(2.0, 12.0), (2.0, 1.0), (0.0, 0.0)]);
    }
}
