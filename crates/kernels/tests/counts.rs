//! The gene layers of counts: Γ and the negative binomial against SciPy and mpmath (`golden/counts.py`), gradients against
//! finite differences of a plain `f64` loss, on every instruction set of this machine.

mod reference;

use kernels::counts::{CountData, CountInit, CountLayers, GeneNorm, MeanForm, gamma, negative_binomial};
use kernels::{Adam, CsrView, Isa, KernelError};
use reference::{Cells, Chance, adam_f64, distance};

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("golden/counts.json")).expect("golden/counts.py wrote it")
}

fn rows(golden: &serde_json::Value, name: &str) -> Vec<Vec<Option<f64>>> {
    let rows = golden[name].as_array().expect("a list of rows");
    rows.iter().map(|row| row.as_array().expect("a row").iter().map(|x| x.as_f64()).collect()).collect()
}

fn numbers(row: &[Option<f64>]) -> Vec<f64> {
    row.iter().map(|number| number.expect("a number")).collect()
}

/// |found − expected| ≤ limit · max(1, |expected|).
fn assert_near(what: &str, found: f64, expected: f64, limit: f64) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error <= limit, "{what}: {found}, expected {expected}, error {error:.2e}");
}

#[test]
fn gamma_functions_equal_scipys() {
    let golden = golden();
    for row in rows(&golden, "gamma") {
        let [a, ln_gamma, digamma] = numbers(&row)[..] else { panic!("three numbers") };
        assert_near(&format!("ln gamma {a}"), gamma::ln_gamma(a), ln_gamma, 1e-14);
        assert_near(&format!("digamma {a}"), gamma::digamma(a), digamma, 1e-14);
    }
}

#[test]
fn rises_of_gamma_functions_equal_mpmaths() {
    let golden = golden();
    for row in rows(&golden, "rise") {
        let [a, x, ln_rising, digamma_rise] = numbers(&row)[..] else { panic!("four numbers") };
        assert_near(&format!("ln rising {a} {x}"), gamma::ln_rising(a, x), ln_rising, 1e-14);
        assert_near(&format!("digamma rise {a} {x}"), gamma::digamma_rise(a, x), digamma_rise, 1e-14);
    }
}

#[test]
fn the_negative_binomial_equals_scipys_and_its_slopes_mpmaths() {
    let golden = golden();
    let mut by_scipy = 0;
    for row in rows(&golden, "nb") {
        let [x, mu, theta, exact] = numbers(&row[..4])[..] else { panic!("four numbers") };
        let what = format!("x {x}, mu {mu}, theta {theta}");
        let found = negative_binomial(x, mu.ln(), theta.ln());
        // Within an absolute 1e-6 of SciPy, and much closer to what SciPy is itself an approximation of.
        if let Some(scipy) = row[4] {
            assert!((found.nll + scipy).abs() < 1e-6, "{what}: {} {scipy}", found.nll);
            by_scipy += 1;
        }
        // The terms of a large count cancel: the largest is the measure.
        let largest = exact.abs().max(x * (1.0 + x).ln()).max(1.0);
        assert!((found.nll + exact).abs() <= 1e-13 * largest, "{what}: {} {exact}", found.nll);
        let slopes = numbers(&row[5..]);
        assert_near(&format!("{what} by ln mu"), found.by_log_mean, slopes[0], 1e-12);
        // A difference of three terms as large as θ·μ/θ and x·ln x: their own size is the measure.
        let size = (mu * theta / (theta + mu)).max(x * theta / (theta + mu)).max(1.0);
        assert!(
            (found.by_log_dispersion - slopes[1]).abs() <= 1e-12 * size.max(theta * 1e-4),
            "{what} {found:?}"
        );
    }
    assert!(by_scipy > 400, "{by_scipy} values were compared with SciPy");
}

