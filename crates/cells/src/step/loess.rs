//! R's `loess` of one variable: local quadratic regression, fitted at a few vertices and interpolated between them. What is
//! smoothed must not live here.
//!
//! Cleveland and Grosse, "Computational methods for local regression", Statistics and Computing 1 (1991) 47–62; defaults
//! of `stats::loess`: degree 2, family "gaussian", surface "interpolate", cell 0.2. The interpolation is part of the
//! result: it differs from the direct fit in the fourth digit.
//!
//! ```text
//! vertices    the range of x, widened by half a percent, halved at the median until a cell holds at most n·span·0.2 points
//! at each     weighted least squares of y on 1, x − v, (x − v)² over the n·span nearest points,
//!             weight (1 − (|x − v| / radius)³)³; its first two coefficients are the vertex's value and slope
//! between     the cubic with the values and slopes of the cell's two vertices
//! ```

/// Share of a neighbourhood's points that a cell of the interpolation may hold (R's `cell`).
const CELL: f64 = 0.2;
/// Coefficients of a local quadratic.
const COEFFICIENTS: usize = 3;

/// Why there is no curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoessError {
    /// R: "span is too small".
    #[error("{points} points are too few: each local quadratic needs {needed} of them", needed = COEFFICIENTS + 1)]
    TooFew {
        /// How many there are.
        points: usize,
    },
    /// R: "zero-width neighborhood".
    #[error("too many points lie at one place, so a local quadratic has nothing to follow")]
    NoWidth,
}

/// The smooth curve through the points (`x`, `y`), at each `x`. Both are finite and of one length.
///
/// # Errors
/// Where R's `loess` gives up too.
pub fn loess(x: &[f64], y: &[f64], span: f64) -> Result<Vec<f64>, LoessError> {
    let points = x.len();
    let neighbours = ((points as f64 * span + 1e-5).floor() as usize).min(points);
    if neighbours <= COEFFICIENTS {
        return Err(LoessError::TooFew { points });
    }
    let mut order: Vec<usize> = (0..points).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    let sorted_x: Vec<f64> = order.iter().map(|&point| x[point]).collect();
    let sorted_y: Vec<f64> = order.iter().map(|&point| y[point]).collect();

    let most_in_cell = (points as f64 * (span * CELL)).floor() as usize;
    let places = vertices(&sorted_x, most_in_cell);
    let fits = places
        .iter()
        .map(|&place| local_quadratic(&sorted_x, &sorted_y, place, neighbours))
        .collect::<Result<Vec<Vertex>, LoessError>>()?;
    Ok(x.iter().map(|&at| interpolate(&fits, at)).collect())
}

/// The curve at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Vertex {
    place: f64,
    value: f64,
    slope: f64,
}

/// Ends of the cells, ascending.
fn vertices(sorted_x: &[f64], most_in_cell: usize) -> Vec<f64> {
    let (first, last) = (sorted_x[0], sorted_x[sorted_x.len() - 1]);
    let margin = 0.005 * (last - first).max(1e-10 * first.abs().max(last.abs()) + 1e-30);
    let (low, high) = (first - margin, last + margin);
    let mut cuts = vec![low, high];
    let mut cells = vec![(0, sorted_x.len() - 1, low, high)];
    while let Some((start, end, low, high)) = cells.pop() {
        if end - start < most_in_cell {
            continue;
        }
        let last_below = cut(sorted_x, start, end);
        let place = sorted_x[last_below];
        if place == low || place == high {
            continue;
        }
        cuts.push(place);
        cells.push((start, last_below, low, place));
        if last_below < end {
            cells.push((last_below + 1, end, place, high));
        }
    }
    cuts.sort_by(f64::total_cmp);
    cuts
}

