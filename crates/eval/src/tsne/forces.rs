//! The two forces of t-SNE on a map of `D` dimensions: every pair repels, neighbours attract. Written once over
//! [`Lanes`]; how the map moves under them lives in `descent`.

use super::affinities::Affinities;
use crate::simd::{Chunk, Kernel, LANES, Lanes, horizontal_sum};

/// Rows of pairs worked on together: their forces stay in registers while one chunk of columns is loaded and stored.
const ROWS: usize = 4;

/// One number for each dimension and point, a dimension after the other, padded with zeros to whole chunks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Coordinates<const D: usize> {
    axes: [Vec<Chunk>; D],
    count: usize,
}

impl<const D: usize> Coordinates<D> {
    /// `count` points at the origin.
    pub(super) fn zeros(count: usize) -> Self {
        Self { axes: std::array::from_fn(|_| vec![[0.0; LANES]; count.div_ceil(LANES)]), count }
    }

    /// Number of points.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// One dimension of every point.
    pub(super) fn axis(&self, dimension: usize) -> &[f32] {
        &self.axes[dimension].as_flattened()[..self.count]
    }

    /// One dimension of every point, to be changed.
    pub(super) fn axis_mut(&mut self, dimension: usize) -> &mut [f32] {
        &mut self.axes[dimension].as_flattened_mut()[..self.count]
    }

    /// The points in row-major order.
    pub(super) fn to_rows(&self) -> Vec<f32> {
        let point = |index: usize| (0..D).map(move |dimension| self.axis(dimension)[index]);
        (0..self.count).flat_map(point).collect()
    }

    /// Points from row-major order.
    pub(super) fn from_rows(rows: &[f32]) -> Self {
        let points = rows.as_chunks::<D>().0;
        let mut coordinates = Self::zeros(points.len());
        for dimension in 0..D {
            coordinates
                .axis_mut(dimension)
                .iter_mut()
                .zip(points)
                .for_each(|(own, point)| *own = point[dimension]);
        }
        coordinates
    }
}

/// Repulsion between all pairs, each pair looked at once.
///
/// With q = 1 / (1 + |yᵢ − yⱼ|²), `forces` becomes Σⱼ q² (yᵢ − yⱼ); the result is Z = Σ q over ordered pairs.
pub(super) struct Repulsion<'a, const D: usize> {
    pub(super) positions: &'a Coordinates<D>,
    pub(super) forces: &'a mut Coordinates<D>,
}

impl<const D: usize> Kernel for Repulsion<'_, D> {
    type Output = f64;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> f64 {
        let Self { positions, forces } = self;
        let chunks = positions.count.div_ceil(LANES);
        for axis in &mut forces.axes {
            axis.clear();
            axis.resize(chunks, [0.0; LANES]);
        }
        let mut total = 0.0;
        for first in (0..positions.count).step_by(ROWS) {
            let mut rows = Rows::<L, D>::new(lanes, positions, first);
            let diagonal = first / LANES;
            rows.meet::<true>(lanes, positions, forces, diagonal);
            for chunk in diagonal + 1..chunks.saturating_sub(1).max(diagonal + 1) {
                rows.meet::<false>(lanes, positions, forces, chunk);
            }
            if diagonal + 1 < chunks {
                rows.meet::<true>(lanes, positions, forces, chunks - 1);
            }
            total += rows.finish(lanes, forces);
        }
        2.0 * total
    }
}

/// `ROWS` neighbouring points on their way through the columns.
struct Rows<L: Lanes, const D: usize> {
    first: usize,
    at: [[L::Floats; D]; ROWS],
    forces: [[L::Floats; D]; ROWS],
    closeness: L::Floats,
}

impl<L: Lanes, const D: usize> Rows<L, D> {
    #[inline(always)]
    fn new(lanes: L, positions: &Coordinates<D>, first: usize) -> Self {
        let zero = lanes.splat(0.0);
        let mut at = [[zero; D]; ROWS];
        for (row, at) in at.iter_mut().enumerate() {
            for (axis, at) in positions.axes.iter().zip(at) {
                *at = lanes.splat(axis[first / LANES][first % LANES + row]);
            }
        }
        Self { first, at, forces: [[zero; D]; ROWS], closeness: zero }
    }

