//! The crate's only source of chance: SplitMix64 (Steele, Lea & Flood 2014), seeded by the caller and pinned by a test.
//! Resampling needs speed and independence of order, no more; a trial's own streams are not made here.

/// Numbers that follow from a seed.
#[derive(Debug, Clone)]
pub struct Stream(u64);

impl Stream {
    /// The stream of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A position below `n`: the upper half of a 128-bit product, uneven by less than n / 2⁶⁴.
    pub fn below(&mut self, n: usize) -> usize {
        let product = u128::from(self.next_u64()) * n as u128;
        usize::try_from(product >> 64).expect("it is below n, a usize")
    }
}

#[cfg(test)]
mod tests {
    use super::Stream;

    #[test]
    fn the_first_values_are_the_published_ones() {
        // SplitMix64 with seed 1234567, as in the reference implementation's test (prng.di.unimi.it/splitmix64.c)
        let mut stream = Stream::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| stream.next_u64()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn positions_stay_below_and_reach_all() {
        let mut stream = Stream::new(7);
        let mut seen = [0; 5];
        (0..5000).for_each(|_| seen[stream.below(5)] += 1);
        assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
    }
}