/// Where to halve the points `start..=end`: after the median, or after the place nearest to it (the one above before the
/// one below) that does not part equal points; the median where one of the ends is met first.
fn cut(sorted_x: &[f64], start: usize, end: usize) -> usize {
    let median = usize::midpoint(start, end);
    let parts_equals = |at: usize| sorted_x[at] == sorted_x[at + 1];
    for distance in 0..=end - start {
        let above = median + distance;
        if above >= end {
            return median;
        }
        if !parts_equals(above) {
            return above;
        }
        if distance > 0 {
            let Some(below) = median.checked_sub(distance).filter(|&below| below >= start) else {
                return median;
            };
            if !parts_equals(below) {
                return below;
            }
        }
    }
    median
}

/// The weighted least-squares quadratic around `place`.
fn local_quadratic(
    sorted_x: &[f64],
    sorted_y: &[f64],
    place: f64,
    neighbours: usize,
) -> Result<Vertex, LoessError> {
    let start = nearest_window(sorted_x, place, neighbours);
    let (x, y) = (&sorted_x[start..start + neighbours], &sorted_y[start..start + neighbours]);
    let squared = |x: f64| (x - place) * (x - place);
    let radius = squared(x[0]).max(squared(x[neighbours - 1]));
    if radius <= 0.0 {
        return Err(LoessError::NoWidth);
    }
    // least squares works on the roots of the weights
    let weights: Vec<f64> = x
        .iter()
        .map(|&x| {
            let share = (squared(x) / radius).sqrt();
            (1.0 - share * share * share).powi(3).sqrt()
        })
        .collect();
    if weights.iter().all(|&weight| weight == 0.0) {
        return Err(LoessError::NoWidth);
    }
    let power = |exponent| x.iter().zip(&weights).map(|(x, w)| w * (x - place).powi(exponent)).collect();
    let target: Vec<f64> = y.iter().zip(&weights).map(|(y, w)| w * y).collect();
    let [value, slope, _] = least_squares([power(0), power(1), power(2)], &target);
    Ok(Vertex { place, value, slope })
}

