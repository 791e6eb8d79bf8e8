//! Principal components of z-scores, as Seurat's `RunPCA`: the truncated singular value decomposition A ≈ U·D·Vᵀ of the
//! scaled matrix *as it is* (clipping leaves its columns a little off centre, and Seurat does not centre them again);
//! a cell's scores are its row of U·D = A·V. Which genes go in must not live here.
//!
//! Method: Lanczos on AᵀA with full reorthogonalisation (Golub and Van Loan, "Matrix Computations", 10.3), until every
//! wanted residual ‖AᵀA v − θ v‖ is below 10⁻¹⁰ of the largest eigenvalue. A is never written out. Sums run in one order, so
//! every machine gives the same bits.

use super::scale_data::Scaled;

/// Residual at which a component counts as found, relative to the largest eigenvalue.
const TOLERANCE: f64 = 1e-10;
/// Steps between two looks at the residuals.
const STEPS_A_LOOK: usize = 10;

/// The leading principal components.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// How many there are.
    pub count: usize,
    /// Scores of the cells, cells × components, row-major. The sign of a component is such that its largest loading is
    /// positive.
    pub scores: Vec<f64>,
}

/// The `count` leading components of `scaled`; fewer when it has fewer cells or genes.
#[must_use]
pub fn pca(scaled: &Scaled<'_>, count: usize) -> Components {
    let count = count.min(scaled.n_rows()).min(scaled.n_cols());
    let mut loadings = leading_eigenvectors(scaled, count);
    loadings.iter_mut().for_each(|loading| fix_sign(loading));
    let mut scores = vec![0.0; scaled.n_rows() * count];
    for (component, loading) in loadings.iter().enumerate() {
        for (cell, score) in times(scaled, loading).into_iter().enumerate() {
            scores[cell * count + component] = score;
        }
    }
    Components { count, scores }
}

/// A·v: Σ_g of_zero_g v_g is every cell's, an entry adds what it differs by.
fn times(scaled: &Scaled<'_>, vector: &[f64]) -> Vec<f64> {
    let of_zero = scaled.of_zero();
    let base = dot(of_zero, vector);
    let row_score = |row| {
        let (genes, scores) = scaled.row(row);
        let differences = genes.iter().zip(scores).map(|(&gene, score)| {
            let gene = gene as usize;
            (score - of_zero[gene]) * vector[gene]
        });
        base + differences.sum::<f64>()
    };
    (0..scaled.n_rows()).map(row_score).collect()
}

/// Aᵀ·u.
fn transposed_times(scaled: &Scaled<'_>, vector: &[f64]) -> Vec<f64> {
    let of_zero = scaled.of_zero();
    let total: f64 = vector.iter().sum();
    let mut product: Vec<f64> = of_zero.iter().map(|score| score * total).collect();
    for (row, &weight) in vector.iter().enumerate() {
        let (genes, scores) = scaled.row(row);
        for (&gene, score) in genes.iter().zip(scores) {
            product[gene as usize] += (score - of_zero[gene as usize]) * weight;
        }
    }
    product
}

/// The eigenvectors of AᵀA for its `count` largest eigenvalues, largest first.
fn leading_eigenvectors(scaled: &Scaled<'_>, count: usize) -> Vec<Vec<f64>> {
    let size = scaled.n_cols();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut seen = Tridiagonal::default(); // AᵀA in that basis
    let mut next = fresh_direction(&basis, size);
    while basis.len() < size && count > 0 {
        let mut image = transposed_times(scaled, &times(scaled, &next));
        seen.diagonal.push(dot(&image, &next));
        basis.push(next);
        let rest = orthogonalise(&mut image, &basis);
        if rest <= 1e-12 * seen.largest() {
            // AᵀA leads no further from here: what else there is lies in directions not seen yet
            seen.beside.push(0.0);
            next = fresh_direction(&basis, size);
            continue;
        }
        seen.beside.push(rest);
        image.iter_mut().for_each(|entry| *entry /= rest);
        next = image;
        if basis.len() >= count && basis.len().is_multiple_of(STEPS_A_LOOK) && seen.has_found(count, rest) {
            break;
        }
    }
    let (values, rotation) = seen.eigen(&unit_rows(basis.len()));
    largest_first(&values)
        .into_iter()
        .take(count)
        .map(|column| {
            let mut vector = vec![0.0; size];
            basis
                .iter()
                .zip(&rotation)
                .for_each(|(direction, row)| axpy(row[column], direction, &mut vector));
            vector
        })
        .collect()
}

