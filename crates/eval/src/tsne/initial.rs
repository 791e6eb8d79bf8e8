//! First positions of a map: the leading principal components of the codes, tiny. How they move lives in `descent`.

use super::forces::Coordinates;
use crate::chance::{Chance, Purpose};
use crate::points::Points;

/// Standard deviation of the first axis.
const SPREAD: f64 = 1e-4;

/// An axis with less than this share of the first one's spread is empty: rounding, not structure.
const EMPTY: f64 = 1e-6;

/// Sweeps of Jacobi's method at most; it needs fewer than ten.
const MAX_SWEEPS: usize = 60;

/// The first `D` principal components, scaled so that the first has a standard deviation of 1e-4. The largest loading of
/// each is positive. Axes that the codes do not fill get small normal noise: forces would never leave them otherwise.
pub(super) fn principal_positions<const D: usize>(points: &Points<'_>) -> Coordinates<D> {
    let count = points.count();
    let mut positions = Coordinates::zeros(count);
    let centered = centered(points);
    let axes = principal_axes(&covariance(&centered));
    let mut chance = Chance::new(Purpose::MapPositions);
    let mut first_spread = 0.0;
    for dimension in 0..D {
        let scores = axes.get(dimension).map_or_else(|| vec![0.0; count], |axis| project(&centered, axis));
        let spread = (scores.iter().map(|score| score * score).sum::<f64>() / count.max(1) as f64).sqrt();
        if dimension == 0 {
            first_spread = spread;
        }
        let filled = spread > EMPTY * first_spread;
        for (position, score) in positions.axis_mut(dimension).iter_mut().zip(scores) {
            *position = if filled { score / first_spread * SPREAD } else { SPREAD * chance.normal() } as f32;
        }
    }
    positions
}

/// The dimensions of the points, each with mean 0.
fn centered(points: &Points<'_>) -> Vec<Vec<f64>> {
    let center = |dimension| {
        let mean = points.column(dimension).map(f64::from).sum::<f64>() / points.count().max(1) as f64;
        points.column(dimension).map(|value| f64::from(value) - mean).collect()
    };
    (0..points.dim()).map(center).collect()
}

fn covariance(columns: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    columns.iter().map(|a| columns.iter().map(|b| product(a, b)).collect()).collect()
}

fn project(columns: &[Vec<f64>], axis: &[f64]) -> Vec<f64> {
    let mut scores = vec![0.0; columns.first().map_or(0, Vec::len)];
    for (column, loading) in columns.iter().zip(axis) {
        scores.iter_mut().zip(column).for_each(|(score, value)| *score += loading * value);
    }
    scores
}

/// Eigenvectors of a symmetric matrix by falling eigenvalue: Jacobi's cyclic method, which suits a few dozen rows.
fn principal_axes(symmetric: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let size = symmetric.len();
    let mut matrix = symmetric.to_vec();
    let mut axes: Vec<Vec<f64>> =
        (0..size).map(|row| (0..size).map(|column| f64::from(u8::from(row == column))).collect()).collect();
    let scale: f64 = matrix.iter().flatten().map(|entry| entry * entry).sum();
    for _ in 0..MAX_SWEEPS {
        let off_diagonal: f64 = (0..size)
            .flat_map(|row| (0..row).map(move |column| (row, column)))
            .map(|(r, c)| matrix[r][c].powi(2))
            .sum();
        if off_diagonal <= f64::EPSILON * f64::EPSILON * scale {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                rotate(&mut matrix, &mut axes, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| matrix[b][b].total_cmp(&matrix[a][a]).then(a.cmp(&b)));
    order.into_iter().map(|column| with_positive_peak(axes.iter().map(|row| row[column]).collect())).collect()
}

/// Turns axes `p` and `q` (`p` below `q`) so that their covariance vanishes.
fn rotate(matrix: &mut [Vec<f64>], axes: &mut [Vec<f64>], p: usize, q: usize) {
    if matrix[p][q] == 0.0 {
        return;
    }
    let half_cotangent = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
    let tangent = half_cotangent.signum() / (half_cotangent.abs() + half_cotangent.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turn = |a: f64, b: f64| (cosine * a - sine * b, sine * a + cosine * b);
    for row in matrix.iter_mut().chain(axes) {
        (row[p], row[q]) = turn(row[p], row[q]);
    }
    let (above, below) = matrix.split_at_mut(q);
    for (at_p, at_q) in above[p].iter_mut().zip(&mut below[0]) {
        (*at_p, *at_q) = turn(*at_p, *at_q);
    }
}

/// The axis with the sign that makes its largest entry positive; the first of equals decides.
fn with_positive_peak(axis: Vec<f64>) -> Vec<f64> {
    let peak = axis.iter().fold(0.0f64, |peak, &entry| if entry.abs() > peak.abs() { entry } else { peak });
    if peak < 0.0 { axis.into_iter().map(|entry| -entry).collect() } else { axis }
}

#[cfg(test)]
mod tests {
    use super::principal_positions;
    use crate::points::Points;
    use proptest::prelude::*;

    #[test]
    fn the_longest_axis_comes_first_with_its_sign_fixed() {
        let points = Points::new(&[0.0, -4.0, 1.0, 0.0, -1.0, 0.0, 0.0, 4.0], 4, 2).unwrap();
        let rows = principal_positions::<2>(&points).to_rows();
        let unit = 1e-4 / 8f32.sqrt();
        let expected = [-4.0, 0.0, 0.0, 1.0, 0.0, -1.0, 4.0, 0.0].map(|value| value * unit);
        assert!(rows.iter().zip(expected).all(|(found, right)| (found - right).abs() < 1e-10), "{rows:?}");
    }

    #[test]
    fn empty_axes_are_filled_with_small_noise() {
        for (values, dim) in
            [(vec![1.0, 2.0, 3.0, 4.0], 1), (vec![7.0; 8], 2), (vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0], 2)]
        {
            let points = Points::new(&values, values.len() / dim, dim).unwrap();
            let positions = principal_positions::<3>(&points);
            assert_eq!(positions, principal_positions::<3>(&points));
            for dimension in 0..3 {
                let axis = positions.axis(dimension);
                assert!(
                    axis.iter().any(|value| *value != 0.0) && axis.iter().all(|value| value.abs() < 1e-3)
                );
            }
        }
    }

    proptest! {
        #[test]
        fn axes_are_uncorrelated_and_scaled(values in proptest::collection::vec(-50.0f32..50.0, 40..200)) {
            let count = values.len() / 5;
            let points = Points::new(&values[..5 * count], count, 5).unwrap();
            let positions = principal_positions::<3>(&points);
            let product = |a: usize, b: usize| -> f64 {
                positions.axis(a).iter().zip(positions.axis(b)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            prop_assert!(((product(0, 0) / count as f64).sqrt() / 1e-4 - 1.0).abs() < 1e-5);
            prop_assert!(product(0, 0) >= product(1, 1) && product(1, 1) >= product(2, 2));
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                prop_assert!(product(a, b).abs() < 1e-5 * product(0, 0));
            }
        }
    }
}