/// Start of the `count` points nearest to `place`.
fn nearest_window(sorted_x: &[f64], place: f64, count: usize) -> usize {
    let (mut low, mut high) = (0, sorted_x.len() - count);
    while low < high {
        let middle = usize::midpoint(low, high);
        if place - sorted_x[middle] > sorted_x[middle + count] - place {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The coefficients c with the least Σ (target − Σ_j c_j columns_j)². Columns that depend on each other share (as with
/// R's pseudoinverse): singular values below 100 ε of the largest count as none. One-sided Jacobi: the columns are turned
/// until they are orthogonal, and the turns are remembered.
fn least_squares(mut columns: [Vec<f64>; COEFFICIENTS], target: &[f64]) -> [f64; COEFFICIENTS] {
    const MOST_SWEEPS: usize = 60;
    let mut lengths = [1.0; COEFFICIENTS];
    for (column, length) in columns.iter_mut().zip(&mut lengths) {
        let norm = dot(column, column).sqrt();
        if norm > 0.0 {
            column.iter_mut().for_each(|entry| *entry /= norm);
            *length = norm;
        }
    }
    let mut turns = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]; // one column of V each
    for _ in 0..MOST_SWEEPS {
        let mut is_orthogonal = true;
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let (left, right) = columns.split_at_mut(other);
            is_orthogonal &= !make_orthogonal(&mut left[one], &mut right[0], |cosine, sine| {
                let (left, right) = turns.split_at_mut(other);
                turn(&mut left[one], &mut right[0], cosine, sine);
            });
        }
        if is_orthogonal {
            break;
        }
    }
    let squares: Vec<f64> = columns.iter().map(|column| dot(column, column)).collect();
    let largest = squares.iter().copied().fold(0.0, f64::max).sqrt();
    let mut coefficients = [0.0; COEFFICIENTS];
    for ((column, &square), direction) in columns.iter().zip(&squares).zip(&turns) {
        if square.sqrt() > largest * 100.0 * f64::EPSILON {
            let share = dot(column, target) / square;
            coefficients.iter_mut().zip(direction).for_each(|(sum, entry)| *sum += share * entry);
        }
    }
    coefficients.iter_mut().zip(lengths).for_each(|(coefficient, length)| *coefficient /= length);
    coefficients
}

/// Turns two columns in their plane until they are orthogonal; false if they were already.
fn make_orthogonal(one: &mut [f64], other: &mut [f64], also: impl FnOnce(f64, f64)) -> bool {
    let (square_one, square_other, overlap) = (dot(one, one), dot(other, other), dot(one, other));
    if overlap.abs() <= f64::EPSILON * (square_one * square_other).sqrt() {
        return false;
    }
    let ratio = (square_other - square_one) / (2.0 * overlap);
    let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = cosine * tangent;
    turn(one, other, cosine, sine);
    also(cosine, sine);
    true
}

fn turn(one: &mut [f64], other: &mut [f64], cosine: f64, sine: f64) {
    for (a, b) in one.iter_mut().zip(other) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The cubic between the two vertices around `at`; a place at a vertex belongs to the cell below.
fn interpolate(fits: &[Vertex], at: f64) -> f64 {
    let above = fits.partition_point(|vertex| vertex.place < at).clamp(1, fits.len() - 1);
    let (low, high) = (fits[above - 1], fits[above]);
    let width = high.place - low.place;
    let h = (at - low.place) / width;
    let rest = 1.0 - h;
    let values = rest * rest * (1.0 + 2.0 * h) * low.value + h * h * (3.0 - 2.0 * h) * high.value;
    let slopes = h * rest * rest * low.slope + h * h * (h - 1.0) * high.slope;
    values + slopes * width
}

#[cfg(test)]
mod tests {
    use super::{LoessError, loess};

    /// A quadratic is its own local quadratic, and a cubic between vertices follows it.
    #[test]
    fn a_parabola_is_left_as_it_is() {
        let x: Vec<f64> = (0..200).map(|point| f64::from(point) / 20.0 - 3.0).collect();
        let y: Vec<f64> = x.iter().map(|x| 1.0 - 2.0 * x + 0.5 * x * x).collect();
        for (fitted, expected) in loess(&x, &y, 0.3).unwrap().iter().zip(&y) {
            assert!((fitted - expected).abs() < 1e-11, "{fitted} {expected}");
        }
    }

    /// From R 4.2: `x <- c(0:29, 7, 7, 7, 12.5)^1.1; y <- sin(x / 4) + (seq_along(x) %% 5) / 10` and
    /// `format(loess(y ~ x, span = 0.3)$fitted[c(1, 2, 8, 15, 30, 31, 34)], digits = 15)`.
    #[test]
    fn ties_and_cells_are_those_of_r() {
        let places = (0..30).map(f64::from).chain([7.0, 7.0, 7.0, 12.5]);
        let x: Vec<f64> = places.map(|place| place.powf(1.1)).collect();
        let y: Vec<f64> =
            x.iter().zip(1..).map(|(x, number)| (x / 4.0).sin() + f64::from(number % 5) / 10.0).collect();
        let fitted = loess(&x, &y, 0.3).unwrap();
        let expected = [
            0.100570996594947,
            0.473905715158493,
            1.103012608330896,
            -0.807332803091589,
            -0.564315795563933,
            1.103012608330896,
            -0.461782164492197,
        ];
        for (position, expected) in [0, 1, 7, 14, 29, 30, 33].into_iter().zip(expected) {
            assert!((fitted[position] - expected).abs() < 1e-12, "{position}: {}", fitted[position]);
        }
    }

    #[test]
    fn points_that_carry_no_curve_are_refused() {
        let x: Vec<f64> = (0..13).map(f64::from).collect();
        assert_eq!(loess(&x, &x, 0.3), Err(LoessError::TooFew { points: 13 }));
        let mut heap = vec![1.0; 60];
        heap.extend([2.0, 3.0]);
        assert_eq!(loess(&heap, &heap, 0.3), Err(LoessError::NoWidth));
    }
}