#[test]
fn slopes_are_finite_differences_of_the_loss() {
    for (x, mu, theta) in [(0.0, 0.3, 2.0), (1.0, 0.3, 0.05), (40.0, 7.0, 3.0), (3.0, 500.0, 12.0)] {
        let (a, b, h) = (f64::ln(mu), f64::ln(theta), 1e-5);
        let nll = |a, b| negative_binomial(x, a, b).nll;
        let found = negative_binomial(x, a, b);
        assert_near("by ln mu", found.by_log_mean, (nll(a + h, b) - nll(a - h, b)) / (2.0 * h), 1e-8);
        let by_theta = (nll(a, b + h) - nll(a, b - h)) / (2.0 * h);
        assert_near("by ln theta", found.by_log_dispersion, by_theta, 1e-8);
    }
}

fn supported() -> impl Iterator<Item = Isa> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_supported())
}

/// Everything that the loss of one batch depends on, in `f64`.
#[derive(Debug, Clone)]
struct Problem {
    /// Cells × genes.
    counts: Vec<Vec<f64>>,
    log_size: Vec<f64>,
    mean_form: MeanForm,
    norm_eps: Option<f64>,
    hidden: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
    log_dispersion: Vec<f64>,
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl Problem {
    /// The mean loss over the cells.
    fn loss(&self) -> f64 {
        let (cells, genes) = (self.counts.len(), self.bias.len());
        let last = self.weight.len() / genes;
        let mut logits = vec![vec![0.0; genes]; cells];
        for (cell, row) in logits.iter_mut().enumerate() {
            for (gene, logit) in row.iter_mut().enumerate() {
                let h = &self.hidden[cell * last..][..last];
                let w = &self.weight[gene * last..][..last];
                *logit = self.bias[gene] + h.iter().zip(w).map(|(h, w)| h * w).sum::<f64>();
            }
        }
        if let Some(eps) = self.norm_eps {
            for gene in 0..genes {
                let mean = logits.iter().map(|row| row[gene]).sum::<f64>() / cells as f64;
                let variance =
                    logits.iter().map(|row| (row[gene] - mean).powi(2)).sum::<f64>() / cells as f64;
                for row in &mut logits {
                    let standard = (row[gene] - mean) / (variance + eps).sqrt();
                    row[gene] = standard * self.scale[gene] + self.shift[gene];
                }
            }
        }
        let mut total = 0.0;
        for (cell, row) in logits.iter().enumerate() {
            let of_all = match self.mean_form {
                MeanForm::Softmax => row.iter().map(|logit| logit.exp()).sum::<f64>().ln(),
                MeanForm::Exp => 0.0,
            };
            for (gene, logit) in row.iter().enumerate() {
                let log_mean = self.log_size[cell] + logit - of_all;
                total += negative_binomial(self.counts[cell][gene], log_mean, self.log_dispersion[gene]).nll;
            }
        }
        total / cells as f64
    }

    /// Central differences by the values that `part` picks.
    fn slopes(&self, part: impl Fn(&mut Self) -> &mut Vec<f64>) -> Vec<f64> {
        let mut moved = self.clone();
        let h = 1e-5;
        (0..part(&mut moved).len())
            .map(|index| {
                let here = part(&mut moved)[index];
                part(&mut moved)[index] = here + h;
                let above = moved.loss();
                part(&mut moved)[index] = here - h;
                let below = moved.loss();
                part(&mut moved)[index] = here;
                (above - below) / (2.0 * h)
            })
            .collect()
    }
}

const GENES: usize = 83;
const FIRST: usize = 5;
const LAST: usize = 7;

/// Counts of 12 cells: mostly 0, some above what is multiplied out, a cell and a gene without any.
fn counts(chance: &mut Chance) -> Cells {
    let density = |gene: usize| if gene == 3 { 0.0 } else { 0.3 };
    let mut cells = Cells::draw(12, GENES, chance, density);
    cells.values.iter_mut().for_each(|value| *value = value.powi(3).ceil());
    if let Some(value) = cells.values.iter_mut().max_by(|a, b| a.total_cmp(b)) {
        *value = 200.0;
    }
    cells
}

struct Initial {
    encoder: Vec<f32>,
    decoder: Vec<f32>,
    bias: Vec<f32>,
    log_dispersion: Vec<f32>,
}

impl Initial {
    fn draw(chance: &mut Chance) -> Self {
        Self {
            encoder: chance.signed(GENES * FIRST, 0.3),
            decoder: chance.signed(GENES * LAST, 0.8),
            bias: chance.signed(GENES, 0.5),
            log_dispersion: chance.signed(GENES, 1.5),
        }
    }

