//! Instructions that the kernels execute, counted by valgrind: the same on a busy machine as on a quiet one, so that a
//! regression is seen where times say nothing. Each count is held to the reference beside it; more than 5 % above it
//! fails. Who makes a kernel cheaper lowers its reference.
//!
//! Counted with AVX2 and the portable path: valgrind knows no AVX-512. Times live in `src/bin`.
#![allow(missing_docs, reason = "the benchmark macros make public items of their own")]

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use kernels::{Adam, CsrView, GeneLayers, GeneLayersInit, Isa, PreparedMatrix};

/// Cells of the batch and of the matrix, as in training.
const CELLS: usize = 256;

/// Genes: few, so that it takes seconds. All loops over genes are made of equal blocks.
const GENES: usize = 512;

/// How far above its reference a count may be, in percent: another compiler's choices, not another algorithm's.
const TOLERANCE: u64 = 5;

/// Layers with a batch loaded, encoded and decoded, and the inner net's part of a step.
struct Scene {
    layers: GeneLayers<'static>,
    rows: Vec<u32>,
    hidden: Vec<f32>,
    grad_hidden: Vec<f32>,
    first: Vec<f32>,
}

/// `width` is that of both layers: 128 goes through the Gram form, 800 through the residual.
fn scene(width: usize, isa: Isa) -> Scene {
    let matrix = Box::leak(Box::new(PreparedMatrix::new(cells())));
    let weights = numbers(GENES * width, 0.05);
    let init = GeneLayersInit {
        genes: GENES,
        first: width,
        last: width,
        encoder_weight: &weights,
        decoder_weight: &weights,
        decoder_bias: &weights[..GENES],
    };
    let layers =
        GeneLayers::new(&init, matrix, CELLS, isa).expect("sizes are in range and valgrind has AVX2");
    let mut scene = Scene {
        layers,
        rows: (0..CELLS as u32).collect(),
        hidden: numbers(CELLS * width, 1.0),
        grad_hidden: vec![0.0; CELLS * width],
        first: numbers(CELLS * width, 1.0),
    };
    scene.layers.load_batch(&scene.rows);
    scene.layers.encode(&mut scene.first);
    let _ = scene.layers.decode(&scene.hidden, &mut scene.grad_hidden);
    scene
}

/// Cells in which every 17th gene is expressed: 6 %, as in PBMC3k.
fn cells() -> CsrView<'static> {
    let (mut indptr, mut indices) = (vec![0_u64], Vec::new());
    for cell in 0..CELLS {
        indices.extend((cell % 17..GENES).step_by(17).map(|gene| gene as u32));
        indptr.push(indices.len() as u64);
    }
    let values = numbers(indices.len(), 2.0);
    CsrView::new(CELLS, GENES, indptr.leak(), indices.leak(), values.leak())
        .expect("columns rise within a row")
}

/// Numbers within ±`scale` without any pattern that a kernel could profit from.
fn numbers(count: usize, scale: f32) -> Vec<f32> {
    (0..count).map(|i| scale * (i as f32 * 1.618_034).sin()).collect()
}

/// Fails when more than `reference` instructions (and the tolerance) are executed.
fn at_most(reference: u64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    let mut callgrind = Callgrind::with_args(["--cache-sim=no"]);
    callgrind.hard_limits([(EventKind::Ir, reference + reference * TOLERANCE / 100)]);
    config.tool(callgrind);
    config
}

#[library_benchmark]
#[bench::gram_avx2(args = (128, Isa::Avx2), setup = scene, config = at_most(462_924))]
#[bench::gram_portable(args = (128, Isa::Portable), setup = scene, config = at_most(462_924))]
fn load_batch(mut scene: Scene) -> Scene {
    scene.layers.load_batch(&scene.rows);
    scene
}

#[library_benchmark]
#[bench::gram_avx2(args = (128, Isa::Avx2), setup = reloaded, config = at_most(770_047))]
#[bench::gram_portable(args = (128, Isa::Portable), setup = reloaded, config = at_most(2_283_017))]
#[bench::residual_avx2(args = (800, Isa::Avx2), setup = reloaded, config = at_most(3_386_354))]
fn encode(mut scene: Scene) -> Scene {
    scene.layers.encode(&mut scene.first);
    scene
}

/// A scene whose products are not there yet.
fn reloaded(width: usize, isa: Isa) -> Scene {
    let mut scene = scene(width, isa);
    scene.layers.load_batch(&scene.rows);
    scene
}

/// A scene that is encoded, but not decoded.
fn encoded(width: usize, isa: Isa) -> Scene {
    let mut scene = reloaded(width, isa);
    scene.layers.encode(&mut scene.first);
    scene
}

#[library_benchmark]
#[bench::gram_avx2(args = (128, Isa::Avx2), setup = encoded, config = at_most(2_280_894))]
#[bench::gram_portable(args = (128, Isa::Portable), setup = encoded, config = at_most(5_352_459))]
#[bench::residual_avx2(args = (800, Isa::Avx2), setup = encoded, config = at_most(69_275_071))]
fn decode(mut scene: Scene) -> Scene {
    let _ = std::hint::black_box(scene.layers.decode(&scene.hidden, &mut scene.grad_hidden));
    scene
}

#[library_benchmark]
#[bench::gram_avx2(args = (128, Isa::Avx2), setup = scene, config = at_most(6_911_002))]
#[bench::gram_portable(args = (128, Isa::Portable), setup = scene, config = at_most(21_981_812))]
#[bench::residual_avx2(args = (800, Isa::Avx2), setup = scene, config = at_most(39_609_488))]
fn step(mut scene: Scene) -> Scene {
    let adam = Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    scene.layers.step(&scene.hidden, &scene.first, &adam, 1);
    scene
}

library_benchmark_group!(name = kernels_by_part, benchmarks = [load_batch, encode, decode, step]);
main!(library_benchmark_groups = kernels_by_part);
