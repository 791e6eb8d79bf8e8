//! t-SNE maps of codes (van der Maaten and Hinton 2008): deterministic, on one thread. Exact gradients up to
//! [`LARGEST_EXACT`] cells, an interpolated or tree-based approximation beyond. Scores of a map live elsewhere.

mod affinities;
mod descent;
mod forces;
mod initial;
mod large;

use affinities::Affinities;
use forces::Coordinates;

use crate::brake::Brake;
use crate::error::EvalError;
use crate::neighbours::Neighbours;
use crate::points::Points;
use crate::simd::Isa;

/// Cells up to which every pair is looked at in every step; beyond, an approximation is faster.
pub const LARGEST_EXACT: usize = 10_000;

/// Fewest cells that have a map.
pub const FEWEST_CELLS: usize = 4;

/// Factor on the affinities in the first part of the descent.
const EXAGGERATION: f32 = 12.0;

/// Steps with exaggeration, unless they would be more than half.
const EXAGGERATED_STEPS: usize = 250;

/// What a map needs to know besides the codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapSettings {
    /// Effective number of neighbours, finite and at least 1; lowered to (cells − 1) / 3 where there are fewer cells.
    pub perplexity: f64,
    /// Steps of the descent in all, at least 1.
    pub iterations: usize,
}

impl MapSettings {
    /// The perplexity for so many cells.
    fn perplexity_of(&self, count: usize) -> f64 {
        self.perplexity.min(count.saturating_sub(1) as f64 / 3.0)
    }

    /// Neighbours that a map of so many cells looks at: as scikit-learn, three times the perplexity and one more.
    #[must_use]
    pub fn reach(&self, count: usize) -> usize {
        ((3.0 * self.perplexity_of(count) + 1.0) as usize).min(count.saturating_sub(1))
    }

    fn check(&self) -> Result<(), EvalError> {
        let setting = |name, found: String, range| Err(EvalError::Setting { name, found, range });
        if !(self.perplexity >= 1.0 && self.perplexity.is_finite()) {
            return setting("perplexity", self.perplexity.to_string(), "a finite number of at least 1");
        }
        if self.iterations == 0 {
            return setting("iterations", "0".into(), "at least 1");
        }
        Ok(())
    }
}

/// A map and how well it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Positions, one row a cell, mean 0.
    pub positions: Vec<f32>,
    /// Kullback-Leibler divergence that it reached, in nats.
    pub kl_divergence: f64,
}

/// Steps of the two parts of a descent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Schedule {
    exaggerated: usize,
    plain: usize,
}

impl Schedule {
    fn new(iterations: usize) -> Self {
        let exaggerated = EXAGGERATED_STEPS.min(iterations / 2);
        Self { exaggerated, plain: iterations - exaggerated }
    }
}

/// The maps of one set of codes: neighbours and affinities are found once and serve every dimension.
pub struct Cartographer {
    points: Vec<f32>,
    count: usize,
    dim: usize,
    affinities: Affinities,
    /// Only where there are more cells than [`LARGEST_EXACT`].
    graph: Option<large::Graph>,
    schedule: Schedule,
    isa: Isa,
}

impl Cartographer {
    /// Prepares maps of `points`; `None` where there are fewer than [`FEWEST_CELLS`].
    ///
    /// # Errors
    /// When the settings are out of range, many cells get no thread, or `brake` is pulled.
    pub fn new(
        points: &Points<'_>,
        settings: MapSettings,
        brake: &mut Brake<'_>,
    ) -> Result<Option<Self>, EvalError> {
        settings.check()?;
        let scaled = points.to_unit_scale();
        let scaled = Points::new(&scaled, points.count(), points.dim())?;
        let neighbours = Neighbours::exact(&scaled, settings.reach(points.count()), brake)?;
        Self::of_neighbours(&scaled, &neighbours, settings, brake)
    }

    /// As [`new`](Self::new), of points [at unit scale](Points::to_unit_scale) whose neighbours are known: at least
    /// [`MapSettings::reach`] of each.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_neighbours(
        points: &Points<'_>,
        neighbours: &Neighbours,
        settings: MapSettings,
        brake: &mut Brake<'_>,
    ) -> Result<Option<Self>, EvalError> {
        settings.check()?;
        let count = points.count();
        if count < FEWEST_CELLS {
            return Ok(None);
        }
        let perplexity = settings.perplexity_of(count);
        let (affinities, graph) = if count <= LARGEST_EXACT {
            (Affinities::new(neighbours, settings.reach(count), perplexity, brake)?, None)
        } else {
            let graph = large::Graph::new(neighbours, perplexity, brake)?;
            (graph.affinities(), Some(graph))
        };
        Ok(Some(Self {
            points: points.rows().flatten().copied().collect(),
            count,
            dim: points.dim(),
            affinities,
            graph,
            schedule: Schedule::new(settings.iterations),
            isa: Isa::best(),
        }))
    }

    /// The 2-D map.
    ///
    /// # Errors
    /// When it runs away to infinity, a large one gets no thread, or `brake` is pulled.
    pub fn map_2d(&self, brake: &mut Brake<'_>) -> Result<Map, EvalError> {
        let initial = self.initial::<2>()?;
        self.finish(match &self.graph {
            None => descent::descend(self.isa, &self.affinities, initial, &self.schedule, brake)?,
            Some(graph) => graph.descend_2d(&initial, &self.schedule, brake)?,
        })
    }

    /// The 3-D map.
    ///
    /// # Errors
    /// As [`map_2d`](Self::map_2d).
    pub fn map_3d(&self, brake: &mut Brake<'_>) -> Result<Map, EvalError> {
        let initial = self.initial::<3>()?;
        self.finish(match &self.graph {
            None => descent::descend(self.isa, &self.affinities, initial, &self.schedule, brake)?,
            Some(graph) => graph.descend_3d(&initial, &self.schedule, brake)?,
        })
    }

    fn initial<const D: usize>(&self) -> Result<Coordinates<D>, EvalError> {
        Ok(initial::principal_positions(&Points::new(&self.points, self.count, self.dim)?))
    }

    fn finish<const D: usize>(&self, mut positions: Coordinates<D>) -> Result<Map, EvalError> {
        for dimension in 0..D {
            let axis = positions.axis_mut(dimension);
            let mean = axis.iter().map(|&value| f64::from(value)).sum::<f64>() / self.count as f64;
            axis.iter_mut().for_each(|value| *value = (f64::from(*value) - mean) as f32);
        }
        let kl_divergence = descent::divergence(self.isa, &self.affinities, &positions);
        let map = Map { positions: positions.to_rows(), kl_divergence };
        let finite = map.kl_divergence.is_finite() && map.positions.iter().all(|value| value.is_finite());
        if finite { Ok(map) } else { Err(EvalError::MapDiverged { dimensions: D }) }
    }
}
