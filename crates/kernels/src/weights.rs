//! The two gene layers in memory: genes by falling density, the encoder's and the decoder's row of a gene side by side,
//! both padded to whole vectors. Layout and conversion only; what is computed with it is in `gram` and `residual`.

use crate::buffer::{Aligned, padded};
use crate::state::{GeneLayersInit, GeneLayersState, Moments};

/// Sizes of the gene layers, true and padded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) genes: usize,
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// Columns of a row that belong to the encoder; the decoder's start here.
    pub(crate) first_padded: usize,
    /// Columns of a row that belong to the decoder.
    pub(crate) last_padded: usize,
    /// Distance between rows.
    pub(crate) stride: usize,
}

impl Shape {
    pub(crate) fn new(genes: usize, first: usize, last: usize) -> Self {
        let (first_padded, last_padded) = (padded(first), padded(last));
        Self { genes, first, last, first_padded, last_padded, stride: first_padded + last_padded }
    }
}

/// Weights and moments. Row `p` belongs to the gene at internal position `p`; padding is zero and stays zero, since its
/// gradient is.
#[derive(Debug)]
pub(crate) struct Weights {
    pub(crate) shape: Shape,
    pub(crate) weight: Aligned,
    pub(crate) mean: Aligned,
    pub(crate) square: Aligned,
    pub(crate) bias: Vec<f32>,
    pub(crate) bias_mean: Vec<f32>,
    pub(crate) bias_square: Vec<f32>,
}

impl Weights {
    /// Copies checked initial weights into the internal order; moments are zero.
    pub(crate) fn new(init: &GeneLayersInit<'_>, gene_at: &[u32]) -> Self {
        let shape = Shape::new(init.genes, init.first, init.last);
        let zeros = || Aligned::zeros(shape.genes * shape.stride);
        let mut weight = zeros();
        scatter(&shape, gene_at, [init.encoder_weight, init.decoder_weight], &mut weight);
        let bias = gene_at.iter().map(|&gene| init.decoder_bias[gene as usize]).collect();
        Self {
            shape,
            weight,
            mean: zeros(),
            square: zeros(),
            bias,
            bias_mean: vec![0.0; shape.genes],
            bias_square: vec![0.0; shape.genes],
        }
    }

    /// Everything, in the caller's order of genes.
    pub(crate) fn export(&self, gene_at: &[u32]) -> GeneLayersState {
        let mut state = GeneLayersState {
            encoder_weight: Moments::zeros(self.shape.genes * self.shape.first),
            decoder_weight: Moments::zeros(self.shape.genes * self.shape.last),
            decoder_bias: Moments::zeros(self.shape.genes),
        };
        let (encoder, decoder, bias) =
            (&mut state.encoder_weight, &mut state.decoder_weight, &mut state.decoder_bias);
        gather(&self.shape, gene_at, &self.weight, [&mut encoder.weight, &mut decoder.weight]);
        gather(&self.shape, gene_at, &self.mean, [&mut encoder.first, &mut decoder.first]);
        gather(&self.shape, gene_at, &self.square, [&mut encoder.second, &mut decoder.second]);
        for (position, &gene) in gene_at.iter().enumerate() {
            bias.weight[gene as usize] = self.bias[position];
            bias.first[gene as usize] = self.bias_mean[position];
            bias.second[gene as usize] = self.bias_square[position];
        }
        state
    }

    /// Takes over a checked state.
    pub(crate) fn import(&mut self, state: &GeneLayersState, gene_at: &[u32]) {
        let (encoder, decoder, bias) = (&state.encoder_weight, &state.decoder_weight, &state.decoder_bias);
        scatter(&self.shape, gene_at, [&encoder.weight, &decoder.weight], &mut self.weight);
        scatter(&self.shape, gene_at, [&encoder.first, &decoder.first], &mut self.mean);
        scatter(&self.shape, gene_at, [&encoder.second, &decoder.second], &mut self.square);
        for (position, &gene) in gene_at.iter().enumerate() {
            self.bias[position] = bias.weight[gene as usize];
            self.bias_mean[position] = bias.first[gene as usize];
            self.bias_square[position] = bias.second[gene as usize];
        }
    }
}

/// Caller's order -> internal rows.
fn scatter(shape: &Shape, gene_at: &[u32], [encoder, decoder]: [&[f32]; 2], rows: &mut [f32]) {
    for (row, &gene) in rows.chunks_exact_mut(shape.stride).zip(gene_at) {
        let gene = gene as usize;
        row[..shape.first].copy_from_slice(&encoder[gene * shape.first..][..shape.first]);
        row[shape.first_padded..][..shape.last].copy_from_slice(&decoder[gene * shape.last..][..shape.last]);
    }
}

/// Internal rows -> caller's order.
pub(crate) fn gather(shape: &Shape, gene_at: &[u32], rows: &[f32], [encoder, decoder]: [&mut [f32]; 2]) {
    for (row, &gene) in rows.chunks_exact(shape.stride).zip(gene_at) {
        let gene = gene as usize;
        encoder[gene * shape.first..][..shape.first].copy_from_slice(&row[..shape.first]);
        decoder[gene * shape.last..][..shape.last].copy_from_slice(&row[shape.first_padded..][..shape.last]);
    }
}
