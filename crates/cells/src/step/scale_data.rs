//! Seurat's `ScaleData`: the z-score of each gene. Which genes are scaled must not live here.

use crate::csr::{Csr, CsrView};

/// Largest z-score; smaller ones are not clipped (Seurat's `scale.max`).
const MOST: f64 = 10.0;

/// A matrix of z-scores, cells × genes, as the sparse matrix it came from: a zero of gene g has the z-score `of_zero[g]`,
/// so that memory and time grow with the entries and not with cells × genes.
#[derive(Debug, Clone)]
pub struct Scaled<'a> {
    lognorm: CsrView<'a>,
    /// z-score of each entry of `lognorm`.
    scores: Vec<f64>,
    /// z-score of a zero, per gene.
    of_zero: Vec<f64>,
}

/// Every gene of `lognorm` to mean 0 and variance 1 (n − 1), clipped from above at 10. A gene that does not vary becomes 0.
#[must_use]
pub fn scale_data(lognorm: CsrView<'_>) -> Scaled<'_> {
    let cells = lognorm.n_rows as f64;
    let mut mean = vec![0.0; lognorm.n_cols];
    let mut zeros = vec![cells; lognorm.n_cols];
    for (&gene, &value) in lognorm.indices.iter().zip(lognorm.values) {
        mean[gene as usize] += f64::from(value);
        zeros[gene as usize] -= 1.0;
    }
    mean.iter_mut().for_each(|sum| *sum /= cells);
    let mut squares: Vec<f64> = vec![0.0; lognorm.n_cols];
    for (&gene, &value) in lognorm.indices.iter().zip(lognorm.values) {
        squares[gene as usize] += (f64::from(value) - mean[gene as usize]).powi(2);
    }
    let deviation: Vec<f64> = squares
        .iter()
        .zip(zeros.iter().zip(&mean))
        .map(|(square, (zeros, mean))| ((square + mean * mean * zeros) / (cells - 1.0)).sqrt())
        .collect();

    // also false for the NaN of a single cell
    let score = |value: f64, gene: usize| {
        if deviation[gene] > 0.0 { ((value - mean[gene]) / deviation[gene]).min(MOST) } else { 0.0 }
    };
    let entries = lognorm.indices.iter().zip(lognorm.values);
    let scores = entries.map(|(&gene, &value)| score(f64::from(value), gene as usize)).collect();
    let of_zero = (0..lognorm.n_cols).map(|gene| score(0.0, gene)).collect();
    Scaled { lognorm, scores, of_zero }
}

impl Scaled<'_> {
    /// Number of cells.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.lognorm.n_rows
    }

    /// Number of genes.
    #[must_use]
    pub fn n_cols(&self) -> usize {
        self.lognorm.n_cols
    }

    /// z-score of a zero, per gene.
    #[must_use]
    pub fn of_zero(&self) -> &[f64] {
        &self.of_zero
    }

    /// Genes and z-scores of the entries of cell `row`; all its other genes have that of a zero.
    ///
    /// # Panics
    /// When `row` is not below [`Scaled::n_rows`].
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f64]) {
        let entries = self.lognorm.indptr[row] as usize..self.lognorm.indptr[row + 1] as usize;
        (&self.lognorm.indices[entries.clone()], &self.scores[entries])
    }

    /// The matrix written out, cell by cell.
    #[must_use]
    pub fn to_csr(&self) -> Csr {
        let n_cols = self.n_cols();
        let most = self.n_rows() * n_cols;
        let mut indptr = Vec::with_capacity(self.n_rows() + 1);
        let (mut indices, mut values) = (Vec::with_capacity(most), Vec::with_capacity(most));
        indptr.push(0);
        let mut cell = vec![0.0; n_cols];
        for row in 0..self.n_rows() {
            cell.copy_from_slice(&self.of_zero);
            let (genes, scores) = self.row(row);
            genes.iter().zip(scores).for_each(|(&gene, &score)| cell[gene as usize] = score);
            for (gene, &score) in (0..).zip(&cell) {
                if score != 0.0 {
                    indices.push(gene);
                    values.push(score as f32);
                }
            }
            indptr.push(values.len() as u64);
        }
        Csr::from_arrays(n_cols, indptr, indices, values)
    }
}

#[cfg(test)]
mod tests {
    use super::scale_data;
    use crate::Csr;

    #[test]
    fn only_the_top_is_clipped_and_constants_become_zero() {
        // gene 0: one 1 among 199 zeros, z = 14.07 and −0.0709; gene 1: all 3; gene 2: all 0; gene 3: one 0 among ones
        let cells = 199;
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for cell in 0..cells {
            let entries =
                [(0, f32::from(u8::from(cell == 5))), (1, 3.0), (3, f32::from(u8::from(cell != 7)))];
            for (gene, value) in entries.into_iter().filter(|entry| entry.1 != 0.0) {
                indices.push(gene);
                values.push(value);
            }
            indptr.push(values.len() as u64);
        }
        let lognorm = Csr::from_arrays(4, indptr, indices, values);
        let dense = scale_data(lognorm.view()).to_csr();
        let entry = |cell: usize, gene: u32| {
            let (genes, values) = dense.view().row(cell);
            genes.binary_search(&gene).map_or(0.0, |position| f64::from(values[position]))
        };
        let n = f64::from(cells);
        let deviation = 1.0 / n.sqrt(); // of a single 1 among n with n − 1 below: √(1/n)
        assert_eq!(entry(5, 0), 10.0);
        assert!((entry(6, 0) - (-1.0 / n) / deviation).abs() < 1e-8);
        assert!((entry(7, 3) - (-(n - 1.0) / n) / deviation).abs() < 1e-6, "no clip below");
        assert_eq!((entry(0, 1), entry(0, 2)), (0.0, 0.0));
    }
}
