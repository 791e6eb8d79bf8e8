//! Trustworthiness of a map (Venna and Kaski 2001): whether those who are neighbours on the map were near each other in
//! the codes. Exact: every pair is looked at, one row of distances at a time.

use crate::brake::Brake;
use crate::error::EvalError;
use crate::neighbours::{Columns, Neighbours};
use crate::points::Points;

/// Rows between two looks at the brake.
const ROWS_A_LOOK: usize = 64;

/// Trustworthiness of `map` for its `k` nearest neighbours, as scikit-learn's `trustworthiness(…, n_neighbors=k)`:
///
/// ```text
/// 1 − 2 / (n k (2n − 3k − 1)) · Σᵢ Σ over j among the k nearest of i on the map: max(0, rank of j from i in the codes − k)
/// ```
///
/// `k` is lowered to less than half the number of points, as the definition needs. Equal distances are ordered by index.
/// `None` for fewer than three points.
///
/// # Errors
/// When `brake` is pulled, or the map is not finite or of another number of points.
pub fn trustworthiness(
    codes: &Points<'_>,
    map: &Points<'_>,
    k: usize,
    brake: &mut Brake<'_>,
) -> Result<Option<f64>, EvalError> {
    let count = codes.count();
    if map.count() != count {
        return Err(EvalError::LabelCount { first: count, second: map.count() });
    }
    let k = k.min(count.saturating_sub(1) / 2);
    if k == 0 {
        return Ok(None);
    }
    let on_map = Neighbours::exact(map, k, brake)?;
    let columns = Columns::new(codes);
    let mut distances = columns.no_distances();
    let mut excess = 0u64;
    for point in 0..count {
        if point.is_multiple_of(ROWS_A_LOOK) {
            brake.check()?;
        }
        columns.squared_distances(point, &mut distances);
        // Never nearer than anybody, so that it has no rank among its neighbours.
        distances[point] = f32::NAN;
        for &other in on_map.row(point, k).0 {
            excess += rank(&distances[..count], other as usize).saturating_sub(k) as u64;
        }
    }
    let (n, k) = (count as f64, k as f64);
    Ok(Some(1.0 - excess as f64 * 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0))))
}

/// Place of `other` by distance, from 1; of equal distances the lower index comes first.
fn rank(distances: &[f32], other: usize) -> usize {
    let own = distances[other];
    let (before, after) = distances.split_at(other);
    let no_farther: u32 = before.iter().map(|&distance| u32::from(distance <= own)).sum();
    let nearer: u32 = after.iter().map(|&distance| u32::from(distance < own)).sum();
    1 + (no_farther + nearer) as usize
}

#[cfg(test)]
mod tests {
    use super::{rank, trustworthiness};
    use crate::brake::Brake;
    use crate::points::Points;

    fn of(codes: &[f32], map: &[f32], k: usize) -> Option<f64> {
        let count = codes.len();
        let (codes, map) = (Points::new(codes, count, 1).unwrap(), Points::new(map, count, 1).unwrap());
        trustworthiness(&codes, &map, k, &mut Brake::none()).unwrap()
    }

    #[test]
    fn ranks_count_from_one_and_break_ties_by_index() {
        let distances = [4.0, f32::NAN, 1.0, 4.0, 0.5, f32::INFINITY];
        let ranks: Vec<usize> = [0, 2, 3, 4, 5].into_iter().map(|other| rank(&distances, other)).collect();
        assert_eq!(ranks, [3, 2, 4, 1, 5]);
    }

    #[test]
    fn a_map_that_keeps_all_neighbours_is_fully_trustworthy() {
        let codes: Vec<f32> = (0..40).map(|cell| (cell * cell) as f32).collect();
        let halved: Vec<f32> = codes.iter().map(|code| code / 2.0).collect();
        assert_eq!(of(&codes, &halved, 15), Some(1.0));
        assert_eq!(of(&[3.0; 20], &[1.0; 20], 5), Some(1.0));
    }

    #[test]
    fn few_cells_have_fewer_neighbours_or_no_score() {
        assert_eq!(of(&[], &[], 15), None);
        assert_eq!(of(&[1.0, 2.0], &[2.0, 1.0], 15), None);
        // k = 1: the neighbours on the map of cells 0, 1 and 2 are 2, 2 and 0, with ranks 2, 1 and 2 in the codes; one
        // neighbour too far each for cells 0 and 2: 1 − 2 · 2 / (3 · 1 · (6 − 3 − 1)).
        let found = of(&[0.0, 1.0, 1.9], &[0.0, 5.0, 2.0], 15).unwrap();
        assert!((found - (1.0 - 4.0 / 6.0)).abs() < 1e-15, "{found}");
    }
}
