//! t-SNE maps of codes (van der Maaten and Hinton 2008): deterministic, on one thread. Exact gradients up to
//! [`LARGEST_EXACT`] cells, an interpolated or tree-based approximation beyond. Scores of a map live elsewhere.

mod affinities;
mod descent;
mod forces;
mod initial;
mod large;
mod simd;

use affinities::Affinities;
use forces::Coordinates;
use simd::Isa;

use crate::error::EvalError;
use crate::neighbours::Neighbours;
use crate::points::Points;

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
    /// When the settings are out of range, or many cells get no thread.
    pub fn new(points: &Points<'_>, settings: MapSettings) -> Result<Option<Self>, EvalError> {
        settings.check()?;
        let count = points.count();
        if count < FEWEST_CELLS {
            return Ok(None);
        }
        let perplexity = settings.perplexity.min((count - 1) as f64 / 3.0);
        let scaled = to_unit_scale(points);
        let rescaled = Points::new(&scaled, count, points.dim())?;
        let (affinities, graph) = if count <= LARGEST_EXACT {
            // As scikit-learn: three times the perplexity and one more.
            let neighbours = ((3.0 * perplexity + 1.0) as usize).min(count - 1);
            (Affinities::new(&Neighbours::exact(&rescaled, neighbours), perplexity), None)
        } else {
            let graph = large::Graph::new(&rescaled, perplexity)?;
            (graph.affinities(), Some(graph))
        };
        let schedule = Schedule::new(settings.iterations);
        Ok(Some(Self {
            points: scaled,
            count,
            dim: points.dim(),
            affinities,
            graph,
            schedule,
            isa: Isa::best(),
        }))
    }

    /// The 2-D map.
    ///
    /// # Errors
    /// When it runs away to infinity, or a large one gets no thread.
    pub fn map_2d(&self) -> Result<Map, EvalError> {
        let initial = self.initial::<2>()?;
        self.finish(match &self.graph {
            None => descent::descend(self.isa, &self.affinities, initial, &self.schedule),
            Some(graph) => graph.descend_2d(&self.points, self.dim, &initial, &self.schedule)?,
        })
    }

    /// The 3-D map.
    ///
    /// # Errors
    /// As [`map_2d`](Self::map_2d).
    pub fn map_3d(&self) -> Result<Map, EvalError> {
        let initial = self.initial::<3>()?;
        self.finish(match &self.graph {
            None => descent::descend(self.isa, &self.affinities, initial, &self.schedule),
            Some(graph) => graph.descend_3d(&self.points, self.dim, &initial, &self.schedule)?,
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

/// The points with mean 0 and largest coordinate 1. Maps do not depend on scale, and squares of what remains neither
/// overflow nor vanish.
fn to_unit_scale(points: &Points<'_>) -> Vec<f32> {
    let count = points.count() as f64;
    let means: Vec<f64> = (0..points.dim())
        .map(|dimension| points.column(dimension).map(f64::from).sum::<f64>() / count)
        .collect();
    let centered: Vec<f64> = points
        .rows()
        .flat_map(|row| row.iter().zip(&means).map(|(&value, mean)| f64::from(value) - mean))
        .collect();
    let largest = centered.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    centered.into_iter().map(|value| (value * scale) as f32).collect()
}
