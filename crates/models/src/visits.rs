//! The order in which an epoch visits its cells: a shuffle of all of them, or, where the matrix may not fit in memory,
//! of blocks of neighbouring cells, so that a mapped file is read in long runs and not a page a cell.
//!
//! Must not live here: the streams themselves, and what is done with a cell.

use crate::streams::Stream;

/// Sizes by which the order is made. Part of a trial's numbers: they depend on the data set alone, never on the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visits {
    /// A matrix of up to so many bytes is shuffled cell by cell.
    small_bytes: u64,
    /// A block of neighbouring cells has about so many bytes: read in one go, a seek costs little beside it.
    block_bytes: u64,
    /// So many blocks, drawn from anywhere, are mixed cell by cell.
    window_blocks: usize,
}

impl Visits {
    /// 8 GiB of indices and values are a billion non-zeros, half a million cells of 2,000 genes each: less than that fits
    /// beside the page cache of any machine on which such data is trained. Beyond, windows of 1,024 blocks of 1 MiB.
    pub(crate) const USUAL: Self = Self { small_bytes: 8 << 30, block_bytes: 1 << 20, window_blocks: 1024 };

    /// The numbers 0..cells, each once, for cells that take `bytes` in all. Equal streams give equal orders.
    ///
    /// For large data the order is: blocks of consecutive cells in random order; then, window by window, the cells of so
    /// many blocks in random order. A batch therefore holds cells of up to `window_blocks` places of the file.
    pub(crate) fn order(&self, cells: usize, bytes: u64, stream: &mut Stream) -> Vec<u32> {
        if bytes <= self.small_bytes {
            return stream.permutation(cells as u32);
        }
        let block_cells = (cells as u128 * u128::from(self.block_bytes) / u128::from(bytes)).max(1) as usize;
        let blocks = stream.permutation(cells.div_ceil(block_cells) as u32);
        let mut order = Vec::with_capacity(cells);
        for window in blocks.chunks(self.window_blocks) {
            let of_block = |&block: &u32| {
                let start = block as usize * block_cells;
                start as u32..(start + block_cells).min(cells) as u32
            };
            let near: Vec<u32> = window.iter().flat_map(of_block).collect();
            let mixed = stream.permutation(near.len() as u32);
            order.extend(mixed.into_iter().map(|position| near[position as usize]));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Visits;
    use crate::streams::Streams;

    const SMALL: Visits = Visits { small_bytes: 1000, block_bytes: 100, window_blocks: 4 };

    fn order(visits: Visits, cells: usize, bytes: u64, epoch: u64) -> Vec<u32> {
        visits.order(cells, bytes, &mut Streams::new(7).open("shuffle", epoch))
    }

    #[test]
    fn data_that_fits_is_shuffled_cell_by_cell_as_ever() {
        let all = Streams::new(7).open("shuffle", 1).permutation(50);
        assert_eq!(order(SMALL, 50, 1000, 1), all);
        assert_eq!(order(Visits::USUAL, 50, 8 << 30, 1), all);
        assert_ne!(order(SMALL, 50, 1001, 1), all);
    }

    #[test]
    fn every_cell_is_visited_once_whatever_the_sizes() {
        for cells in [1, 2, 9, 10, 11, 997] {
            for bytes in [1001, 5000, 99_700, u64::MAX] {
                let mut visited = order(SMALL, cells, bytes, 1);
                visited.sort_unstable();
                assert!(visited.into_iter().eq(0..cells as u32), "{cells} cells of {bytes} bytes");
            }
        }
        assert!(order(SMALL, 0, 5000, 1).is_empty());
    }

    #[test]
    fn a_window_reads_few_places_of_the_file_and_epochs_differ() {
        // 1,000 cells of 10 bytes: blocks of ten cells, windows of forty.
        let visited = order(SMALL, 1000, 10_000, 1);
        for window in visited.chunks(40) {
            let blocks: BTreeSet<u32> = window.iter().map(|cell| cell / 10).collect();
            assert_eq!(blocks.len(), 4);
            assert!(!window.is_sorted(), "cells of a window are mixed");
        }
        let firsts: BTreeSet<u32> = visited.chunks(40).map(|window| window[0] / 10).collect();
        assert!(firsts.len() > 10, "windows come from all over the file");
        assert_ne!(visited, order(SMALL, 1000, 10_000, 2));
        assert_eq!(visited, order(SMALL, 1000, 10_000, 1));
    }
}
