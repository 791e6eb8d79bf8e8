//! A checked matrix of points: what passes here is finite and rectangular, and nothing behind it checks again.

use crate::error::EvalError;

/// Points in row-major order, every number finite, at least one dimension unless there is no point.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    values: &'a [f32],
    count: usize,
    dim: usize,
}

impl<'a> Points<'a> {
    /// `count` points of `dim` numbers each.
    ///
    /// # Errors
    /// When the length is not `count × dim`, when points have no dimensions, when a number is not finite, or when
    /// there are more points than a 31-bit index reaches.
    pub fn new(values: &'a [f32], count: usize, dim: usize) -> Result<Self, EvalError> {
        if count.checked_mul(dim) != Some(values.len()) {
            return Err(EvalError::Shape { cells: count, dim, found: values.len() });
        }
        if count > 0 && dim == 0 {
            return Err(EvalError::NoDimensions { cells: count });
        }
        if i32::try_from(count).is_err() {
            return Err(EvalError::TooManyCells { found: count });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(EvalError::NotFinite { cell: at / dim, dimension: at % dim }),
            None => Ok(Self { values, count, dim }),
        }
    }

    /// Number of points.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Numbers in a point.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Point `index`.
    ///
    /// # Panics
    /// When `index` is not below [`count`](Self::count).
    #[must_use]
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.dim..(index + 1) * self.dim]
    }

    /// The points in order.
    pub fn rows(&self) -> impl Iterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.dim.max(1))
    }

    /// The points with mean 0 and largest coordinate 1, row-major. Neighbours and maps do not depend on scale, and squares
    /// of what remains neither overflow nor vanish.
    #[must_use]
    pub fn to_unit_scale(&self) -> Vec<f32> {
        let count = self.count as f64;
        let means: Vec<f64> = (0..self.dim)
            .map(|dimension| self.column(dimension).map(f64::from).sum::<f64>() / count)
            .collect();
        let centered: Vec<f64> = self
            .rows()
            .flat_map(|row| row.iter().zip(&means).map(|(&value, mean)| f64::from(value) - mean))
            .collect();
        let largest = centered.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
        centered.into_iter().map(|value| (value * scale) as f32).collect()
    }

    /// One dimension of every point.
    pub(crate) fn column(&self, dimension: usize) -> impl Iterator<Item = f32> + use<'a> {
        self.values.iter().skip(dimension).step_by(self.dim.max(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Points;
    use crate::error::EvalError;

    #[test]
    fn what_is_no_finite_matrix_is_refused() {
        assert_eq!(
            Points::new(&[0.0; 5], 2, 3).unwrap_err(),
            EvalError::Shape { cells: 2, dim: 3, found: 5 }
        );
        assert_eq!(Points::new(&[], 2, 0).unwrap_err(), EvalError::NoDimensions { cells: 2 });
        assert_eq!(
            Points::new(&[0.0, 1.0, 2.0, f32::NAN], 2, 2).unwrap_err(),
            EvalError::NotFinite { cell: 1, dimension: 1 }
        );
        assert!(matches!(Points::new(&[], usize::MAX, 2), Err(EvalError::Shape { .. })));
        assert_eq!(Points::new(&[], 0, 7).unwrap().rows().count(), 0);
    }

    #[test]
    fn rows_and_columns_are_what_was_put_in() {
        let points = Points::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2).unwrap();
        assert_eq!(points.row(1), [3.0, 4.0]);
        assert_eq!(points.column(1).collect::<Vec<_>>(), [2.0, 4.0, 6.0]);
    }
}
