//! What the latent space looks like: variances, KL and gates, gathered block by block over all cells.
//!
//! Must not live here: scores against labels (`eval`).

use candle_core::Result;
use domain::outcome::Diagnostics;

use crate::latent::{Encoded, Gates};
use crate::net::read;

/// A dimension is active when its posterior mean varies by more than this over cells (Burda, Grosse & Salakhutdinov
/// 2016, "Importance Weighted Autoencoders").
pub(crate) const ACTIVE_VARIANCE: f64 = 0.01;

/// Codes and sums over the cells seen so far.
pub(crate) struct LatentSummary {
    dims: usize,
    cells: usize,
    /// Deterministic codes, cells × dims.
    mean: Vec<f32>,
    /// Codes for the evaluation, cells × dims.
    code: Vec<f32>,
    kl: Vec<f64>,
    gates: Option<GateSummary>,
}

/// Sums over the gates of the cells seen so far.
#[derive(Default)]
struct GateSummary {
    gamma: Vec<f64>,
    kl_spike: Vec<f64>,
    /// Cells whose gate is pinned, per dimension.
    pinned: Vec<f64>,
    /// Pairs of cell and dimension whose thresholded code is 0.
    zeros: u64,
    /// Pairs whose hard gate is shut in one draw.
    hard_zeros: u64,
}

impl LatentSummary {
    pub(crate) fn new(dims: usize, capacity: usize) -> Self {
        Self {
            dims,
            cells: 0,
            mean: Vec::with_capacity(capacity * dims),
            code: Vec::with_capacity(capacity * dims),
            kl: Vec::new(),
            gates: None,
        }
    }

    /// Adds a block of cells.
    pub(crate) fn add(&mut self, block: &Encoded) -> Result<()> {
        self.cells += block.mean.dim(0)?;
        read(&block.mean, |values| self.mean.extend_from_slice(values))?;
        read(&block.code, |values| self.code.extend_from_slice(values))?;
        if let Some(kl) = &block.kl {
            read(kl, |values| add_columns(&mut self.kl, values, self.dims))?;
        }
        if let Some(gates) = &block.gates {
            self.gates.get_or_insert_default().add(gates, self.dims)?;
        }
        Ok(())
    }

    /// The codes for the evaluation, cells × dims.
    pub(crate) fn into_codes(self) -> Vec<f32> {
        self.code
    }

    /// Whether every number is finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.mean.iter().chain(&self.code).all(|value| value.is_finite())
            && self.kl.iter().all(|value| value.is_finite())
            && self.gates.as_ref().is_none_or(GateSummary::is_finite)
    }

    /// Dimensions whose deterministic code varies over cells.
    pub(crate) fn active_units(&self) -> usize {
        column_variances(&self.mean, self.dims).iter().filter(|variance| **variance > ACTIVE_VARIANCE).count()
    }

    /// The summary.
    pub(crate) fn diagnostics(&self) -> Diagnostics {
        let cells = self.cells as f64;
        let per_cell = |sums: &[f64]| sums.iter().map(|sum| sum / cells).collect();
        let of_all = |pairs: u64| pairs as f64 / (cells * self.dims as f64);
        let plain = Diagnostics {
            kl_per_dim: per_cell(&self.kl),
            code_variance: column_variances(&self.code, self.dims),
            ..Diagnostics::default()
        };
        match &self.gates {
            None => plain,
            Some(gates) => Diagnostics {
                kl_spike_per_dim: per_cell(&gates.kl_spike),
                mean_gate: per_cell(&gates.gamma),
                zero_share: Some(of_all(gates.zeros)),
                hard_zero_share: Some(of_all(gates.hard_zeros)),
                dead_gates: gates.dead(cells),
                ..plain
            },
        }
    }
}

impl GateSummary {
    fn add(&mut self, gates: &Gates, dims: usize) -> Result<()> {
        let count =
            |values: &[f32], limit: f32| values.iter().filter(|value| **value <= limit).count() as u64;
        read(&gates.gamma, |values| {
            add_columns(&mut self.gamma, values, dims);
            // A cell's thresholded code is 0 where γ does not exceed one half.
            self.zeros += count(values, 0.5);
        })?;
        read(&gates.threshold, |values| self.hard_zeros += count(values, 0.0))?;
        read(&gates.kl_spike, |values| add_columns(&mut self.kl_spike, values, dims))?;
        read(&gates.pinned, |values| add_columns(&mut self.pinned, values, dims))
    }

    fn is_finite(&self) -> bool {
        self.gamma.iter().chain(&self.kl_spike).all(|value| value.is_finite())
    }

    /// Dimensions that are pinned for each of `cells` cells.
    fn dead(&self, cells: f64) -> Vec<u32> {
        (0_u32..).zip(&self.pinned).filter(|(_, pinned)| **pinned == cells).map(|(dim, _)| dim).collect()
    }
}

fn add_columns(sums: &mut Vec<f64>, values: &[f32], dims: usize) {
    sums.resize(dims, 0.0);
    for row in values.chunks_exact(dims) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
}

/// Variance (divided by the number of rows) of each column of a row-major matrix with `dims` columns.
pub(crate) fn column_variances(values: &[f32], dims: usize) -> Vec<f64> {
    let rows = (values.len() / dims).max(1) as f64;
    let mut means = Vec::new();
    add_columns(&mut means, values, dims);
    means.iter_mut().for_each(|mean| *mean /= rows);
    let mut variances = vec![0.0; dims];
    for row in values.chunks_exact(dims) {
        for ((variance, value), mean) in variances.iter_mut().zip(row).zip(&means) {
            *variance += (f64::from(*value) - mean).powi(2) / rows;
        }
    }
    variances
}

#[cfg(test)]
mod tests {
    use super::column_variances;

    #[test]
    fn variances_are_those_of_the_columns() {
        // numpy.var([[1, 5], [2, 5], [6, 5]], axis=0)
        let variances = column_variances(&[1.0, 5.0, 2.0, 5.0, 6.0, 5.0], 2);
        assert!((variances[0] - 14.0 / 3.0).abs() < 1e-12, "{variances:?}");
        assert_eq!(variances[1], 0.0);
        assert_eq!(column_variances(&[], 2), [0.0, 0.0]);
    }
}
