//! Weights and moments as they cross the crate's border: plain rows in the caller's order of genes.

use crate::KernelError;
use crate::error::check_length;

/// Widest layer the kernels take.
pub(crate) const MAX_WIDTH: usize = 1 << 16;

/// Initial weights of the two gene layers, gene-major.
#[derive(Debug, Clone, Copy)]
pub struct GeneLayersInit<'a> {
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
    /// `genes`.
    pub decoder_bias: &'a [f32],
}

impl GeneLayersInit<'_> {
    /// Checks sizes and lengths.
    pub(crate) fn check(&self) -> Result<(), KernelError> {
        let sizes = [
            ("the number of genes", self.genes, i32::MAX as usize),
            ("the width of the first layer", self.first, MAX_WIDTH),
            ("the width of the last hidden layer", self.last, MAX_WIDTH),
        ];
        for (what, found, max) in sizes {
            if !(1..=max).contains(&found) {
                return Err(KernelError::Size { what, found, min: 1, max });
            }
        }
        check_length("encoder_weight", self.encoder_weight.len(), self.genes * self.first)?;
        check_length("decoder_weight", self.decoder_weight.len(), self.genes * self.last)?;
        check_length("decoder_bias", self.decoder_bias.len(), self.genes)
    }
}

/// One tensor with Adam's two moments, all of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Moments {
    /// The parameter.
    pub weight: Vec<f32>,
    /// Running mean of the gradient.
    pub first: Vec<f32>,
    /// Running mean of the squared gradient.
    pub second: Vec<f32>,
}

impl Moments {
    /// Zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { weight: vec![0.0; len], first: vec![0.0; len], second: vec![0.0; len] }
    }

    pub(crate) fn check(&self, what: &'static str, len: usize) -> Result<(), KernelError> {
        [&self.weight, &self.first, &self.second]
            .into_iter()
            .try_for_each(|tensor| check_length(what, tensor.len(), len))
    }
}

/// Everything a checkpoint needs of the gene layers, in the order of genes of [`GeneLayersInit`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GeneLayersState {
    /// `genes × first`.
    pub encoder_weight: Moments,
    /// `genes × last`.
    pub decoder_weight: Moments,
    /// `genes`.
    pub decoder_bias: Moments,
}

impl GeneLayersState {
    /// Checks the lengths against a shape.
    pub(crate) fn check(&self, genes: usize, first: usize, last: usize) -> Result<(), KernelError> {
        self.encoder_weight.check("encoder_weight", genes * first)?;
        self.decoder_weight.check("decoder_weight", genes * last)?;
        self.decoder_bias.check("decoder_bias", genes)
    }
}