    /// Lets the rows and the points of one chunk repel each other. `MASKED` looks only at pairs of two real points
    /// whose second comes after the first; without it the caller knows that all are.
    #[inline(always)]
    fn meet<const MASKED: bool>(
        &mut self,
        lanes: L,
        positions: &Coordinates<D>,
        forces: &mut Coordinates<D>,
        chunk: usize,
    ) {
        let one = lanes.splat(1.0);
        let mut others = [one; D];
        let mut their_forces = [one; D];
        for dimension in 0..D {
            others[dimension] = lanes.load(&positions.axes[dimension][chunk]);
            their_forces[dimension] = lanes.load(&forces.axes[dimension][chunk]);
        }
        for row in (0..ROWS).step_by(2) {
            let mut apart = [[one; D]; 2];
            let mut stretch = [one; 2];
            for side in 0..2 {
                for dimension in 0..D {
                    apart[side][dimension] = lanes.sub(self.at[row + side][dimension], others[dimension]);
                    let apart = apart[side][dimension];
                    stretch[side] = lanes.mul_add(apart, apart, stretch[side]);
                }
            }
            // One division gives two reciprocals: 1/a = b · 1/(ab). Division is what this loop would wait for.
            let both = lanes.div(one, lanes.mul(stretch[0], stretch[1]));
            for side in 0..2 {
                let mut closeness = lanes.mul(both, stretch[1 - side]);
                if MASKED {
                    let mask = lanes.load(&later_than(self.first + row + side, chunk, positions.count));
                    closeness = lanes.mul(closeness, mask);
                }
                self.closeness = lanes.add(self.closeness, closeness);
                let strength = lanes.mul(closeness, closeness);
                for dimension in 0..D {
                    let apart = apart[side][dimension];
                    let force = self.forces[row + side][dimension];
                    self.forces[row + side][dimension] = lanes.mul_add(strength, apart, force);
                    their_forces[dimension] = lanes.sub_product(their_forces[dimension], strength, apart);
                }
            }
        }
        for (axis, force) in forces.axes.iter_mut().zip(their_forces) {
            lanes.store(force, &mut axis[chunk]);
        }
    }

    /// Adds the rows' own forces; returns the closeness of all pairs they met, summed.
    #[inline(always)]
    fn finish(self, lanes: L, forces: &mut Coordinates<D>) -> f64 {
        for (row, own) in self.forces.into_iter().enumerate() {
            for (axis, force) in forces.axes.iter_mut().zip(own) {
                axis[self.first / LANES][self.first % LANES + row] += horizontal_sum(lanes, force);
            }
        }
        f64::from(horizontal_sum(lanes, self.closeness))
    }
}

/// 1 for each lane of `chunk` that is a point after `row`, else 0.
#[inline(always)]
fn later_than(row: usize, chunk: usize, count: usize) -> Chunk {
    let first = chunk * LANES;
    std::array::from_fn(|lane| if first + lane > row && first + lane < count { 1.0 } else { 0.0 })
}

/// Attraction along the affinities: `forces` becomes Σⱼ pᵢⱼ q (yᵢ − yⱼ).
pub(super) struct Attraction<'a, const D: usize> {
    pub(super) positions: &'a Coordinates<D>,
    pub(super) affinities: &'a Affinities,
    pub(super) forces: &'a mut Coordinates<D>,
}

