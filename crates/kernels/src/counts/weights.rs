//! What the gene layers of counts are made of, inside and at the crate's border: tables of padded rows, one a gene, and
//! vectors with one number a gene, each with Adam's moments. Natural order of genes. No arithmetic of a model.

use std::ops::Range;

use crate::KernelError;
use crate::adam::Adam;
use crate::buffer::{Aligned, padded};
use crate::error::check_length;
use crate::isa::Isa;
use crate::simd::{self, AdamScalars};
use crate::state::{MAX_WIDTH, Moments};

/// How a mean follows from a logit ℓ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeanForm {
    /// μ_cg = L_c · exp(ℓ_cg) / Σ_h exp(ℓ_ch): shares of the cell's size.
    Softmax,
    /// μ_cg = L_c · exp(ℓ_cg): each gene for itself.
    Exp,
}

/// Batch normalisation of each gene's logits (Ioffe & Szegedy 2015), with a learned scale (first 1) and shift (first 0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeneNorm {
    /// Added to the variance.
    pub eps: f32,
    /// Share of the newest batch in the running mean and variance.
    pub momentum: f32,
}

/// Initial values, gene-major.
#[derive(Debug, Clone, Copy)]
pub struct CountInit<'a> {
    /// Number of genes, at least 1.
    pub genes: usize,
    /// Width of the encoder's first layer, 1..=65,536.
    pub first: usize,
    /// Width of the decoder's last hidden layer, 1..=65,536.
    pub last: usize,
    /// `genes × first`.
    pub encoder_weight: &'a [f32],
    /// `genes × last`.
    pub decoder_weight: &'a [f32],
    /// `genes`, or none for a decoder without.
    pub decoder_bias: Option<&'a [f32]>,
    /// ln θ, `genes`.
    pub log_dispersion: &'a [f32],
    /// Norm of the logits, where there is one.
    pub gene_norm: Option<GeneNorm>,
    /// How means follow from logits.
    pub mean_form: MeanForm,
}

/// Scale, shift and running statistics of the norm of the logits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GeneNormState {
    /// Learned.
    pub scale: Moments,
    /// Learned.
    pub shift: Moments,
    /// Not learned.
    pub running_mean: Vec<f32>,
    /// Not learned.
    pub running_variance: Vec<f32>,
}

/// Everything a checkpoint needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CountState {
    /// `genes × first`.
    pub encoder_weight: Moments,
    /// `genes × last`.
    pub decoder_weight: Moments,
    /// `genes`.
    pub decoder_bias: Option<Moments>,
    /// `genes`.
    pub log_dispersion: Moments,
    /// Where the logits are normalised.
    pub gene_norm: Option<GeneNormState>,
}

/// Gradients by everything learned, in the shapes of [`CountState`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CountGradients {
    /// `genes × first`.
    pub encoder_weight: Vec<f32>,
    /// `genes × last`.
    pub decoder_weight: Vec<f32>,
    /// `genes`.
    pub decoder_bias: Option<Vec<f32>>,
    /// `genes`.
    pub log_dispersion: Vec<f32>,
    /// Scale and shift of the norm of the logits.
    pub gene_norm: Option<(Vec<f32>, Vec<f32>)>,
}

/// One step of Adam, with an L2 penalty's gradient `decay`·w added to each gradient first (PyTorch's `weight_decay`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    isa: Isa,
    scalars: AdamScalars,
    decay: f32,
}

impl Update {
    pub(super) fn new(isa: Isa, adam: &Adam, decay: f64, t: u64) -> Self {
        Self { isa, scalars: adam.scalars(t), decay: decay as f32 }
    }

    fn apply(&self, weight: &mut [f32], grad: &mut [f32], mean: &mut [f32], square: &mut [f32]) {
        if self.decay != 0.0 {
            grad.iter_mut().zip(&*weight).for_each(|(grad, weight)| *grad += self.decay * weight);
        }
        simd::adam(self.isa, weight, grad, mean, square, &self.scalars);
    }
}

/// Rows of one width, padded with zeros to whole vectors, with moments.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) width: usize,
    pub(super) stride: usize,
    pub(super) weight: Aligned,
    mean: Aligned,
    square: Aligned,
}

impl Table {
    fn new(rows: usize, width: usize, values: &[f32]) -> Self {
        let stride = padded(width);
        let zeros = || Aligned::zeros(rows * stride);
        let mut weight = zeros();
        crate::buffer::pack(values, width, &mut weight, stride);
        Self { width, stride, weight, mean: zeros(), square: zeros() }
    }

    /// The entries of some rows, padding included.
    fn span(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.stride..rows.end * self.stride
    }

    pub(super) fn rows(&self, rows: &Range<usize>) -> &[f32] {
        &self.weight[self.span(rows)]
    }

    /// Updates some rows by their gradients, padding included.
    pub(super) fn update(&mut self, rows: &Range<usize>, grad: &mut [f32], update: &Update) {
        let span = self.span(rows);
        let (mean, square) = (&mut self.mean[span.clone()], &mut self.square[span.clone()]);
        update.apply(&mut self.weight[span], grad, mean, square);
    }