/// A unit vector orthogonal to `basis`, from the multiples of an irrational number: no data is in step with it.
fn fresh_direction(basis: &[Vec<f64>], size: usize) -> Vec<f64> {
    const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;
    let mut number = (basis.len() * size) as f64;
    loop {
        let mut direction: Vec<f64> = (0..size)
            .map(|_| {
                number += 1.0;
                (number * GOLDEN_RATIO).fract() - 0.5
            })
            .collect();
        let rest = orthogonalise(&mut direction, basis);
        if rest > 1e-6 || basis.len() >= size {
            direction.iter_mut().for_each(|entry| *entry /= rest);
            return direction;
        }
    }
}

/// Takes from `vector` what it shares with the orthonormal `basis`, twice against cancellation; gives the length of the rest.
fn orthogonalise(vector: &mut [f64], basis: &[Vec<f64>]) -> f64 {
    for _ in 0..2 {
        for direction in basis {
            let overlap = dot(direction, vector);
            axpy(-overlap, direction, vector);
        }
    }
    dot(vector, vector).sqrt()
}

/// A symmetric matrix with entries on its diagonal and beside it.
#[derive(Debug, Default)]
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// Entry i stands between i and i + 1; one for each of the diagonal, the last one leads out of the matrix.
    beside: Vec<f64>,
}

impl Tridiagonal {
    fn largest(&self) -> f64 {
        self.diagonal.iter().copied().fold(0.0, f64::max)
    }

    /// Whether the `count` largest eigenvalues are those of the whole operator, which has the entry `beyond` beside this part
    /// of it: the residual of an eigenvector is `beyond` times its last entry.
    fn has_found(&self, count: usize, beyond: f64) -> bool {
        let size = self.diagonal.len();
        let mut last_unit = vec![0.0; size];
        last_unit[size - 1] = 1.0;
        let (values, last_rows) = self.eigen(&[last_unit]);
        let order = largest_first(&values);
        let limit = TOLERANCE * values[order[0]];
        order.into_iter().take(count).all(|column| beyond * last_rows[0][column].abs() <= limit)
    }

    /// The eigenvalues, and `rows` times the matrix of the eigenvectors. Implicit QL with Wilkinson's shift (EISPACK's
    /// method `tql2`; Golub and Van Loan 8.3).
    fn eigen(&self, rows: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
        const MOST_ROUNDS: usize = 100; // two or three are usual
        let size = self.diagonal.len();
        let (mut diagonal, mut beside, mut rows) =
            (self.diagonal.clone(), self.beside.clone(), rows.to_vec());
        for first in 0..size {
            for _ in 0..MOST_ROUNDS {
                let is_zero = |at: &usize| {
                    beside[*at].abs() <= f64::EPSILON * (diagonal[*at].abs() + diagonal[at + 1].abs())
                };
                let last = (first..size - 1).find(is_zero).unwrap_or(size - 1);
                if last == first {
                    break;
                }
                chase(&mut diagonal, &mut beside, &mut rows, first, last);
            }
        }
        (diagonal, rows)
    }
}

