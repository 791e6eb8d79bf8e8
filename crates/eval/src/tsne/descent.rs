//! Gradient descent of a map under exact forces, and the divergence it reaches (van der Maaten and Hinton 2008, with
//! the step sizes of scikit-learn). Every sum has one order: equal input gives equal bits on one instruction set.

use super::affinities::Affinities;
use super::forces::{Attraction, Coordinates, Repulsion};
use super::{EXAGGERATION, Schedule};
use crate::brake::Brake;
use crate::error::EvalError;
use crate::simd::Isa;

const EARLY_MOMENTUM: f32 = 0.5;
const FINAL_MOMENTUM: f32 = 0.8;

/// Steps between two looks at the brake: some 10 ms for a few thousand cells, 100 ms for the most that come here.
const STEPS_A_LOOK: usize = 8;

/// A gain rises by this much where a coordinate keeps its direction, …
const GAIN_STEP: f32 = 0.2;
/// … falls by this factor where it turns, …
const GAIN_DAMPING: f32 = 0.8;
/// … and never below this.
const LEAST_GAIN: f32 = 0.01;

/// Moves `positions` down the gradient for a whole schedule, or until `brake` is pulled.
pub(super) fn descend<const D: usize>(
    isa: Isa,
    affinities: &Affinities,
    positions: Coordinates<D>,
    schedule: &Schedule,
    brake: &mut Brake<'_>,
) -> Result<Coordinates<D>, EvalError> {
    let count = positions.count() as f32;
    let learning_rate = (count / EXAGGERATION / 4.0).max(50.0);
    let mut map = Map { isa, affinities, positions };
    let early = Phase { exaggeration: EXAGGERATION, momentum: EARLY_MOMENTUM, learning_rate };
    map.run(&early, schedule.exaggerated, brake)?;
    let settling = Phase { exaggeration: 1.0, momentum: FINAL_MOMENTUM, learning_rate };
    map.run(&settling, schedule.plain, brake)?;
    Ok(map.positions)
}

struct Phase {
    exaggeration: f32,
    momentum: f32,
    learning_rate: f32,
}

struct Map<'a, const D: usize> {
    isa: Isa,
    affinities: &'a Affinities,
    positions: Coordinates<D>,
}

impl<const D: usize> Map<'_, D> {
    /// Steps of one phase, which starts at rest with all gains at 1.
    fn run(&mut self, phase: &Phase, steps: usize, brake: &mut Brake<'_>) -> Result<(), EvalError> {
        let count = self.positions.count();
        let (mut attraction, mut repulsion) =
            (Coordinates::<D>::zeros(count), Coordinates::<D>::zeros(count));
        let mut velocity = Coordinates::<D>::zeros(count);
        let mut gains = vec![[1.0f32; D]; count];
        for step in 0..steps {
            if step.is_multiple_of(STEPS_A_LOOK) {
                brake.check()?;
            }
            let positions = &self.positions;
            let closeness = self.isa.run(Repulsion { positions, forces: &mut repulsion });
            self.isa.run(Attraction { positions, affinities: self.affinities, forces: &mut attraction });
            let repelled = (1.0 / closeness) as f32;
            for dimension in 0..D {
                let forces = attraction.axis(dimension).iter().zip(repulsion.axis(dimension));
                let moving = self.positions.axis_mut(dimension).iter_mut().zip(velocity.axis_mut(dimension));
                for (((position, velocity), (attraction, repulsion)), gain) in
                    moving.zip(forces).zip(&mut gains)
                {
                    let gradient = 4.0 * (phase.exaggeration * attraction - repelled * repulsion);
                    let gain = &mut gain[dimension];
                    let keeps_direction = *velocity * gradient < 0.0;
                    *gain = if keeps_direction {
                        *gain + GAIN_STEP
                    } else {
                        (*gain * GAIN_DAMPING).max(LEAST_GAIN)
                    };
                    *velocity = phase.momentum * *velocity - phase.learning_rate * *gain * gradient;
                    *position += *velocity;
                }
            }
        }
        Ok(())
    }
}

/// Kullback-Leibler divergence Σ p ln(p / q) in nats of the affinities from the map, over all pairs, not sampled.
pub(super) fn divergence<const D: usize>(
    isa: Isa,
    affinities: &Affinities,
    positions: &Coordinates<D>,
) -> f64 {
    let mut forces = Coordinates::<D>::zeros(positions.count());
    let closeness = isa.run(Repulsion { positions, forces: &mut forces });
    let mut divergence = 0.0;
    for point in 0..affinities.count() {
        for (other, affinity) in affinities.row(point) {
            let stretch = (0..D).fold(1.0, |stretch, dimension| {
                let axis = positions.axis(dimension);
                stretch + (f64::from(axis[point]) - f64::from(axis[other])).powi(2)
            });
            let affinity = f64::from(affinity);
            divergence += affinity * (affinity * stretch * closeness).ln();
        }
    }
    divergence
}

#[cfg(test)]
mod tests {
    use super::super::affinities::Affinities;
    use super::super::forces::Coordinates;
    use super::divergence;
    use crate::brake::Brake;
    use crate::neighbours::Neighbours;
    use crate::points::Points;
    use crate::simd::Isa;
    use serde_json::Value;

    fn floats(values: &Value) -> Vec<f32> {
        values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
    }

    /// On scikit-learn's maps: the same affinities and the same definition (`tests/golden/clusters_and_maps.py`).
    /// scikit-learn's own search for bandwidths ends at an entropy within 1e-5.
    #[test]
    fn the_divergence_of_a_given_map_equals_scikit_learns() {
        let golden = include_str!("../../tests/golden/clusters_and_maps.json");
        let golden: Value = serde_json::from_str(golden).unwrap();
        for case in golden["maps"].as_array().unwrap() {
            let (values, dim) = (floats(&case["points"]), case["dim"].as_u64().unwrap() as usize);
            let points = Points::new(&values, values.len() / dim, dim).unwrap();
            let perplexity = case["perplexity"].as_f64().unwrap();
            let reach = (3.0 * perplexity + 1.0) as usize;
            let neighbours = Neighbours::exact(&points, reach, &mut Brake::none()).unwrap();
            let affinities = Affinities::new(&neighbours, reach, perplexity, &mut Brake::none()).unwrap();
            for isa in Isa::available() {
                let flat = Coordinates::<2>::from_rows(&floats(&case["map_2d"]));
                let deep = Coordinates::<3>::from_rows(&floats(&case["map_3d"]));
                let found = [divergence(isa, &affinities, &flat), divergence(isa, &affinities, &deep)];
                for (found, name) in found.iter().zip(["divergence_2d", "divergence_3d"]) {
                    let expected = case[name].as_f64().unwrap();
                    assert!((found - expected).abs() < 1e-4 * expected, "{name}: {found} {expected}");
                }
            }
        }
    }
}
