//! Maps of more cells than every pair can be looked at in each step: `bhtsne`, interpolated by FFT in two dimensions,
//! Barnes–Hut in three. On a pool of one thread, so that sums have one order and trials beside each other stay apart.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};

use bhtsne::{Neighbor, SparseAffinities, tSNE};

use super::affinities::Affinities;
use super::forces::Coordinates;
use super::{EXAGGERATION, Schedule};
use crate::brake::{Brake, GLANCE, STACK_BYTES};
use crate::error::EvalError;
use crate::neighbours::Neighbours;

/// Barnes–Hut's angle: scikit-learn's default.
const THETA: f32 = 0.5;

/// Affinities of many cells, in the form that `bhtsne` takes back.
pub(super) struct Graph {
    affinities: SparseAffinities<f32>,
}

/// What the library asks for the points themselves: with neighbours or affinities at hand it only counts them.
type Cell = ();

impl Graph {
    /// Affinities of this perplexity over three times as many neighbours.
    pub(super) fn new(
        neighbours: &Neighbours,
        perplexity: f64,
        brake: &mut Brake<'_>,
    ) -> Result<Self, EvalError> {
        let (count, reach) = (neighbours.count, (3.0 * perplexity) as usize);
        let row = |point| {
            let (indices, squared_distances) = neighbours.row(point, reach);
            let pairs = indices.iter().zip(squared_distances);
            pairs
                .map(|(&index, squared)| Neighbor { index: index as usize, distance: squared.sqrt() })
                .collect()
        };
        let rows: Vec<Vec<Neighbor<f32>>> = (0..count).map(row).collect();
        let affinities = on_one_thread(brake, |_| {
            let cells: Vec<Cell> = vec![(); count];
            let mut only_affinities = tSNE::<f32, Cell, 2>::new(&cells);
            only_affinities.perplexity(perplexity as f32).epochs(0).fit_sne_with_neighbors(&rows).affinities()
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

    /// A map in two dimensions from these first positions.
    pub(super) fn descend_2d(
        &self,
        initial: &Coordinates<2>,
        schedule: &Schedule,
        brake: &mut Brake<'_>,
    ) -> Result<Coordinates<2>, EvalError> {
        let positions = on_one_thread(brake, |is_over| {
            phases(initial.to_rows(), schedule, is_over, |tsne: &mut tSNE<'_, f32, Cell, 2>| {
                tsne.with_affinities(self.affinities.clone()).fit_sne(|(), ()| 0.0);
            })
        })?;
        Ok(Coordinates::from_rows(&positions))
    }

    /// A map in three dimensions from these first positions.
    pub(super) fn descend_3d(
        &self,
        initial: &Coordinates<3>,
        schedule: &Schedule,
        brake: &mut Brake<'_>,
    ) -> Result<Coordinates<3>, EvalError> {
        let positions = on_one_thread(brake, |is_over| {
            phases(initial.to_rows(), schedule, is_over, |tsne: &mut tSNE<'_, f32, Cell, 3>| {
                tsne.with_affinities(self.affinities.clone()).barnes_hut(THETA, |(), ()| 0.0);
            })
        })?;
        Ok(Coordinates::from_rows(&positions))
    }
}

/// Both parts of the descent: exaggerated with learning rate n / 12, then plain with learning rate n and full momentum
/// from its first step (as openTSNE; the library's own single schedule stops far from convergence).
fn phases<const D: usize>(
    initial: Vec<f32>,
    schedule: &Schedule,
    is_over: &AtomicBool,
    fit: impl Fn(&mut tSNE<'_, f32, Cell, D>),
) -> Vec<f32> {
    let cells: Vec<Cell> = vec![(); initial.len() / D];
    let count = cells.len() as f32;
    // The library goes on until its last step: unwinding is the only way out.
    let look = |_: usize, _: &[f32]| {
        if is_over.load(Ordering::Relaxed) {
            panic::resume_unwind(Box::new(Stopped));
        }
    };
    let mut exaggerated = tSNE::<f32, Cell, D>::new(&cells);
    exaggerated
        .initial_embedding(initial)
        .early_exaggeration(EXAGGERATION)
        .learning_rate(count / EXAGGERATION)
        .epoch_callback(look);
    exaggerated.epochs(schedule.exaggerated).stop_lying_epoch(usize::MAX).momentum_switch_epoch(usize::MAX);
    fit(&mut exaggerated);
    let mut plain = tSNE::<f32, Cell, D>::new(&cells);
    plain.initial_embedding(exaggerated.embedding()).learning_rate(count).momentum(0.8).epoch_callback(look);
    plain.epochs(schedule.plain).stop_lying_epoch(0);
    fit(&mut plain);
    plain.embedding()
}

/// What unwinds out of a fit that was told to stop.
struct Stopped;

/// Runs `work` on a pool of one thread while this one looks at the brake and tells `work` when it is over.
fn on_one_thread<T: Send>(
    brake: &mut Brake<'_>,
    work: impl FnOnce(&AtomicBool) -> T + Send,
) -> Result<T, EvalError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(STACK_BYTES).build();
    let pool = pool.map_err(|error| EvalError::NoThread(error.to_string()))?;
    let is_over = &AtomicBool::new(false);
    let (give, take) = mpsc::sync_channel(1);
    let end = pool.in_place_scope(|scope| {
        scope.spawn(move |_| {
            // Its reader waits until this is sent.
            let _ = give.send(panic::catch_unwind(AssertUnwindSafe(|| work(is_over))));
        });
        loop {
            match take.recv_timeout(GLANCE) {
                Ok(end) => return Some(end),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if brake.check().is_err() => {
                    is_over.store(true, Ordering::Relaxed)
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    });
    match end {
        Some(Ok(found)) => Ok(found),
        Some(Err(payload)) if payload.is::<Stopped>() => Err(EvalError::Stopped),
        Some(Err(payload)) => panic::resume_unwind(payload),
        None => Err(EvalError::NoThread("it ended without a result".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::descent::divergence;
    use super::super::forces::Coordinates;
    use super::super::initial::principal_positions;
    use super::super::{Cartographer, MapSettings, Schedule};
    use super::Graph;
    use crate::brake::Brake;
    use crate::chance::{Chance, Purpose};
    use crate::error::EvalError;
    use crate::neighbours::Neighbours;
    use crate::points::Points;
    use crate::simd::Isa;

    /// Few cells suffice: the approximations do not depend on how many there are.
    #[test]
    fn approximate_maps_repeat_and_fit_like_exact_ones() {
        let mut chance = Chance::new(Purpose::LatentKmeans);
        let values: Vec<f32> =
            (0..400 * 4).map(|at| (chance.normal() + 6.0 * f64::from(at / 4 % 3)) as f32).collect();
        let points = Points::new(&values, 400, 4).unwrap();
        let schedule = Schedule::new(500);
        let neighbours = Neighbours::exact(&points, 60, &mut Brake::none()).unwrap();
        let graph = Graph::new(&neighbours, 20.0, &mut Brake::none()).unwrap();
        let affinities = graph.affinities();
        let settings = MapSettings { perplexity: 20.0, iterations: 500 };
        let exact = Cartographer::new(&points, settings, &mut Brake::none()).unwrap().unwrap();

        let flat = || graph.descend_2d(&principal_positions(&points), &schedule, &mut Brake::none()).unwrap();
        let deep = || graph.descend_3d(&principal_positions(&points), &schedule, &mut Brake::none()).unwrap();
        let (first_flat, first_deep): (Coordinates<2>, Coordinates<3>) = (flat(), deep());
        assert_eq!(first_flat, flat());
        assert_eq!(first_deep, deep());
        let isa = Isa::best();
        let flat_kl = divergence(isa, &affinities, &first_flat);
        let deep_kl = divergence(isa, &affinities, &first_deep);
        let (exact_flat, exact_deep) = [exact.map_2d(&mut Brake::none()), exact.map_3d(&mut Brake::none())]
            .map(|map| map.unwrap().kl_divergence)
            .into();
        assert!((flat_kl / exact_flat - 1.0).abs() < 0.25, "{flat_kl} and exactly {exact_flat}");
        assert!((deep_kl / exact_deep - 1.0).abs() < 0.25, "{deep_kl} and exactly {exact_deep}");
    }

    /// Cells in one place make the tree as deep as it gets; a pulled brake ends a fit that would take minutes.
    #[test]
    fn an_approximate_map_of_one_place_stops_when_told() {
        let values = vec![0.5; 3000];
        let points = Points::new(&values, 1500, 2).unwrap();
        let neighbours = Neighbours::exact(&points, 30, &mut Brake::none()).unwrap();
        let graph = Graph::new(&neighbours, 10.0, &mut Brake::none()).unwrap();
        let short = Schedule::new(6);
        let (flat_start, deep_start) = (principal_positions(&points), principal_positions(&points));
        let flat = graph.descend_2d(&flat_start, &short, &mut Brake::none()).unwrap();
        assert!(flat.to_rows().iter().all(|value| value.is_finite()));
        let deep = graph.descend_3d(&deep_start, &short, &mut Brake::none()).unwrap();
        assert!(deep.to_rows().iter().all(|value| value.is_finite()));

        let endless = Schedule::new(1 << 40);
        let mut looks = 0;
        let mut pulled = || {
            looks += 1;
            looks > 2
        };
        let stopped = graph.descend_3d(&deep_start, &endless, &mut Brake::new(&mut pulled));
        assert_eq!(stopped.unwrap_err(), EvalError::Stopped);
    }
}
