//! The silhouette of a labelling (Rousseeuw 1987): how much nearer a cell lies to its own class than to the next one.
//! Exact: every pair is looked at, one row of distances at a time.

use crate::brake::Brake;
use crate::error::EvalError;
use crate::points::Points;

/// Rows between two looks at the brake.
const ROWS_A_LOOK: usize = 64;

/// Mean silhouette of `labels` by Euclidean distance, as scikit-learn's `silhouette_score`; a cell alone in its class
/// counts 0. `None` unless there are at least two classes and fewer classes than cells, where it means nothing.
///
/// # Errors
/// When `brake` is pulled.
pub fn silhouette(
    points: &Points<'_>,
    labels: &[u16],
    classes: usize,
    brake: &mut Brake<'_>,
) -> Result<Option<f64>, EvalError> {
    let mut sizes = vec![0usize; classes];
    labels.iter().for_each(|&label| sizes[usize::from(label)] += 1);
    let occurring = sizes.iter().filter(|&&size| size > 0).count();
    if occurring < 2 || occurring >= points.count() {
        return Ok(None);
    }
    // Cells of one class beside each other: its distances are then summed in one go.
    let mut order: Vec<usize> = (0..points.count()).collect();
    order.sort_by_key(|&cell| labels[cell]);
    let columns: Vec<Vec<f64>> = (0..points.dim())
        .map(|dimension| {
            let column: Vec<f32> = points.column(dimension).collect();
            order.iter().map(|&cell| f64::from(column[cell])).collect()
        })
        .collect();
    let mut distances = vec![0.0; points.count()];
    let mut total = 0.0;
    for (place, &cell) in order.iter().enumerate() {
        if place.is_multiple_of(ROWS_A_LOOK) {
            brake.check()?;
        }
        distances_from(&columns, place, &mut distances);
        total += of_cell(&distances, &sizes, usize::from(labels[cell]));
    }
    Ok(Some(total / points.count() as f64))
}

fn distances_from(columns: &[Vec<f64>], place: usize, distances: &mut [f64]) {
    distances.fill(0.0);
    for column in columns {
        let own = column[place];
        for (distance, &other) in distances.iter_mut().zip(column) {
            let difference = other - own;
            *distance += difference * difference;
        }
    }
    distances.iter_mut().for_each(|distance| *distance = distance.sqrt());
}

/// Silhouette of a cell of class `own`, by its distances to all cells in the order of their classes.
fn of_cell(distances: &[f64], sizes: &[usize], own: usize) -> f64 {
    if sizes[own] == 1 {
        return 0.0;
    }
    let (mut within, mut beyond) = (0.0, f64::INFINITY);
    let mut first = 0;
    for (class, &size) in sizes.iter().enumerate() {
        let sum = sum(&distances[first..first + size]);
        first += size;
        if class == own {
            within = sum / (size - 1) as f64;
        } else if size > 0 {
            beyond = beyond.min(sum / size as f64);
        }
    }
    let larger = within.max(beyond);
    if larger > 0.0 { (beyond - within) / larger } else { 0.0 }
}

/// Sum in eight interleaved lanes: a fixed order that the processor can follow in parallel.
fn sum(values: &[f64]) -> f64 {
    let (whole, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in whole {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter().chain(rest).sum()
}

#[cfg(test)]
mod tests {
    use super::silhouette;
    use crate::brake::Brake;
    use crate::points::Points;

    fn of(values: &[f32], labels: &[u16], classes: usize) -> Option<f64> {
        let points = Points::new(values, values.len(), 1).unwrap();
        silhouette(&points, labels, classes, &mut Brake::none()).unwrap()
    }

    #[test]
    fn it_needs_two_classes_and_a_pair_of_cells_in_one() {
        assert_eq!(of(&[], &[], 0), None);
        assert_eq!(of(&[1.0, 2.0, 3.0], &[0, 0, 0], 1), None);
        assert_eq!(of(&[1.0, 2.0, 3.0], &[1, 1, 1], 3), None);
        assert_eq!(of(&[1.0, 2.0, 3.0], &[0, 1, 2], 3), None);
        assert!(of(&[1.0, 2.0, 3.0], &[0, 0, 1], 2).is_some());
    }

    #[test]
    fn a_cell_alone_in_its_class_and_cells_in_one_place_count_nothing() {
        // Cells at 0 and 1 against one at 4: (4 − 1) / 4 and (3 − 1) / 3, and 0 for the lone one.
        let found = of(&[0.0, 1.0, 4.0], &[0, 0, 1], 2).unwrap();
        assert!((found - (0.75 + 2.0 / 3.0) / 3.0).abs() < 1e-15);
        assert_eq!(of(&[5.0; 6], &[0, 0, 0, 1, 1, 1], 2), Some(0.0));
    }

    #[test]
    fn the_largest_floats_do_not_overflow() {
        let found = of(&[f32::MAX, f32::MAX, f32::MIN, f32::MIN], &[0, 0, 1, 1], 2).unwrap();
        assert_eq!(found, 1.0);
    }
}