    fn export(&self) -> Moments {
        let plain = |rows: &[f32]| unpadded(rows, self.width, self.stride);
        Moments { weight: plain(&self.weight), first: plain(&self.mean), second: plain(&self.square) }
    }

    fn import(&mut self, state: &Moments) {
        crate::buffer::pack(&state.weight, self.width, &mut self.weight, self.stride);
        crate::buffer::pack(&state.first, self.width, &mut self.mean, self.stride);
        crate::buffer::pack(&state.second, self.width, &mut self.square, self.stride);
    }
}

/// Padded rows without their padding.
pub(super) fn unpadded(rows: &[f32], width: usize, stride: usize) -> Vec<f32> {
    rows.chunks_exact(stride).flat_map(|row| &row[..width]).copied().collect()
}

/// A number a gene, learned.
pub(super) fn update_line(line: &mut Moments, grad: &mut [f32], update: &Update) {
    update.apply(&mut line.weight, grad, &mut line.first, &mut line.second);
}

fn line(values: Vec<f32>) -> Moments {
    let zeros = vec![0.0; values.len()];
    Moments { weight: values, first: zeros.clone(), second: zeros }
}

/// The norm of the logits.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) spec: GeneNorm,
    pub(super) state: GeneNormState,
}

/// Everything learned, and the running statistics.
#[derive(Debug)]
pub(super) struct CountWeights {
    pub(super) genes: usize,
    pub(super) mean_form: MeanForm,
    pub(super) encoder: Table,
    pub(super) decoder: Table,
    pub(super) bias: Option<Moments>,
    pub(super) log_dispersion: Moments,
    pub(super) norm: Option<Norm>,
}

impl CountWeights {
    /// Takes over checked initial values; moments are zero.
    pub(super) fn new(init: &CountInit<'_>) -> Result<Self, KernelError> {
        let sizes = [
            ("the number of genes", init.genes, i32::MAX as usize),
            ("the width of the first layer", init.first, MAX_WIDTH),
            ("the width of the last hidden layer", init.last, MAX_WIDTH),
        ];
        for (what, found, max) in sizes {
            if !(1..=max).contains(&found) {
                return Err(KernelError::Size { what, found, min: 1, max });
            }
        }
        let genes = init.genes;
        check_length("encoder_weight", init.encoder_weight.len(), genes * init.first)?;
        check_length("decoder_weight", init.decoder_weight.len(), genes * init.last)?;
        check_length("log_dispersion", init.log_dispersion.len(), genes)?;
        init.decoder_bias.map_or(Ok(()), |bias| check_length("decoder_bias", bias.len(), genes))?;
        let norm = init.gene_norm.map(|spec| Norm {
            spec,
            state: GeneNormState {
                scale: line(vec![1.0; genes]),
                shift: line(vec![0.0; genes]),
                running_mean: vec![0.0; genes],
                running_variance: vec![1.0; genes],
            },
        });
        Ok(Self {
            genes,
            mean_form: init.mean_form,
            encoder: Table::new(genes, init.first, init.encoder_weight),
            decoder: Table::new(genes, init.last, init.decoder_weight),
            bias: init.decoder_bias.map(|bias| line(bias.to_vec())),
            log_dispersion: line(init.log_dispersion.to_vec()),
            norm,
        })
    }

    pub(super) fn export(&self) -> CountState {
        CountState {
            encoder_weight: self.encoder.export(),
            decoder_weight: self.decoder.export(),
            decoder_bias: self.bias.clone(),
            log_dispersion: self.log_dispersion.clone(),
            gene_norm: self.norm.as_ref().map(|norm| norm.state.clone()),
        }
    }

    /// Takes over a state of the same shape; nothing has changed when it is of another.
    pub(super) fn import(&mut self, state: &CountState) -> Result<(), KernelError> {
        let genes = self.genes;
        state.encoder_weight.check("encoder_weight", genes * self.encoder.width)?;
        state.decoder_weight.check("decoder_weight", genes * self.decoder.width)?;
        state.log_dispersion.check("log_dispersion", genes)?;
        check_length("decoder_bias", count(&state.decoder_bias), count(&self.bias))?;
        check_length("gene_norm", count(&state.gene_norm), count(&self.norm))?;
        if let Some(bias) = &state.decoder_bias {
            bias.check("decoder_bias", genes)?;
        }
        if let Some(norm) = &state.gene_norm {
            norm.scale.check("the norm's scale", genes)?;
            norm.shift.check("the norm's shift", genes)?;
            check_length("the norm's running mean", norm.running_mean.len(), genes)?;
            check_length("the norm's running variance", norm.running_variance.len(), genes)?;
        }
        self.encoder.import(&state.encoder_weight);
        self.decoder.import(&state.decoder_weight);
        self.log_dispersion = state.log_dispersion.clone();
        self.bias.clone_from(&state.decoder_bias);
        if let (Some(norm), Some(state)) = (&mut self.norm, &state.gene_norm) {
            norm.state = state.clone();
        }
        Ok(())
    }
}

fn count<T>(part: &Option<T>) -> usize {
    usize::from(part.is_some())
}
