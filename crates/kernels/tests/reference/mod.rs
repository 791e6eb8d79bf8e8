//! A dense `f64` reference of the two gene layers, and problems to compare on. Written for the eye, not for speed.
#![allow(dead_code, reason = "each test binary uses its own part")]

use kernels::{Adam, CsrView, GeneLayersInit, GeneLayersState, Moments};

/// SplitMix64: the tests' own numbers, the same on every machine.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in −scale..scale.
    pub(crate) fn signed(&mut self, len: usize, scale: f64) -> Vec<f32> {
        (0..len).map(|_| ((2.0 * self.unit() - 1.0) * scale) as f32).collect()
    }

    /// Half zeros, half uniform in 0..scale: what a ReLU lets through.
    pub(crate) fn rectified(&mut self, len: usize, scale: f64) -> Vec<f32> {
        self.signed(len, scale).into_iter().map(|x| x.max(0.0)).collect()
    }
}

/// A sparse matrix, owned.
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    pub(crate) n_rows: usize,
    pub(crate) n_cols: usize,
    pub(crate) indptr: Vec<u64>,
    pub(crate) indices: Vec<u32>,
    pub(crate) values: Vec<f32>,
}

impl Cells {
    /// Gene g is expressed with probability `density(g)`; values are uniform in 0.5..3.
    pub(crate) fn draw(
        n_rows: usize,
        n_cols: usize,
        chance: &mut Chance,
        density: impl Fn(usize) -> f64,
    ) -> Self {
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for _ in 0..n_rows {
            for gene in 0..n_cols {
                if chance.unit() < density(gene) {
                    indices.push(gene as u32);
                    values.push((0.5 + 2.5 * chance.unit()) as f32);
                }
            }
            indptr.push(indices.len() as u64);
        }
        Self { n_rows, n_cols, indptr, indices, values }
    }

    pub(crate) fn view(&self) -> CsrView<'_> {
        CsrView::new(self.n_rows, self.n_cols, &self.indptr, &self.indices, &self.values)
            .expect("well formed")
    }

    /// One cell, dense.
    pub(crate) fn dense_row(&self, row: u32) -> Vec<f64> {
        let mut dense = vec![0.0; self.n_cols];
        let (genes, values) = self.view().row(row as usize);
        genes.iter().zip(values).for_each(|(&gene, &value)| dense[gene as usize] = f64::from(value));
        dense
    }
}

/// Shape and initial weights, owned.
#[derive(Debug, Clone)]
pub(crate) struct Layers {
    pub(crate) genes: usize,
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) encoder_weight: Vec<f32>,
    pub(crate) decoder_weight: Vec<f32>,
    pub(crate) decoder_bias: Vec<f32>,
}

impl Layers {
    pub(crate) fn draw(genes: usize, first: usize, last: usize, chance: &mut Chance) -> Self {
        let (encoder, decoder) = ((genes as f64).sqrt().recip(), (last as f64).sqrt().recip());
        Self {
            genes,
            first,
            last,
            encoder_weight: chance.signed(genes * first, encoder),
            decoder_weight: chance.signed(genes * last, decoder),
            decoder_bias: chance.signed(genes, decoder),
        }
    }

    pub(crate) fn init(&self) -> GeneLayersInit<'_> {
        GeneLayersInit {
            genes: self.genes,
            first: self.first,
            last: self.last,
            encoder_weight: &self.encoder_weight,
            decoder_weight: &self.decoder_weight,
            decoder_bias: &self.decoder_bias,
        }
    }

    pub(crate) fn state(&self) -> GeneLayersState {
        let fresh = |weight: &[f32]| Moments {
            weight: weight.to_vec(),
            first: vec![0.0; weight.len()],
            second: vec![0.0; weight.len()],
        };
        GeneLayersState {
            encoder_weight: fresh(&self.encoder_weight),
            decoder_weight: fresh(&self.decoder_weight),
            decoder_bias: fresh(&self.decoder_bias),
        }
    }
}

/// What the kernels should say of one batch.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) encoded: Vec<f64>,
    pub(crate) sse: f64,
    pub(crate) squares: f64,
    pub(crate) grad_hidden: Vec<f64>,
    pub(crate) encoder_weight: Vec<f64>,
    pub(crate) decoder_weight: Vec<f64>,
    pub(crate) decoder_bias: Vec<f64>,
}

/// The textbook formulas over the dense batch.
pub(crate) fn expect(
    cells: &Cells,
    layers: &Layers,
    rows: &[u32],
    hidden: &[f32],
    grad_first: &[f32],
) -> Expected {
    let (genes, first, last) = (layers.genes, layers.first, layers.last);
    let mut expected = Expected {
        encoded: vec![0.0; rows.len() * first],
        sse: 0.0,
        squares: 0.0,
        grad_hidden: vec![0.0; rows.len() * last],
        encoder_weight: vec![0.0; genes * first],
        decoder_weight: vec![0.0; genes * last],
        decoder_bias: vec![0.0; genes],
    };
    for (cell, &row) in rows.iter().enumerate() {
        let x = cells.dense_row(row);
        let h = &hidden[cell * last..][..last];
        let grad = &grad_first[cell * first..][..first];
        for (gene, &x) in x.iter().enumerate() {
            let encoder = &layers.encoder_weight[gene * first..][..first];
            let decoder = &layers.decoder_weight[gene * last..][..last];
            for j in 0..first {
                expected.encoded[cell * first + j] += x * f64::from(encoder[j]);
                expected.encoder_weight[gene * first + j] += x * f64::from(grad[j]);
            }
            let along: f64 = h.iter().zip(decoder).map(|(&h, &w)| f64::from(h) * f64::from(w)).sum();
            let error = along + f64::from(layers.decoder_bias[gene]) - x;
            expected.sse += error * error;
            expected.squares += x * x;
            for j in 0..last {
                expected.grad_hidden[cell * last + j] += 2.0 * error * f64::from(decoder[j]);
                expected.decoder_weight[gene * last + j] += 2.0 * error * f64::from(h[j]);
            }
            expected.decoder_bias[gene] += 2.0 * error;
        }
    }
    expected
}

/// ‖found − expected‖ / ‖expected‖, or ‖found‖ where nothing is expected.
pub(crate) fn distance(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let gap: f64 = found.iter().zip(expected).map(|(&f, &e)| (f64::from(f) - e).powi(2)).sum();
    let norm: f64 = expected.iter().map(|e| e * e).sum();
    if norm == 0.0 { gap.sqrt() } else { (gap / norm).sqrt() }
}

/// Step `t` of PyTorch's Adam in `f64` on one tensor.
pub(crate) fn adam_f64(w: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], adam: &Adam, t: u64) {
    let correction1 = 1.0 - adam.beta1.powf(t as f64);
    let correction2 = 1.0 - adam.beta2.powf(t as f64);
    for i in 0..w.len() {
        m[i] = adam.beta1 * m[i] + (1.0 - adam.beta1) * g[i];
        v[i] = adam.beta2 * v[i] + (1.0 - adam.beta2) * g[i] * g[i];
        w[i] -= adam.learning_rate / correction1 * m[i] / (v[i].sqrt() / correction2.sqrt() + adam.eps);
    }
}