/// One round of QL on the block `first..=last`: a bulge is made at its end and chased to its beginning.
fn chase(diagonal: &mut [f64], beside: &mut [f64], rows: &mut [Vec<f64>], first: usize, last: usize) {
    let half = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let shift = diagonal[first] - beside[first] / (half + half.hypot(1.0).copysign(half));
    let mut ahead = diagonal[last] - shift;
    let (mut sine, mut cosine, mut carried) = (1.0, 1.0, 0.0);
    for at in (first..last).rev() {
        let (bulge, left) = (sine * beside[at], cosine * beside[at]);
        let length = bulge.hypot(ahead);
        beside[at + 1] = length;
        if length == 0.0 {
            diagonal[at + 1] -= carried;
            beside[last] = 0.0;
            return;
        }
        (sine, cosine) = (bulge / length, ahead / length);
        let moved = diagonal[at + 1] - carried;
        let turned = (diagonal[at] - moved) * sine + 2.0 * cosine * left;
        carried = sine * turned;
        diagonal[at + 1] = moved + carried;
        ahead = cosine * turned - left;
        for row in rows.iter_mut() {
            let (low, high) = (row[at], row[at + 1]);
            row[at] = cosine * low - sine * high;
            row[at + 1] = sine * low + cosine * high;
        }
    }
    diagonal[first] -= carried;
    beside[first] = ahead;
    beside[last] = 0.0;
}

fn unit_rows(size: usize) -> Vec<Vec<f64>> {
    (0..size)
        .map(|row| {
            let mut unit = vec![0.0; size];
            unit[row] = 1.0;
            unit
        })
        .collect()
}

fn largest_first(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order
}

/// The entry of largest size (the first of equals) becomes positive.
fn fix_sign(vector: &mut [f64]) {
    let largest = vector
        .iter()
        .copied()
        .fold(0.0_f64, |most, entry| if entry.abs() > most.abs() { entry } else { most });
    if largest < 0.0 {
        vector.iter_mut().for_each(|entry| *entry = -*entry);
    }
}

/// Σ a·b in eight interleaved sums: a fixed order that the compiler can vectorise.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (chunks_a, chunks_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = chunks_a.remainder().iter().zip(chunks_b.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0; 8];
    for (x, y) in chunks_a.zip(chunks_b) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + tail
}

/// y += factor·x.
fn axpy(factor: f64, x: &[f64], y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

#[cfg(test)]
mod tests {
    use super::{Tridiagonal, pca, unit_rows};
    use crate::Csr;
    use crate::step::scale_data::scale_data;

    /// The second difference matrix has the eigenvalues 2 − 2 cos(kπ / (n + 1)).
    #[test]
    fn eigenvalues_of_a_known_matrix() {
        const SIZE: usize = 40;
        let matrix = Tridiagonal { diagonal: vec![2.0; SIZE], beside: vec![-1.0; SIZE] };
        let (mut values, rotation) = matrix.eigen(&unit_rows(SIZE));
        for (column, value) in values.iter().enumerate() {
            for row in 0..SIZE {
                let at = |row: usize| rotation[row][column];
                let beside = [row.checked_sub(1), Some(row + 1).filter(|&next| next < SIZE)];
                let image = 2.0 * at(row) - beside.into_iter().flatten().map(at).sum::<f64>();
                assert!((image - value * at(row)).abs() < 1e-13);
            }
        }
        values.sort_by(f64::total_cmp);
        for (value, k) in values.iter().zip(1..) {
            let expected = 2.0 - 2.0 * (f64::from(k) * std::f64::consts::PI / (SIZE as f64 + 1.0)).cos();
            assert!((value - expected).abs() < 1e-13, "{value} {expected}");
        }
    }

    /// Four genes in two pairs of equal columns, orthogonal to each other: A has rank 2 and one singular value twice.
    #[test]
    fn equal_singular_values_and_missing_ranks_are_survived() {
        let rows =
            [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]];
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for [a, b] in rows {
            for (gene, value) in [(0, a), (1, a), (2, b), (3, b)].into_iter().filter(|entry| entry.1 != 0.0) {
                indices.push(gene);
                values.push(value);
            }
            indptr.push(values.len() as u64);
        }
        let lognorm = Csr::from_arrays(4, indptr, indices, values);
        let found = pca(&scale_data(lognorm.view()), 9);
        assert_eq!(found.count, 4);
        for component in 0..4 {
            let squares: f64 = (0..8).map(|cell| found.scores[cell * 4 + component].powi(2)).sum();
            let expected = if component < 2 { 14.0 } else { 0.0 }; // 2 columns of variance 1: 2 (n − 1)
            assert!((squares - expected).abs() < 1e-9, "{component}: {squares}");
        }
    }
}
