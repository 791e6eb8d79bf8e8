//! Times training epochs of the gene layers on synthetic cells shaped like PBMC3k (2,638 × 13,714, 6.2 % non-zeros,
//! log-normal densities): seconds per epoch and where they go. The inner layers are left out; a random hidden layer
//! and a random gradient stand in for them.
//!
//! `epoch [report|code] [epochs] [trials at once]`; `LATENTSWEEP_ISA` chooses the instructions.

use std::time::{Duration, Instant};

use kernels::{Adam, CsrView, GeneLayers, GeneLayersInit, Isa, PreparedMatrix};

const CELLS: usize = 2638;
const GENES: usize = 13_714;
const BATCH: usize = 256;
/// Share of non-zeros that the densities are scaled to.
const DENSITY: f64 = 0.0619;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Layer widths of a preset.
#[derive(Clone, Copy)]
struct Widths {
    first: usize,
    last: usize,
}

/// Time by phase.
#[derive(Default, Clone, Copy)]
struct Phases {
    load: Duration,
    encode: Duration,
    decode: Duration,
    step: Duration,
}

impl Phases {
    fn total(&self) -> Duration {
        self.load + self.encode + self.decode + self.step
    }
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize, default: &str| words.get(at).cloned().unwrap_or_else(|| default.to_owned());
    let widths = match word(0, "report").as_str() {
        "report" => Widths { first: 128, last: 128 },
        "code" => Widths { first: 800, last: 800 },
        other => return Err(format!("no preset `{other}`: report or code").into()),
    };
    let (epochs, trials): (u32, usize) = (word(1, "10").parse()?, word(2, "1").parse()?);
    let isa = Isa::best()?;
    let (indptr, indices, values) = draw_cells();
    let view = CsrView::new(CELLS, GENES, &indptr, &indices, &values)?;
    let matrix = PreparedMatrix::new(view);
    report(&format!("{} non-zeros, {}, {trials} at once", view.nnz(), isa.name()));
    std::thread::scope(|scope| -> Result<(), Failure> {
        let runs: Vec<_> = (0..trials)
            .map(|seed| {
                scope.spawn({
                    let matrix = &matrix;
                    move || train(matrix, widths, isa, epochs, seed as u64)
                })
            })
            .collect();
        for run in runs {
            run.join().map_err(|_| "a trial panicked")??;
        }
        Ok(())
    })
}

/// Runs the epochs of one trial and prints the mean and the fastest with its phases.
fn train(
    matrix: &PreparedMatrix<'_>,
    widths: Widths,
    isa: Isa,
    epochs: u32,
    seed: u64,
) -> Result<(), Failure> {
    let mut chance = Chance(seed);
    let Widths { first, last } = widths;
    let init = GeneLayersInit {
        genes: GENES,
        first,
        last,
        encoder_weight: &chance.signed(GENES * first, (GENES as f64).sqrt().recip()),
        decoder_weight: &chance.signed(GENES * last, (last as f64).sqrt().recip()),
        decoder_bias: &chance.signed(GENES, (last as f64).sqrt().recip()),
    };
    let mut layers = GeneLayers::new(&init, matrix, BATCH, isa)?;
    let hidden: Vec<f32> = chance.signed(BATCH * last, 1.0).into_iter().map(|h| h.max(0.0)).collect();
    let grad_first = chance.signed(BATCH * first, 0.1);
    let (mut out, mut grad_hidden) = (vec![0.0; BATCH * first], vec![0.0; BATCH * last]);
    let adam = Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let mut rows: Vec<u32> = (0..CELLS as u32).collect();
    let (mut fastest, mut sum, mut t, mut loss) = (None::<Phases>, 0.0, 0, 0.0);
    for _ in 0..epochs {
        chance.shuffle(&mut rows);
        let mut phases = Phases::default();
        for batch in rows.chunks(BATCH) {
            let (cells, hidden) = (batch.len(), &hidden[..batch.len() * last]);
            t += 1;
            timed(&mut phases.load, || layers.load_batch(batch));
            timed(&mut phases.encode, || layers.encode(&mut out[..cells * first]));
            timed(&mut phases.decode, || loss = layers.decode(hidden, &mut grad_hidden[..cells * last]));
            timed(&mut phases.step, || layers.step(hidden, &grad_first[..cells * first], &adam, t));
        }
        sum += phases.total().as_secs_f64();
        if fastest.is_none_or(|fastest| phases.total() < fastest.total()) {
            fastest = Some(phases);
        }
    }
    let fastest = fastest.unwrap_or_default();
    report(&format!(
        "mean {:.4} s, fastest {:.4} s / epoch: load {:.4}, encode {:.4}, decode {:.4}, step {:.4} (last loss {loss:.6e})",
        sum / f64::from(epochs.max(1)),
        fastest.total().as_secs_f64(),
        fastest.load.as_secs_f64(),
        fastest.encode.as_secs_f64(),
        fastest.decode.as_secs_f64(),
        fastest.step.as_secs_f64(),
    ));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch is what this program is")]
fn timed(total: &mut Duration, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    *total += start.elapsed();
}

#[expect(clippy::print_stdout, reason = "its figures are this program's output")]
fn report(line: &str) {
    println!("{line}");
}

/// CSR arrays of the synthetic cells: gene g is expressed with probability min(0.999, c·e^{1.9·n_g}), n_g normal, and c
/// such that the mean is [`DENSITY`].
fn draw_cells() -> (Vec<u64>, Vec<u32>, Vec<f32>) {
    let mut chance = Chance(20_260_101);
    let weights: Vec<f64> = (0..GENES).map(|_| (1.9 * chance.normal()).exp()).collect();
    let density = |scale: f64, weight: f64| (scale * weight).min(0.999);
    let mean = |scale: f64| weights.iter().map(|&w| density(scale, w)).sum::<f64>() / GENES as f64;
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if mean(middle) < DENSITY { low = middle } else { high = middle }
    }
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for _ in 0..CELLS {
        for (gene, &weight) in weights.iter().enumerate() {
            if chance.unit() < density(low, weight) {
                indices.push(gene as u32);
                values.push((0.5 + 2.5 * chance.unit()) as f32);
            }
        }
        indptr.push(indices.len() as u64);
    }
    (indptr, indices, values)
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Uniform in −scale..scale.
    fn signed(&mut self, len: usize, scale: f64) -> Vec<f32> {
        (0..len).map(|_| ((2.0 * self.unit() - 1.0) * scale) as f32).collect()
    }

    fn shuffle(&mut self, rows: &mut [u32]) {
        for last in (1..rows.len()).rev() {
            rows.swap(last, (self.bits() % (last as u64 + 1)) as usize);
        }
    }
}