    fn init(&self, gene_norm: Option<GeneNorm>, has_bias: bool, mean_form: MeanForm) -> CountInit<'_> {
        CountInit {
            genes: GENES,
            first: FIRST,
            last: LAST,
            encoder_weight: &self.encoder,
            decoder_weight: &self.decoder,
            decoder_bias: has_bias.then_some(self.bias.as_slice()),
            log_dispersion: &self.log_dispersion,
            gene_norm,
            mean_form,
        }
    }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

fn data<'a>(cells: &'a Cells, log_size: &[f32]) -> CountData<'a> {
    let cell_factor = (0..cells.n_rows).map(|cell| 0.5 + cell as f32 / 8.0).collect();
    let gene_factor = (0..GENES).map(|gene| 1.0 + (gene % 3) as f32).collect();
    let gene_offset = (0..GENES).map(|gene| (gene % 4) as f32 / 8.0).collect();
    CountData::new(cells.view(), log_size.to_vec(), cell_factor, gene_factor, Some(gene_offset))
        .expect("fits")
}

const NORM: GeneNorm = GeneNorm { eps: 1e-3, momentum: 0.01 };

/// The layers' kinds: scVI's, LDVAE's, DCA's.
fn kinds() -> [(&'static str, Option<GeneNorm>, bool, MeanForm); 3] {
    [
        ("softmax", None, true, MeanForm::Softmax),
        ("normed softmax", Some(NORM), false, MeanForm::Softmax),
        ("exp", None, true, MeanForm::Exp),
    ]
}

#[test]
fn losses_and_gradients_are_those_of_the_plain_formulas() {
    let mut chance = Chance(5);
    let cells = counts(&mut chance);
    let initial = Initial::draw(&mut chance);
    let batch: Vec<u32> = vec![7, 0, 11, 3, 4, 9, 2];
    let log_size: Vec<f32> = chance.signed(12, 1.0).iter().map(|size| size + 2.0).collect();
    let hidden = chance.rectified(batch.len() * LAST, 1.0);
    let grad_first = chance.signed(batch.len() * FIRST, 1.0);
    for (kind, gene_norm, has_bias, mean_form) in kinds() {
        let problem = Problem {
            counts: batch.iter().map(|row| cells.dense_row(*row)).collect(),
            log_size: batch.iter().map(|row| f64::from(log_size[*row as usize])).collect(),
            mean_form,
            norm_eps: gene_norm.map(|norm| f64::from(norm.eps)),
            hidden: widen(&hidden),
            weight: widen(&initial.decoder),
            bias: if has_bias { widen(&initial.bias) } else { vec![0.0; GENES] },
            log_dispersion: widen(&initial.log_dispersion),
            scale: vec![1.0; GENES],
            shift: vec![0.0; GENES],
        };
        let by_hidden = problem.slopes(|p| &mut p.hidden);
        let by_weight = problem.slopes(|p| &mut p.weight);
        let by_bias = problem.slopes(|p| &mut p.bias);
        let by_dispersion = problem.slopes(|p| &mut p.log_dispersion);
        for isa in supported() {
            let init = initial.init(gene_norm, has_bias, mean_form);
            // A larger batch than asked for: its padding must not show.
            let mut layers = CountLayers::new(&init, data(&cells, &log_size), 12, isa).expect("fits");
            layers.load_batch(&[1; 12]);
            layers.load_batch(&batch);
            let mut by_hidden_found = vec![f32::NAN; hidden.len()];
            let loss = layers.decode(&hidden, &mut by_hidden_found);
            let what = |part: &str| format!("{kind}, {isa:?}: {part}");
            assert_near(&what("loss"), loss / batch.len() as f64, problem.loss(), 1e-6);
            assert!(distance(&by_hidden_found, &by_hidden) < 1e-5, "{}", what("dH"));
            let found = layers.gradients(&grad_first);
            assert!(distance(&found.decoder_weight, &by_weight) < 1e-5, "{}", what("dW"));
            assert!(distance(&found.log_dispersion, &by_dispersion) < 1e-5, "{}", what("dr"));
            assert_eq!(found.decoder_bias.is_some(), has_bias);
            if let Some(bias) = &found.decoder_bias {
                assert!(distance(bias, &by_bias) < 1e-5, "{}", what("db"));
            }
            if let Some((scale, shift)) = &found.gene_norm {
                assert!(distance(scale, &problem.slopes(|p| &mut p.scale)) < 1e-5, "{}", what("dscale"));
                assert!(distance(shift, &problem.slopes(|p| &mut p.shift)) < 1e-5, "{}", what("dshift"));
            }
            check_encoder(&mut layers, &cells, &initial, &batch, &grad_first, &found.encoder_weight);
        }
    }
}

/// X̃·W1 and X̃ᵀ·δ, X̃ written out.
fn check_encoder(
    layers: &mut CountLayers<'_>,
    cells: &Cells,
    initial: &Initial,
    batch: &[u32],
    grad_first: &[f32],
    found_gradient: &[f32],
) {
    let mut found = vec![f32::NAN; batch.len() * FIRST];
    layers.encode(&mut found);
    let mut product = vec![0.0; batch.len() * FIRST];
    let mut gradient = vec![0.0; GENES * FIRST];
    for (cell, row) in batch.iter().enumerate() {
        for (gene, count) in cells.dense_row(*row).iter().enumerate() {
            let logarithm = (count * (0.5 + f64::from(*row) / 8.0)).ln_1p();
            let x = logarithm * (1.0 + (gene % 3) as f64) - (gene % 4) as f64 / 8.0;
            for j in 0..FIRST {
                product[cell * FIRST + j] += x * f64::from(initial.encoder[gene * FIRST + j]);
                gradient[gene * FIRST + j] += x * f64::from(grad_first[cell * FIRST + j]);
            }
        }
    }
    assert!(distance(&found, &product) < 1e-5);
    assert!(distance(found_gradient, &gradient) < 1e-5);
}

#[test]
fn a_step_is_adams_with_decay_and_moves_the_running_statistics() {
    let mut chance = Chance(8);
    let cells = counts(&mut chance);
    let initial = Initial::draw(&mut chance);
    let batch: Vec<u32> = (0..10).collect();
    let hidden = chance.signed(batch.len() * LAST, 1.0);
    let grad_first = chance.signed(batch.len() * FIRST, 1.0);
    let adam = Adam { learning_rate: 1e-2, beta1: 0.9, beta2: 0.999, eps: 0.01 };
    let decay = 0.1;
    for (kind, gene_norm, has_bias, mean_form) in kinds() {
        let init = initial.init(gene_norm, has_bias, mean_form);
        let mut layers = CountLayers::new(&init, data(&cells, &[2.0; 12]), 10, Isa::Portable).expect("fits");
        layers.load_batch(&batch);
        layers.decode(&hidden, &mut vec![0.0; hidden.len()]);
        let gradients = layers.gradients(&grad_first);
        layers.step(&grad_first, &adam, decay, 1);
        let state = layers.export();
        let check = |what: &str, before: &[f32], gradient: &[f32], after: &[f32]| {
            let mut weight = widen(before);
            let gradient: Vec<f64> =
                widen(gradient).iter().zip(&weight).map(|(g, w)| g + decay * w).collect();
            let (mut m, mut v) = (vec![0.0; weight.len()], vec![0.0; weight.len()]);
            adam_f64(&mut weight, &gradient, &mut m, &mut v, &adam, 1);
            assert!(distance(after, &weight) < 1e-6, "{kind}: {what}");
        };
        check("W1", &initial.encoder, &gradients.encoder_weight, &state.encoder_weight.weight);
        check("W", &initial.decoder, &gradients.decoder_weight, &state.decoder_weight.weight);
        check("r", &initial.log_dispersion, &gradients.log_dispersion, &state.log_dispersion.weight);
        if let (Some(after), Some(gradient)) = (&state.decoder_bias, &gradients.decoder_bias) {
            check("b", &initial.bias, gradient, &after.weight);
        }
        if let (Some(after), Some((scale, shift))) = (&state.gene_norm, &gradients.gene_norm) {
            check("scale", &[1.0; GENES], scale, &after.scale.weight);
            check("shift", &[0.0; GENES], shift, &after.shift.weight);
            check_running_statistics(&initial, &hidden, &after.running_mean, &after.running_variance);
        }
    }
}

fn check_running_statistics(initial: &Initial, hidden: &[f32], mean: &[f32], variance: &[f32]) {
    let cells = hidden.len() / LAST;
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    for gene in 0..GENES {
        let w = &initial.decoder[gene * LAST..][..LAST];
        let logits: Vec<f64> = hidden
            .chunks_exact(LAST)
            .map(|h| h.iter().zip(w).map(|(h, w)| f64::from(*h) * f64::from(*w)).sum())
            .collect();
        let centre = logits.iter().sum::<f64>() / cells as f64;
        let unbiased = logits.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (cells - 1) as f64;
        means.push(0.01 * centre);
        variances.push(0.99 + 0.01 * unbiased);
    }
    assert!(distance(mean, &means) < 1e-5 && distance(variance, &variances) < 1e-6);
}

#[test]
fn an_imported_state_goes_on_to_the_bit() {
    let mut chance = Chance(3);
    let cells = counts(&mut chance);
    let initial = Initial::draw(&mut chance);
    let hidden = chance.signed(12 * LAST, 1.0);
    let grad_first = chance.signed(12 * FIRST, 1.0);
    let adam = Adam { learning_rate: 1e-2, beta1: 0.9, beta2: 0.999, eps: 0.01 };
    let batch: Vec<u32> = (0..12).collect();
    for (kind, gene_norm, has_bias, mean_form) in kinds() {
        let init = initial.init(gene_norm, has_bias, mean_form);
        let fresh = || {
            let isa = Isa::best().expect("a processor");
            CountLayers::new(&init, data(&cells, &[2.0; 12]), 12, isa).expect("fits")
        };
        let step = |layers: &mut CountLayers<'_>, t: u64| {
            layers.load_batch(&batch);
            let loss = layers.decode(&hidden, &mut vec![0.0; hidden.len()]);
            layers.step(&grad_first, &adam, 1e-6, t);
            loss.to_bits()
        };
        let mut whole = fresh();
        step(&mut whole, 1);
        let state = whole.export();
        let mut resumed = fresh();
        resumed.import(&state).expect("of the same shape");
        assert_eq!(step(&mut whole, 2), step(&mut resumed, 2), "{kind}");
        assert_eq!(whole.export(), resumed.export(), "{kind}");
        assert_eq!(whole.nll(&hidden).to_bits(), resumed.nll(&hidden).to_bits(), "{kind}");

        let mut wrong = state;
        wrong.log_dispersion.weight.pop();
        assert!(matches!(fresh().import(&wrong), Err(KernelError::Length { .. })), "{kind}");
    }
}

#[test]
fn counts_below_0_and_factors_that_are_no_numbers_are_refused() {
    let view = |values: &'static [f32]| CsrView::new(1, 2, &[0, 1], &[1], values).expect("well formed");
    let build = |values: &'static [f32], size: f32| {
        CountData::new(view(values), vec![size], vec![1.0], vec![1.0, 1.0], None).map(|_| ())
    };
    assert_eq!(build(&[3.0], 1.0), Ok(()));
    assert_eq!(build(&[-3.0], 1.0), Err(KernelError::Negative { row: 0 }));
    assert_eq!(build(&[3.0], f32::NAN), Err(KernelError::Factor { what: "log_size", index: 0 }));
    let short = CountData::new(view(&[3.0]), vec![1.0], vec![1.0], vec![1.0], None);
    assert!(matches!(short, Err(KernelError::Length { .. })));
}
