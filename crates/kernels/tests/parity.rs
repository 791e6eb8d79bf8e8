//! The kernels against the dense `f64` reference, on every instruction set of this machine.

mod reference;

use kernels::{Adam, GeneLayers, Isa, PreparedMatrix, adam_update};
use proptest::prelude::*;
use reference::{Cells, Chance, Layers, adam_f64, distance, expect};

const ADAM: Adam = Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };

fn supported() -> impl Iterator<Item = Isa> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_supported())
}

/// Sizes of one comparison.
#[derive(Debug, Clone)]
struct Case {
    cells: usize,
    genes: usize,
    first: usize,
    last: usize,
    max_batch: usize,
    batch: usize,
    density: f64,
    seed: u64,
}

impl Case {
    /// Draws the problem and compares everything that one batch yields.
    fn compare(&self) {
        let mut chance = Chance(self.seed);
        // Every fifth gene is expressed nowhere, every seventh nearly everywhere.
        let density = |gene: usize| match gene {
            gene if gene % 5 == 0 => 0.0,
            gene if gene % 7 == 0 => self.density.sqrt(),
            _ => self.density,
        };
        let cells = Cells::draw(self.cells, self.genes, &mut chance, density);
        let layers = Layers::draw(self.genes, self.first, self.last, &mut chance);
        let rows: Vec<u32> = (0..self.batch).map(|_| (chance.bits() % self.cells as u64) as u32).collect();
        let hidden = chance.rectified(self.batch * self.last, 1.0);
        let grad_first = chance.signed(self.batch * self.first, 1.0);
        let expected = expect(&cells, &layers, &rows, &hidden, &grad_first);
        let prepared = PreparedMatrix::new(cells.view());
        for isa in supported() {
            let mut found = GeneLayers::new(&layers.init(), &prepared, self.max_batch, isa).expect("fits");
            // Another batch first: nothing of it may be left.
            found.load_batch(&vec![0; self.max_batch]);
            found.load_batch(&rows);
            let mut encoded = vec![f32::NAN; self.batch * self.first];
            found.encode(&mut encoded);
            assert!(distance(&encoded, &expected.encoded) < 1e-5, "{isa:?} encode");
            let mut grad_hidden = vec![f32::NAN; self.batch * self.last];
            let sse = found.decode(&hidden, &mut grad_hidden);
            let gap = (sse - expected.sse).abs() / expected.sse.max(f64::MIN_POSITIVE);
            assert!(gap < 1e-6, "{isa:?} sse {sse}, expected {}", expected.sse);
            assert_eq!(sse.to_bits(), found.sse(&hidden).to_bits(), "{isa:?} sse alone");
            assert!(distance(&grad_hidden, &expected.grad_hidden) < 1e-5, "{isa:?} dH");
            let (encoder, decoder, bias) = found.gradients(&hidden, &grad_first);
            assert!(distance(&encoder, &expected.encoder_weight) < 1e-5, "{isa:?} dW1");
            assert!(distance(&decoder, &expected.decoder_weight) < 1e-5, "{isa:?} dW");
            assert!(distance(&bias, &expected.decoder_bias) < 1e-5, "{isa:?} db");
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let width = || prop_oneof![Just(1_usize), Just(3), Just(16), Just(33), Just(128), Just(130)];
    let density = prop_oneof![Just(0.0), 0.01..0.9];
    (1..40_usize, 1..300_usize, width(), width(), 1..70_usize, any::<u64>(), density, any::<u64>()).prop_map(
        |(cells, genes, first, last, max_batch, batch, density, seed)| {
            let batch = 1 + (batch % max_batch as u64) as usize;
            Case { cells, genes, first, last, max_batch, batch, density, seed }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_equals_the_dense_reference(case in cases()) {
        case.compare();
    }
}

#[test]
fn the_presets_equal_the_dense_reference() {
    let report = Case {
        cells: 300,
        genes: 1500,
        first: 128,
        last: 128,
        max_batch: 256,
        batch: 256,
        density: 0.06,
        seed: 1,
    };
    report.compare();
    Case { first: 200, last: 200, max_batch: 64, batch: 64, ..report.clone() }.compare();
    Case { batch: 1, ..report }.compare();
}

#[test]
fn many_steps_follow_adam_on_the_reference() {
    let mut chance = Chance(7);
    let (batch, genes) = (12, 90);
    for (first, last) in [(5, 4), (20, 17)] {
        let cells = Cells::draw(40, genes, &mut chance, |gene| 1.0 / (1 + gene) as f64);
        let mut layers = Layers::draw(genes, first, last, &mut chance);
        let prepared = PreparedMatrix::new(cells.view());
        let steps: Vec<_> = (1..=20_u64)
            .map(|t| {
                let rows: Vec<u32> = (0..batch).map(|_| (chance.bits() % 40) as u32).collect();
                (t, rows, chance.rectified(batch * last, 1.0), chance.signed(batch * first, 1.0))
            })
            .collect();
        let mut found: Vec<_> =
            supported().map(|isa| GeneLayers::new(&layers.init(), &prepared, batch, isa).unwrap()).collect();
        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let mut tensors = [&layers.encoder_weight, &layers.decoder_weight, &layers.decoder_bias]
            .map(|w| (wide(w), vec![0.0; w.len()], vec![0.0; w.len()]));
        for (t, rows, hidden, grad_first) in &steps {
            let expected = expect(&cells, &layers, rows, hidden, grad_first);
            let grads = [&expected.encoder_weight, &expected.decoder_weight, &expected.decoder_bias];
            for ((w, m, v), grad) in tensors.iter_mut().zip(grads) {
                adam_f64(w, grad, m, v, &ADAM, *t);
            }
            let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
            layers.encoder_weight = narrow(&tensors[0].0);
            layers.decoder_weight = narrow(&tensors[1].0);
            layers.decoder_bias = narrow(&tensors[2].0);
            for found in &mut found {
                found.load_batch(rows);
                found.step(hidden, grad_first, &ADAM, *t);
                let mut grad_hidden = vec![0.0; batch * last];
                let again = expect(&cells, &layers, rows, hidden, grad_first);
                let sse = found.decode(hidden, &mut grad_hidden);
                assert!(
                    (sse - again.sse).abs() < 1e-5 * again.sse,
                    "step {t}: {sse}, expected {}",
                    again.sse
                );
            }
        }
        for found in &found {
            let state = found.export();
            let exported = [state.encoder_weight, state.decoder_weight, state.decoder_bias];
            for (exported, (w, m, v)) in exported.iter().zip(&tensors) {
                assert!(distance(&exported.weight, w) < 1e-5, "{:?} weights", found.isa());
                assert!(distance(&exported.first, m) < 1e-4, "{:?} first moments", found.isa());
                assert!(distance(&exported.second, v) < 1e-4, "{:?} second moments", found.isa());
            }
        }
    }
}

#[test]
fn a_state_goes_out_and_in_unchanged_and_training_goes_on_from_it() {
    let mut chance = Chance(3);
    let cells = Cells::draw(30, 77, &mut chance, |gene| if gene % 3 == 0 { 0.4 } else { 0.1 });
    let layers = Layers::draw(77, 6, 5, &mut chance);
    let prepared = PreparedMatrix::new(cells.view());
    let isa = Isa::best().unwrap();
    let mut original = GeneLayers::new(&layers.init(), &prepared, 9, isa).expect("fits");
    assert_eq!(original.export(), layers.state());

    let rows: Vec<u32> = (0..9).collect();
    let (hidden, grad_first) = (chance.rectified(9 * 5, 1.0), chance.signed(9 * 6, 1.0));
    original.load_batch(&rows);
    original.step(&hidden, &grad_first, &ADAM, 1);
    let state = original.export();
    let mut resumed = GeneLayers::new(&layers.init(), &prepared, 9, isa).expect("fits");
    resumed.import(&state).unwrap();
    assert_eq!(resumed.export(), state);
    for layers in [&mut original, &mut resumed] {
        layers.load_batch(&rows[3..]);
        layers.step(&hidden[3 * 5..], &grad_first[3 * 6..], &ADAM, 2);
    }
    assert_eq!(original.export(), resumed.export());

    let mut short = state;
    short.decoder_bias.second.pop();
    assert!(resumed.import(&short).is_err());
}

#[test]
fn a_plain_tensor_follows_adam() {
    let mut chance = Chance(11);
    for len in [0, 1, 7, 16, 100] {
        for isa in supported() {
            let start = chance.signed(len, 1.0);
            let (mut w, mut m, mut v) = (start.clone(), vec![0.0; len], vec![0.0; len]);
            let mut expected: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
            let (mut m64, mut v64) = (vec![0.0; len], vec![0.0; len]);
            for t in 1..=30 {
                let grads = chance.signed(len, 1e-3);
                adam_update(&mut w, &grads, &mut m, &mut v, &ADAM, t, isa);
                let grads: Vec<f64> = grads.iter().map(|&g| f64::from(g)).collect();
                adam_f64(&mut expected, &grads, &mut m64, &mut v64, &ADAM, t);
            }
            assert!(distance(&w, &expected) < 1e-6, "{isa:?} {len}");
            assert!(distance(&m, &m64) < 1e-6, "{isa:?} {len}");
            assert!(distance(&v, &v64) < 1e-6, "{isa:?} {len}");
        }
    }
}

#[test]
fn cancellation_leaves_six_digits_of_a_well_fitted_loss() {
    // Every gene at about 1.75 everywhere, and a hidden unit that says so: the Gram form's terms are large and of one
    // sign, what is left of ‖X‖² is small.
    let mut chance = Chance(5);
    let (genes, batch, last) = (8000, 32, 16);
    let cells = Cells::draw(batch, genes, &mut chance, |_| 1.0);
    let mut layers = Layers::draw(genes, 4, last, &mut chance);
    layers.decoder_weight.iter_mut().for_each(|w| *w *= 0.1);
    layers.decoder_weight.iter_mut().step_by(last).for_each(|w| *w = 1.7);
    let rows: Vec<u32> = (0..batch as u32).collect();
    let mut hidden = chance.rectified(batch * last, 0.5);
    hidden.iter_mut().step_by(last).for_each(|h| *h = 1.0 + 0.01 * *h);
    let expected = expect(&cells, &layers, &rows, &hidden, &vec![0.0; batch * 4]);
    assert!(expected.sse < 0.2 * expected.squares);
    let prepared = PreparedMatrix::new(cells.view());
    for isa in supported() {
        let mut found = GeneLayers::new(&layers.init(), &prepared, batch, isa).expect("fits");
        found.load_batch(&rows);
        let gap = (found.sse(&hidden) - expected.sse).abs() / expected.sse;
        assert!(
            gap < 1e-6,
            "{isa:?}: {gap:.2e} of the loss, which is {:.3} of the data",
            expected.sse / expected.squares
        );
    }
}
