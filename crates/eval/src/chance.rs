//! The evaluation's own chance: one fixed key, one numbered ChaCha stream for each purpose. A trial's seed never
//! reaches it, so that equal codes get equal maps, clusters and scores.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Key of every stream. Changing it changes every map: it belongs to `domain::RNG_VERSION`.
const KEY: &[u8; 32] = b"latentsweep evaluation stream v1";

/// What a stream is for; its number is part of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Starts of k-means on the codes.
    LatentKmeans = 1,
    /// Starts of k-means on the 2-D map.
    MapKmeans = 2,
    /// First positions of a map where principal components leave an axis empty.
    MapPositions = 3,
    /// Order and choices of Leiden on the codes' neighbour graph.
    LatentLeiden = 4,
}

/// A stream of chance: equal purposes give equal numbers, on every machine.
#[derive(Debug, Clone)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream for `purpose`, from its first number.
    #[must_use]
    pub fn new(purpose: Purpose) -> Self {
        let mut stream = ChaCha8Rng::from_seed(*KEY);
        stream.set_stream(purpose as u64);
        Self(stream)
    }

    /// A number in [0, 1), 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        const UNIT: f64 = 1.0 / (1u64 << 53) as f64;
        (self.0.next_u64() >> 11) as f64 * UNIT
    }

    /// A whole number below `bound`; 0 when `bound` is 0. Its bias is below bound / 2^53.
    pub fn below(&mut self, bound: usize) -> usize {
        let drawn = (self.uniform() * bound as f64) as usize;
        drawn.min(bound.saturating_sub(1))
    }

    /// A seed for somebody else's generator.
    pub fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A standard normal number (Box and Muller 1958), two uniforms each.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::{Chance, Purpose};
    use rand_chacha::rand_core::RngCore;

    /// Changing a stream changes every map and partition: then `domain::RNG_VERSION` must change too.
    #[test]
    fn the_first_numbers_stay_what_they_are() {
        let first = |purpose| {
            let mut chance = Chance::new(purpose);
            [chance.0.next_u32(), chance.0.next_u32(), chance.0.next_u32()]
        };
        let found = [Purpose::LatentKmeans, Purpose::MapKmeans, Purpose::MapPositions, Purpose::LatentLeiden]
            .map(first);
        let pinned = [
            [840675187, 4188641334, 348896493],
            [348150775, 2128676908, 240947916],
            [1005596825, 1488800521, 4266844338],
            [3789285008, 2581906151, 110863822],
        ];
        assert_eq!(found, pinned);
    }

    #[test]
    fn draws_stay_in_range_and_look_normal() {
        let mut chance = Chance::new(Purpose::MapPositions);
        assert!((0..1000).all(|_| chance.below(7) < 7));
        assert_eq!(chance.below(0), 0);
        let draws: Vec<f64> = (0..20_000).map(|_| chance.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }
}
