//! Sixteen floats at a time, on whichever instructions the processor has. The arithmetic of a kernel is written once,
//! over [`Lanes`]; every instruction set computes the same sixteen sums in the same order with correctly rounded
//! operations, so AVX2 and AVX-512 give equal bits. Kernels themselves live in `forces`.

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "AVX2 instructions")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "AVX-512 instructions")]
mod avx512;
mod portable;

/// Floats worked on together, on every instruction set.
pub(crate) const LANES: usize = 16;

/// Sixteen floats in memory.
pub(crate) type Chunk = [f32; LANES];

/// Arithmetic on sixteen floats at once. A value of an implementing type proves that the processor can do it.
pub(crate) trait Lanes: Copy {
    /// Sixteen floats in registers.
    type Floats: Copy;
    /// The same float sixteen times.
    fn splat(self, value: f32) -> Self::Floats;
    /// Sixteen floats from memory.
    fn load(self, from: &Chunk) -> Self::Floats;
    /// Sixteen floats into memory.
    fn store(self, floats: Self::Floats, into: &mut Chunk);
    /// a + b.
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// a − b.
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// a · b.
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// a / b.
    fn div(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// a · b + c, rounded once.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// c − a · b, rounded once.
    fn sub_product(self, c: Self::Floats, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `table[index]` for sixteen indices; one past the end reads the last element.
    ///
    /// # Panics
    /// When the table is empty or longer than `i32::MAX`.
    fn gather(self, table: &[f32], indices: &[u32; LANES]) -> Self::Floats;
}

/// A computation over any [`Lanes`]. Implementations mark `run` and all it calls `#[inline(always)]`: only then is it
/// compiled with the instructions it was given.
pub(crate) trait Kernel {
    /// Its result.
    type Output;
    /// Computes on `lanes`.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Isa {
    /// What every processor has.
    Portable(portable::Portable),
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    /// AVX-512 F.
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
}

impl Isa {
    /// All that this processor has, the best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut found = vec![];
        #[cfg(target_arch = "x86_64")]
        {
            found.extend(avx512::Avx512::detect().map(Self::Avx512));
            found.extend(avx2::Avx2::detect().map(Self::Avx2));
        }
        found.push(Self::Portable(portable::Portable));
        found
    }

    /// The best that this processor has.
    pub(crate) fn best() -> Self {
        Self::available()[0]
    }

    /// Its name.
    #[cfg(test)]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
        }
    }

    /// Runs `kernel` on these instructions.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable(lanes) => kernel.run(lanes),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(lanes) => lanes.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(lanes) => lanes.run(kernel),
        }
    }
}

/// Sum of sixteen floats, halves onto halves: one order everywhere.
#[inline(always)]
pub(crate) fn horizontal_sum<L: Lanes>(lanes: L, floats: L::Floats) -> f32 {
    let mut chunk = [0.0; LANES];
    lanes.store(floats, &mut chunk);
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            chunk[lane] += chunk[lane + width];
        }
        width /= 2;
    }
    chunk[0]
}

#[inline(always)]
fn assert_gatherable(table: &[f32]) -> i32 {
    assert!(!table.is_empty() && table.len() <= i32::MAX as usize, "a table of 1 to 2^31 − 1 floats");
    (table.len() - 1) as i32
}

#[cfg(test)]
mod tests {
    use super::{Chunk, Isa, Kernel, LANES, Lanes, horizontal_sum};
    use proptest::prelude::*;

    /// Every operation once, so that instruction sets can be held to each other.
    struct Everything<'a> {
        a: Chunk,
        b: Chunk,
        c: Chunk,
        table: &'a [f32],
        indices: [u32; LANES],
    }

    impl Kernel for Everything<'_> {
        type Output = (Vec<Chunk>, f32);

        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> Self::Output {
            let (a, b, c) = (lanes.load(&self.a), lanes.load(&self.b), lanes.load(&self.c));
            let results = [
                lanes.splat(self.a[3]),
                lanes.add(a, b),
                lanes.sub(a, b),
                lanes.mul(a, b),
                lanes.div(a, b),
                lanes.mul_add(a, b, c),
                lanes.sub_product(c, a, b),
                lanes.gather(self.table, &self.indices),
            ];
            let stored = results.iter().map(|floats| {
                let mut chunk = [0.0; LANES];
                lanes.store(*floats, &mut chunk);
                chunk
            });
            (stored.collect(), horizontal_sum(lanes, a))
        }
    }

    proptest! {
        /// AVX2 and AVX-512 round correctly, portable code may round a fused product twice where the build has no
        /// fused instruction: one unit in the last place of the largest term.
        #[test]
        fn every_instruction_set_computes_the_same(
            floats in proptest::collection::vec(-100.0f32..100.0, 3 * LANES + 37),
            indices in proptest::array::uniform16(0u32..60),
        ) {
            let (chunks, table) = (floats[..3 * LANES].as_chunks::<LANES>().0, &floats[3 * LANES..]);
            let run = |isa: Isa| {
                isa.run(Everything { a: chunks[0], b: chunks[1], c: chunks[2], table, indices })
            };
            let (expected, expected_sum) = run(*Isa::available().last().unwrap());
            for (lane, &index) in indices.iter().enumerate() {
                prop_assert_eq!(expected[7][lane], table[(index as usize).min(table.len() - 1)]);
            }
            for isa in Isa::available() {
                let (found, found_sum) = run(isa);
                prop_assert_eq!(found_sum.to_bits(), expected_sum.to_bits(), "{}", isa.name());
                for (operation, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    for (one, two) in found.iter().zip(expected) {
                        let fused = operation == 5 || operation == 6;
                        let tolerance = if fused { f32::EPSILON * one.abs().max(1e-6) } else { 0.0 };
                        prop_assert!((one - two).abs() <= tolerance, "{} {operation}: {one} {two}", isa.name());
                    }
                }
            }
        }
    }
}
