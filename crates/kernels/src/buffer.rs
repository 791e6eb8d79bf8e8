//! Memory for the kernels: `f32` slices that start at a cache line, so that no vector load straddles two lines; how many
//! genes are worked on together; rows with padding. No arithmetic.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

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

/// Buffers from this size on ask for huge pages: a pass over all weights and moments then walks the page table once
/// every two megabytes, not once every four kilobytes.
const HUGE_BYTES: usize = 4 << 20;

/// A zeroed `f32` buffer whose first entry is aligned to 64 bytes. It keeps its length for life.
#[derive(Debug)]
pub(crate) struct Aligned {
    storage: Storage,
    start: usize,
    len: usize,
}

/// Where a buffer's bytes live.
#[derive(Debug)]
enum Storage {
    /// Ordinary memory.
    Heap(Vec<f32>),
    /// Pages of its own, for which huge ones were asked.
    Pages(MmapMut),
}

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        if let Some(pages) = huge_pages(len * size_of::<f32>()) {
            // A page starts at a cache line.
            return Self { storage: Storage::Pages(pages), start: 0, len };
        }
        let slack = ALIGN_BYTES / size_of::<f32>();
        let storage = vec![0.0_f32; len + slack];
        let offset = storage.as_ptr().align_offset(ALIGN_BYTES);
        // `align_offset` may decline (it never does in practice): an unaligned buffer is slower, not wrong.
        let start = if offset <= slack { offset } else { 0 };
        Self { storage: Storage::Heap(storage), start, len }
    }
}

/// Zeroed pages for a large buffer. `None` for a small one, and where the system has none to give: ordinary memory
/// serves as well, only slower.
fn huge_pages(bytes: usize) -> Option<MmapMut> {
    if bytes < HUGE_BYTES {
        return None;
    }
    let pages = MmapMut::map_anon(bytes).ok()?;
    // A wish: a kernel without huge pages refuses it, and the pages serve all the same.
    #[cfg(target_os = "linux")]
    let _ = pages.advise(memmap2::Advice::HugePage);
    Some(pages)
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.storage {
            Storage::Heap(storage) => &storage[self.start..self.start + self.len],
            Storage::Pages(pages) => &bytemuck::cast_slice(pages)[..self.len],
        }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        match &mut self.storage {
            Storage::Heap(storage) => &mut storage[self.start..self.start + self.len],
            Storage::Pages(pages) => &mut bytemuck::cast_slice_mut(pages)[..self.len],
        }
    }
}

/// Copies dense rows into padded ones; the padding is left alone.
pub(crate) fn pack(rows: &[f32], width: usize, out: &mut [f32], stride: usize) {
    for (to, from) in out.chunks_exact_mut(stride).zip(rows.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
}
