//! Where the time of a training step goes, and how far each part is from what this machine can do: one thread, batches
//! of 256 of PBMC3k, the kernels called as training calls them. The limits are measured in the same run: a dense matrix
//! product in cache for arithmetic, a copy larger than the caches for memory.
//!
//! `cargo run --release -p bench --bin profile -- [--preset report|code] [--epochs 5]`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use bench::{median, option, timed, trials};
use domain::{ModelKind, Preset};
use kernels::{Adam, CsrView, GeneLayers, GeneLayersInit, Isa, PreparedMatrix};
use models::{Control, Engine, TrainOptions};

/// Cells of a batch.
const BATCH: usize = 256;

/// One part of a step: its name, arithmetic and memory traffic that it cannot avoid, and its seconds batch by batch.
struct Part {
    name: &'static str,
    flops: f64,
    bytes: f64,
    seconds: Vec<f64>,
}

impl Part {
    fn run(&mut self, work: impl FnOnce()) -> anyhow::Result<()> {
        let ((), took) = timed(|| {
            work();
            Ok(())
        })?;
        self.seconds.push(took.as_secs_f64());
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    models::limit_threads()?;
    models::keep_freed_memory();
    let preset = if option("preset", "report".to_owned())? == "code" { Preset::Code } else { Preset::Report };
    let epochs: u32 = option("epochs", 5)?;
    // Width of both gene layers of the β-VAE; up to a batch's cells the decoder goes through the Gram form.
    let width = if preset == Preset::Code { 800 } else { 128 };
    let data = bench::pbmc3k()?;
    let csr = data.matrix();
    let matrix =
        PreparedMatrix::new(CsrView::new(csr.n_rows, csr.n_cols, csr.indptr, csr.indices, csr.values)?);
    let weights: Vec<f32> = (0..csr.n_cols * width).map(|i| 0.05 * (i as f32 * 1.618_034).sin()).collect();
    let init = GeneLayersInit {
        genes: csr.n_cols,
        first: width,
        last: width,
        encoder_weight: &weights,
        decoder_weight: &weights,
        decoder_bias: &weights[..csr.n_cols],
    };
    let mut layers = GeneLayers::new(&init, &matrix, BATCH, Isa::best()?)?;
    let hidden: Vec<f32> = (0..BATCH * width).map(|i| (i as f32 * 2.7).sin().max(0.0)).collect();
    let grad_first = hidden.clone();
    let (mut first, mut grad_hidden) = (vec![0.0; BATCH * width], vec![0.0; BATCH * width]);
    let adam = Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };

    let mut parts =
        parts(csr.n_cols as f64, (csr.values.len() * BATCH) as f64 / csr.n_rows as f64, width as f64);
    let batches = csr.n_rows / BATCH;
    for step in 0..batches * epochs as usize {
        // A shuffle without chance: a stride that is coprime to the number of cells.
        let rows: Vec<u32> = (0..BATCH).map(|i| ((step * BATCH + i) * 1009 % csr.n_rows) as u32).collect();
        let [load, encode, decode, update] = &mut parts;
        load.run(|| layers.load_batch(&rows))?;
        encode.run(|| layers.encode(&mut first))?;
        decode.run(|| {
            std::hint::black_box(layers.decode(&hidden, &mut grad_hidden));
        })?;
        update.run(|| layers.step(&hidden, &grad_first, &adam, step as u64 + 1))?;
    }

    let options = TrainOptions { engine: Engine::Sparse, isa: None };
    let config = trials::config(ModelKind::BetaVae, preset, epochs);
    let trained = models::train(&config, 0, csr, &options, &mut |_| Control::Continue)?;
    let epoch = median(&trained.epochs.iter().map(|record| record.seconds).collect::<Vec<_>>());
    let whole = epoch * BATCH as f64 / csr.n_rows as f64;

