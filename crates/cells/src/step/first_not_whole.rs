//! Whether counts are counts: a likelihood of counts has no meaning for what lies between them. What to do about it must
//! not live here.

use crate::csr::CsrView;

/// An entry that is not whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fraction {
    /// Its row.
    pub cell: usize,
    /// Its column.
    pub gene: usize,
    /// What stands there.
    pub value: f32,
}

/// The first entry of `counts`, cell by cell, that is not a whole number.
#[must_use]
pub fn first_not_whole(counts: CsrView<'_>) -> Option<Fraction> {
    counts.rows().enumerate().find_map(|(cell, (columns, values))| {
        let entry = values.iter().position(|value| value.fract() != 0.0)?;
        Some(Fraction { cell, gene: columns[entry] as usize, value: values[entry] })
    })
}

#[cfg(test)]
mod tests {
    use super::{Fraction, first_not_whole};
    use crate::Csr;

    #[test]
    fn the_first_one_is_found() {
        let counts = |value| Csr::from_arrays(3, vec![0, 1, 3], vec![0, 1, 2], vec![2.0, value, 0.5]);
        assert_eq!(first_not_whole(counts(3.0).view()), Some(Fraction { cell: 1, gene: 2, value: 0.5 }));
        assert_eq!(first_not_whole(counts(1.25).view()), Some(Fraction { cell: 1, gene: 1, value: 1.25 }));
        assert_eq!(first_not_whole(counts(3.0).select_columns(&[0, 1]).view()), None);
    }
}