impl<const D: usize> Kernel for Attraction<'_, D> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { positions, affinities, forces } = self;
        let one = lanes.splat(1.0);
        for point in 0..positions.count {
            let mut own = [one; D];
            let mut force = [lanes.splat(0.0); D];
            for (own, axis) in own.iter_mut().zip(&positions.axes) {
                *own = lanes.splat(axis[point / LANES][point % LANES]);
            }
            for (others, values) in affinities.chunks(point) {
                let mut apart = [one; D];
                let mut stretch = one;
                for dimension in 0..D {
                    let theirs = lanes.gather(positions.axes[dimension].as_flattened(), others);
                    apart[dimension] = lanes.sub(own[dimension], theirs);
                    stretch = lanes.mul_add(apart[dimension], apart[dimension], stretch);
                }
                let strength = lanes.div(lanes.load(values), stretch);
                for (force, apart) in force.iter_mut().zip(apart) {
                    *force = lanes.mul_add(strength, apart, *force);
                }
            }
            for (axis, force) in forces.axes.iter_mut().zip(force) {
                axis[point / LANES][point % LANES] = horizontal_sum(lanes, force);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::affinities::Affinities;
    use super::{Attraction, Coordinates, Repulsion};
    use crate::brake::Brake;
    use crate::neighbours::Neighbours;
    use crate::points::Points;
    use crate::simd::Isa;
    use proptest::prelude::*;

    /// Largest difference between an instruction set and plain f64, relative to the largest force: f32 sums of a few
    /// hundred terms.
    const TO_F64: f64 = 2e-5;

    /// Portable code may round a fused product twice (see `simd::portable`): a few units in the last place.
    const TO_PORTABLE: f32 = 2e-6;

    struct Forces<const D: usize> {
        closeness: f64,
        repulsion: Coordinates<D>,
        attraction: Coordinates<D>,
    }

    fn forces<const D: usize>(isa: Isa, positions: &Coordinates<D>, affinities: &Affinities) -> Forces<D> {
        let (mut repulsion, mut attraction) = (positions.clone(), positions.clone());
        let closeness = isa.run(Repulsion { positions, forces: &mut repulsion });
        isa.run(Attraction { positions, affinities, forces: &mut attraction });
        Forces { closeness, repulsion, attraction }
    }

    fn plain<const D: usize>(
        positions: &Coordinates<D>,
        affinities: &Affinities,
    ) -> (f64, [Vec<Vec<f64>>; 2]) {
        let count = positions.count();
        let at = |point: usize, dimension: usize| f64::from(positions.axis(dimension)[point]);
        let apart = |a: usize, b: usize| (0..D).map(|d| at(a, d) - at(b, d)).collect::<Vec<f64>>();
        let q = |a: usize, b: usize| 1.0 / (1.0 + apart(a, b).iter().map(|apart| apart * apart).sum::<f64>());
        let mut closeness = 0.0;
        let (mut repulsion, mut attraction) = (vec![vec![0.0; count]; D], vec![vec![0.0; count]; D]);
        for a in 0..count {
            for b in (0..count).filter(|&b| b != a) {
                closeness += q(a, b);
                for (d, apart) in apart(a, b).iter().enumerate() {
                    repulsion[d][a] += q(a, b).powi(2) * apart;
                }
            }
            for (b, p) in affinities.row(a) {
                for (d, apart) in apart(a, b).iter().enumerate() {
                    attraction[d][a] += f64::from(p) * q(a, b) * apart;
                }
            }
        }
        (closeness, [repulsion, attraction])
    }

    fn check<const D: usize>(values: &[f32]) -> Result<(), TestCaseError> {
        let count = values.len() / D;
        let rows = &values[..count * D];
        let positions = Coordinates::<D>::from_rows(rows);
        let points = Points::new(rows, count, D).unwrap();
        let neighbours = Neighbours::exact(&points, 9, &mut Brake::none()).unwrap();
        let affinities = Affinities::new(&neighbours, 9, 3.0, &mut Brake::none()).unwrap();
        let (closeness, plain) = plain(&positions, &affinities);
        let portable = forces(*Isa::available().last().unwrap(), &positions, &affinities);
        for isa in Isa::available() {
            let found = forces(isa, &positions, &affinities);
            prop_assert!((found.closeness - closeness).abs() <= TO_F64 * closeness, "{} Z", isa.name());
            let kinds = [(&found.repulsion, &portable.repulsion), (&found.attraction, &portable.attraction)];
            for ((found, portable), plain) in kinds.into_iter().zip(&plain) {
                let largest = plain.iter().flatten().fold(0.0f64, |most, force| most.max(force.abs()));
                for (dimension, plain) in plain.iter().enumerate() {
                    for (point, (&force, exact)) in found.axis(dimension).iter().zip(plain).enumerate() {
                        prop_assert!(
                            (f64::from(force) - exact).abs() <= TO_F64 * largest.max(1e-30),
                            "{}",
                            isa.name()
                        );
                        let other = portable.axis(dimension)[point];
                        prop_assert!(
                            (force - other).abs() <= TO_PORTABLE * largest.max(1e-30) as f32,
                            "{}",
                            isa.name()
                        );
                    }
                }
            }
        }
        let fused: Vec<Forces<D>> = Isa::available()
            .into_iter()
            .filter(|isa| isa.name() != "portable")
            .map(|isa| forces(isa, &positions, &affinities))
            .collect();
        for pair in fused.windows(2) {
            prop_assert_eq!(pair[0].closeness.to_bits(), pair[1].closeness.to_bits());
            prop_assert_eq!(&pair[0].repulsion, &pair[1].repulsion);
            prop_assert_eq!(&pair[0].attraction, &pair[1].attraction);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_instruction_set_finds_the_same_forces_in_two_dimensions(
            values in proptest::collection::vec(-30.0f32..30.0, 8..300),
        ) {
            check::<2>(&values)?;
        }

        #[test]
        fn every_instruction_set_finds_the_same_forces_in_three_dimensions(
            values in proptest::collection::vec(-3.0f32..3.0, 12..400),
        ) {
            check::<3>(&values)?;
        }
    }

    #[test]
    fn no_point_and_one_point_feel_nothing() {
        for count in [0, 1] {
            let positions = Coordinates::<2>::from_rows(&vec![1.0; 2 * count]);
            let mut felt = positions.clone();
            for isa in Isa::available() {
                assert_eq!(isa.run(Repulsion { positions: &positions, forces: &mut felt }), 0.0);
                assert_eq!(felt.to_rows(), vec![0.0; 2 * count]);
            }
        }
    }
}