    let (peak_flops, peak_bytes) = (arithmetic_limit()?, memory_limit()?);
    println!(
        "beta-vae, {preset:?} nets, {}, one thread; a step of {BATCH} cells takes {:.2} ms",
        layers.isa().name(),
        1e3 * whole
    );
    println!(
        "limits: {:.0} GFLOP/s (dense product in cache), {:.1} GB/s (copy)",
        peak_flops / 1e9,
        peak_bytes / 1e9
    );
    println!(
        "{:<12} {:>8} {:>7} {:>9} {:>9} {:>7} {:>9}",
        "part", "ms", "share", "GFLOP/s", "of limit", "GB/s", "of limit"
    );
    let mut known = 0.0;
    for part in &parts {
        let seconds = median(&part.seconds);
        known += seconds;
        let (flops, bytes) = (part.flops / seconds, part.bytes / seconds);
        println!(
            "{:<12} {:>8.3} {:>6.0}% {:>9.1} {:>8.0}% {:>7.1} {:>8.0}%",
            part.name,
            1e3 * seconds,
            100.0 * seconds / whole,
            flops / 1e9,
            100.0 * flops / peak_flops,
            bytes / 1e9,
            100.0 * bytes / peak_bytes
        );
    }
    println!("{:<12} {:>8.3} {:>6.0}%", "inner net", 1e3 * (whole - known), 100.0 * (1.0 - known / whole));
    Ok(())
}

/// What each part has to compute and to move, for `genes`, the batch's non-zeros and the width h of both layers.
/// Arithmetic: a product with the non-zeros 2·nnz·h, with a dense d × h matrix and h or B columns 2·d·h·(h or B), Adam
/// 12 a weight. Traffic: weights and both moments are read and written once a step; sums in cache are free.
fn parts(genes: f64, nonzeros: f64, width: f64) -> [Part; 4] {
    let batch = BATCH as f64;
    let is_gram = width < batch;
    let sparse = 2.0 * nonzeros * width;
    let weights = genes * width;
    let part = |name, flops, bytes| Part { name, flops, bytes, seconds: vec![] };
    let adam = 2.0 * 12.0 * weights;
    let moved = 2.0 * 3.0 * 2.0 * 4.0 * weights;
    if is_gram {
        [
            part("load batch", 0.0, 16.0 * nonzeros),
            // X·W1 and X·W in one pass.
            part("encode", 2.0 * sparse, 8.0 * weights),
            part("decode", 2.0 * batch * width * width, 0.0),
            // The product with S, the next G (symmetric: half), both gradients' sums over cells.
            part("update", 3.0 * weights * width + 2.0 * sparse + adam, moved),
        ]
    } else {
        [
            part("load batch", 0.0, 16.0 * nonzeros),
            part("encode", sparse, 4.0 * weights),
            // The residual, which is kept for the update, and dH.
            part("decode", 4.0 * weights * batch, 4.0 * weights + 4.0 * genes * batch),
            part("update", 2.0 * weights * batch + sparse + adam, moved + 4.0 * genes * batch),
        ]
    }
}

/// FLOP/s of a dense product of f32 that stays in cache, the best of several.
fn arithmetic_limit() -> anyhow::Result<f64> {
    const N: usize = 384;
    let (left, right) = (vec![0.5_f32; N * N], vec![0.25_f32; N * N]);
    let mut out = vec![0.0_f32; N * N];
    let n = N as isize;
    let mut best = f64::INFINITY;
    for _ in 0..50 {
        let ((), took) = timed(|| {
            // SAFETY: three square row-major matrices of N × N, which live through the call; `out` is no other's.
            unsafe {
                gemm::gemm(
                    N,
                    N,
                    N,
                    out.as_mut_ptr(),
                    1,
                    n,
                    false,
                    left.as_ptr(),
                    1,
                    n,
                    right.as_ptr(),
                    1,
                    n,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
            Ok(())
        })?;
        best = best.min(took.as_secs_f64());
    }
    std::hint::black_box(&out);
    Ok(2.0 * (N * N * N) as f64 / best)
}

/// Bytes read and written a second by a copy of 256 MB, the best of several.
fn memory_limit() -> anyhow::Result<f64> {
    let from = vec![1_u8; 256 << 20];
    let mut to = vec![0_u8; from.len()];
    let mut best = f64::INFINITY;
    for _ in 0..8 {
        let ((), took) = timed(|| {
            to.copy_from_slice(std::hint::black_box(&from));
            Ok(())
        })?;
        std::hint::black_box(&to);
        best = best.min(took.as_secs_f64());
    }
    Ok(2.0 * from.len() as f64 / best)
}
