//! Maps of more cells than every pair can be looked at in each step: `bhtsne`, interpolated by FFT in two dimensions,
//! Barnes–Hut in three. On a pool of one thread, so that sums have one order and trials beside each other stay apart.

use bhtsne::{SparseAffinities, tSNE};

use super::affinities::Affinities;
use super::forces::Coordinates;
use super::{EXAGGERATION, Schedule};
use crate::error::EvalError;
use crate::points::Points;

/// Barnes–Hut's angle: scikit-learn's default.
const THETA: f32 = 0.5;

/// Affinities of many cells, in the form that `bhtsne` takes back.
pub(super) struct Graph {
    affinities: SparseAffinities<f32>,
}

impl Graph {
    /// Neighbours by a vantage-point tree, then affinities of this perplexity over three times as many neighbours.
    pub(super) fn new(points: &Points<'_>, perplexity: f64) -> Result<Self, EvalError> {
        let rows: Vec<&[f32]> = points.rows().collect();
        let affinities = on_one_thread(|| {
            let mut only_affinities = tSNE::<f32, &[f32], 2>::new(&rows);
            only_affinities
                .perplexity(perplexity as f32)
                .epochs(0)
                .fit_sne(|a, b| distance(a, b))
                .affinities()
        })?;
        Ok(Self { affinities: affinities.expect("a fit of many cells always leaves affinities") })
    }

    /// The same affinities in our own form.
    pub(super) fn affinities(&self) -> Affinities {
        let (starts, others, values) =
            (self.affinities.rows(), self.affinities.columns(), self.affinities.values());
        Affinities::from_rows(starts.windows(2).map(|row| {
            let row = row[0]..row[1];
            others[row.clone()].iter().copied().zip(values[row].iter().copied()).collect()
        }))
    }

    /// A map in two dimensions of `points`, rows of `dim` numbers, from these first positions.
    pub(super) fn descend_2d(
        &self,
        points: &[f32],
        dim: usize,
        initial: &Coordinates<2>,
        schedule: &Schedule,
    ) -> Result<Coordinates<2>, EvalError> {
        let rows: Vec<&[f32]> = points.chunks_exact(dim).collect();
        let positions = on_one_thread(|| {
            phases(&rows, initial.to_rows(), schedule, |tsne: &mut tSNE<'_, f32, &[f32], 2>| {
                tsne.with_affinities(self.affinities.clone()).fit_sne(|a, b| distance(a, b));
            })
        })?;
        Ok(Coordinates::from_rows(&positions))
    }

    /// A map in three dimensions of `points`, rows of `dim` numbers, from these first positions.
    pub(super) fn descend_3d(
        &self,
        points: &[f32],
        dim: usize,
        initial: &Coordinates<3>,
        schedule: &Schedule,
    ) -> Result<Coordinates<3>, EvalError> {
        let rows: Vec<&[f32]> = points.chunks_exact(dim).collect();
        let positions = on_one_thread(|| {
            phases(&rows, initial.to_rows(), schedule, |tsne: &mut tSNE<'_, f32, &[f32], 3>| {
                tsne.with_affinities(self.affinities.clone()).barnes_hut(THETA, |a, b| distance(a, b));
            })
        })?;
        Ok(Coordinates::from_rows(&positions))
    }
}

/// Both parts of the descent: exaggerated with learning rate n / 12, then plain with learning rate n and full momentum
/// from its first step (as openTSNE; the library's own single schedule stops far from convergence).
fn phases<const D: usize>(
    rows: &[&[f32]],
    initial: Vec<f32>,
    schedule: &Schedule,
    fit: impl Fn(&mut tSNE<'_, f32, &[f32], D>),
) -> Vec<f32> {
    let count = rows.len() as f32;
    let mut exaggerated = tSNE::<f32, &[f32], D>::new(rows);
    exaggerated
        .initial_embedding(initial)
        .early_exaggeration(EXAGGERATION)
        .learning_rate(count / EXAGGERATION);
    exaggerated.epochs(schedule.exaggerated).stop_lying_epoch(usize::MAX).momentum_switch_epoch(usize::MAX);
    fit(&mut exaggerated);
    let mut plain = tSNE::<f32, &[f32], D>::new(rows);
    plain.initial_embedding(exaggerated.embedding()).learning_rate(count).momentum(0.8);
    plain.epochs(schedule.plain).stop_lying_epoch(0);
    fit(&mut plain);
    plain.embedding()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}

fn on_one_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, EvalError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.map(|pool| pool.install(work)).map_err(|error| EvalError::NoThread(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::descent::divergence;
    use super::super::forces::Coordinates;
    use super::super::initial::principal_positions;
    use super::super::simd::Isa;
    use super::super::{MapSettings, Schedule};
    use super::Graph;
    use crate::chance::{Chance, Purpose};
    use crate::points::Points;
    use crate::tsne::Cartographer;

    /// Few cells suffice: the approximations do not depend on how many there are.
    #[test]
    fn approximate_maps_repeat_and_fit_like_exact_ones() {
        let mut chance = Chance::new(Purpose::LatentKmeans);
        let values: Vec<f32> =
            (0..400 * 4).map(|at| (chance.normal() + 6.0 * f64::from(at / 4 % 3)) as f32).collect();
        let points = Points::new(&values, 400, 4).unwrap();
        let schedule = Schedule::new(500);
        let graph = Graph::new(&points, 20.0).unwrap();
        let affinities = graph.affinities();
        let settings = MapSettings { perplexity: 20.0, iterations: 500 };
        let exact = Cartographer::new(&points, settings).unwrap().unwrap();

        let flat = || graph.descend_2d(&values, 4, &principal_positions(&points), &schedule).unwrap();
        let deep = || graph.descend_3d(&values, 4, &principal_positions(&points), &schedule).unwrap();
        let (first_flat, first_deep): (Coordinates<2>, Coordinates<3>) = (flat(), deep());
        assert_eq!(first_flat, flat());
        assert_eq!(first_deep, deep());
        let isa = Isa::best();
        let flat_kl = divergence(isa, &affinities, &first_flat);
        let deep_kl = divergence(isa, &affinities, &first_deep);
        let (exact_flat, exact_deep) =
            (exact.map_2d().unwrap().kl_divergence, exact.map_3d().unwrap().kl_divergence);
        assert!((flat_kl / exact_flat - 1.0).abs() < 0.25, "{flat_kl} and exactly {exact_flat}");
        assert!((deep_kl / exact_deep - 1.0).abs() < 0.25, "{deep_kl} and exactly {exact_deep}");
    }
}
