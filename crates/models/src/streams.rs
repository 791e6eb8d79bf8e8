//! All the chance of a trial: named streams that follow from its seed and from nothing else.
//!
//! A stream is the ChaCha20 key stream (RFC 8439's cipher, 64-bit block counter, 64-bit stream number) under the key
//!
//! ```text
//! BLAKE3("latentsweep stream v<RNG_VERSION>\n<purpose>\n<seed>\n")
//! ```
//!
//! and a draw has a fixed place in it: the initial weights of a parameter, the shuffle of epoch `e`, the noise of step
//! `t` each start a stream number of their own. So a draw depends neither on how many draws came before it, nor on
//! threads, nor on the width of other layers, and a trial that goes on from a checkpoint needs only its counters.
//! Two configs with one seed see the same shuffles and the same noise (the seed is a block of the experiment).
//!
//! Must not live here: anything that knows what a draw is used for beyond its name.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The streams of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream for `purpose`, at the start of its part number `part`.
    #[must_use]
    pub fn open(&self, purpose: &str, part: u64) -> Stream {
        let identity = format!("latentsweep stream v{}\n{purpose}\n{}\n", domain::RNG_VERSION, self.seed);
        let mut generator = ChaCha20Rng::from_seed(*blake3::hash(identity.as_bytes()).as_bytes());
        generator.set_stream(part);
        Stream { generator }
    }
}

/// A stream of chance.
#[derive(Debug, Clone)]
pub struct Stream {
    generator: ChaCha20Rng,
}

impl Stream {
    /// 32 random bits: the next little-endian word of the key stream.
    pub fn bits(&mut self) -> u32 {
        self.generator.next_u32()
    }

    /// Uniform on the multiples of 2⁻²⁴ in [0, 1).
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * UNIT_STEP
    }

    /// `len` values, uniform in [−bound, bound).
    pub fn symmetric(&mut self, len: usize, bound: f64) -> Vec<f32> {
        (0..len).map(|_| ((2.0 * f64::from(self.unit()) - 1.0) * bound) as f32).collect()
    }

    /// `len` values, uniform in the open interval (0, 1): the midpoints of 2²⁴ equal parts, in f32 (the last one is
    /// rounded down, since it would be 1).
    pub fn uniforms(&mut self, len: usize) -> Vec<f32> {
        let below_one = 1.0 - f32::EPSILON / 2.0;
        (0..len).map(|_| (self.unit() + UNIT_STEP / 2.0).min(below_one)).collect()
    }

    /// `len` values from N(0, 1): the Box–Muller transform in f64, two words a value and two values a pair, rounded to
    /// f32. Its use of the stream is fixed, which rejection methods (ziggurat, polar) do not offer.
    pub fn normals(&mut self, len: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(len + 1);
        while values.len() < len {
            // (0, 1]: the logarithm stays finite.
            let radius_draw = (f64::from(self.bits()) + 1.0) / TWO_TO_32;
            let angle_draw = f64::from(self.bits()) / TWO_TO_32;
            let radius = (-2.0 * radius_draw.ln()).sqrt();
            let angle = std::f64::consts::TAU * angle_draw;
            values.push((radius * angle.cos()) as f32);
            values.push((radius * angle.sin()) as f32);
        }
        values.truncate(len);
        values
    }

    /// The numbers 0..len in random order (Fisher–Yates from the end; an index in 0..n is the high part of 64 random
    /// bits times n, whose bias is below n / 2⁶⁴).
    pub fn permutation(&mut self, len: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len).collect();
        for last in (1..order.len()).rev() {
            let bits = u128::from(self.bits()) | (u128::from(self.bits()) << 32);
            let other = (bits * (last as u128 + 1)) >> 64;
            order.swap(last, other as usize);
        }
        order
    }
}

const UNIT_STEP: f32 = 1.0 / 16_777_216.0;
const TWO_TO_32: f64 = 4_294_967_296.0;

#[cfg(test)]
mod tests {
    use super::Streams;

    #[test]
    fn other_seeds_purposes_and_parts_are_other_streams() {
        let first = |seed, purpose, part| Streams::new(seed).open(purpose, part).bits();
        let all =
            [first(0, "shuffle", 0), first(1, "shuffle", 0), first(0, "noise", 0), first(0, "shuffle", 1)];
        let distinct: std::collections::BTreeSet<u32> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn normals_have_mean_0_and_variance_1_and_a_prefix_is_a_prefix() {
        let streams = Streams::new(7);
        let values = streams.open("epsilon", 3).normals(100_001);
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        assert_eq!(streams.open("epsilon", 3).normals(5), values[..5]);
    }

    #[test]
    fn uniforms_are_inside_the_open_interval() {
        let values = Streams::new(7).open("eta", 0).uniforms(100_000);
        assert!(values.iter().all(|v| *v > 0.0 && *v < 1.0));
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        for len in [0_u32, 1, 2, 1000] {
            let mut order = Streams::new(3).open("shuffle", 9).permutation(len);
            order.sort_unstable();
            assert_eq!(order, (0..len).collect::<Vec<u32>>());
        }
    }
}
