//! Seurat's `LogNormalize`. Filters must not live here.

use crate::csr::Csr;

/// Every count x becomes ln(1 + x / cell sum × `scale_factor`), computed in `f64`, stored as `f32`. Zeros stay zeros
/// and are not stored; a cell without entries stays so.
#[must_use]
pub fn log_normalise(counts: Csr, scale_factor: f64) -> Csr {
    counts.map_rows(|_, values| {
        let cell_sum: f64 = values.iter().map(|&count| f64::from(count)).sum();
        for value in values {
            *value = (f64::from(*value) / cell_sum * scale_factor).ln_1p() as f32;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::log_normalise;
    use crate::Csr;

    #[test]
    fn a_cell_is_scaled_by_its_own_sum() {
        let counts = Csr::from_arrays(2, vec![0, 2, 2, 3], vec![0, 1, 0], vec![1.0, 3.0, 7.0]);
        let normalised = log_normalise(counts, 100.0);
        let expected = [26f64.ln() as f32, 76f64.ln() as f32, 101f64.ln() as f32];
        assert_eq!(normalised.view().values, expected);
        assert_eq!(normalised.view().indptr, [0, 2, 2, 3]);
    }
}
