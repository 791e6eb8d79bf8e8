//! Exact nearest neighbours of every cell. What is made of them must not live here.

/// The `count` nearest cells of each cell by Euclidean distance on the first `dimensions` of its `width` coordinates, cells ×
/// count: itself first, then by distance, equal distances by number. `count` is at most the number of cells and at least 1.
/// Time grows with the square of the cells.
#[must_use]
pub fn nearest_neighbours(coordinates: &[f64], width: usize, dimensions: usize, count: usize) -> Vec<u32> {
    let cells = coordinates.len() / width;
    // one run of numbers a dimension: the inner loop goes along the cells
    let by_dimension: Vec<Vec<f64>> = (0..dimensions.min(width))
        .map(|dimension| coordinates.iter().skip(dimension).step_by(width).copied().collect())
        .collect();
    let mut neighbours = Vec::with_capacity(cells * count);
    let mut distances = vec![0.0; cells];
    for cell in 0..cells {
        distances.fill(0.0);
        for along in &by_dimension {
            let from = along[cell];
            distances.iter_mut().zip(along).for_each(|(sum, to)| *sum += (to - from) * (to - from));
        }
        neighbours.push(cell as u32);
        neighbours.extend(nearest(&distances, cell, count - 1));
    }
    neighbours
}

/// The `count` smallest distances but that of `cell` itself, nearest first.
fn nearest(distances: &[f64], cell: usize, count: usize) -> impl Iterator<Item = u32> {
    let mut best: Vec<(f64, u32)> = Vec::with_capacity(count + 1);
    for (other, &distance) in (0..).zip(distances) {
        let is_near = best.len() < count || best.last().is_some_and(|worst| distance < worst.0);
        if is_near && other as usize != cell {
            let place = best.partition_point(|known| known.0 <= distance);
            best.insert(place, (distance, other));
            best.truncate(count);
        }
    }
    best.into_iter().map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::nearest_neighbours;

    #[test]
    fn a_cell_comes_first_and_equals_by_number() {
        // on a line at 0, 1, 1, 3, 0; the second coordinate is left out
        let coordinates = [0.0, 9.0, 1.0, 0.0, 1.0, 5.0, 3.0, 0.0, 0.0, -4.0];
        let found = nearest_neighbours(&coordinates, 2, 1, 3);
        assert_eq!(found, [0, 4, 1, 1, 2, 0, 2, 1, 0, 3, 1, 2, 4, 0, 1]);
        assert_eq!(nearest_neighbours(&coordinates, 2, 2, 1), [0, 1, 2, 3, 4]);
    }
}
