//! Memory for the kernels: `f32` slices that start at a cache line, so that no vector load straddles two lines; how many
//! genes are worked on together; rows with padding. No arithmetic.

use std::ops::{Deref, DerefMut};

/// Genes whose gradients, weights and moments are worked on together: they fit in the first two levels of cache.
pub(crate) const BLOCK: usize = 64;

/// Bytes of a cache line, and of the widest vector.
const ALIGN_BYTES: usize = 64;

/// Widths are padded to this many `f32`: one AVX-512 vector, two of AVX2.
pub(crate) const PAD: usize = 16;

/// `width` rounded up to whole vectors.
pub(crate) fn padded(width: usize) -> usize {
    width.next_multiple_of(PAD)
}

/// A zeroed `f32` buffer whose first entry is aligned to 64 bytes. It keeps its length for life.
#[derive(Debug)]
pub(crate) struct Aligned {
    storage: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let slack = ALIGN_BYTES / size_of::<f32>();
        let storage = vec![0.0_f32; len + slack];
        let offset = storage.as_ptr().align_offset(ALIGN_BYTES);
        // `align_offset` may decline (it never does in practice): an unaligned buffer is slower, not wrong.
        let start = if offset <= slack { offset } else { 0 };
        Self { storage, start, len }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

/// Copies dense rows into padded ones; the padding is left alone.
pub(crate) fn pack(rows: &[f32], width: usize, out: &mut [f32], stride: usize) {
    for (to, from) in out.chunks_exact_mut(stride).zip(rows.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
}
