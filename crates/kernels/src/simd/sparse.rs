//! A few lines of a sparse matrix times a table of dense rows: every line's sum stays in registers.

use super::dispatch;
use super::lanes::Lanes;
use crate::Isa;
use crate::batch::{Entry, Lists};
use crate::buffer::PAD;

/// `out[l] = Σ_i value_i · table[index_i]` for each line `l` of `lines`, over `width` columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SparseProduct<'a> {
    pub(crate) lists: &'a Lists,
    /// Lines of `lists` to do; line `lines.0` goes to row 0 of the output.
    pub(crate) lines: (usize, usize),
    /// Dense rows, `stride` apart.
    pub(crate) table: &'a [f32],
    pub(crate) stride: usize,
    /// Columns, a multiple of [`PAD`].
    pub(crate) width: usize,
    /// Whether to add to what the output holds.
    pub(crate) add: bool,
    /// Memory to bring near meanwhile, evenly over the lines: what the caller reads next.
    pub(crate) ahead: &'a [f32],
}

/// Writes the product to `out`, rows `out_stride` apart.
pub(crate) fn sparse_product(isa: Isa, product: SparseProduct<'_>, out: &mut [f32], out_stride: usize) {
    let SparseProduct { lists, lines: (from, to), table, stride, width, .. } = product;
    assert!(from <= to && to <= lists.lines(), "lines exist");
    assert!(width % PAD == 0 && width <= stride && width <= out_stride, "columns fit the rows");
    assert!(
        lists.bound() == 0 || (lists.bound() - 1) * stride + width <= table.len(),
        "every index has a row"
    );
    assert!(from == to || (to - from - 1) * out_stride + width <= out.len(), "every line has a place");
    dispatch!(isa, kernel(product: SparseProduct<'_>, out: &mut [f32], out_stride: usize));
}

/// # Safety
/// The processor has `L`'s instructions, and the checks of [`sparse_product`] hold.
#[inline(always)]
unsafe fn kernel<L: Lanes>(product: SparseProduct<'_>, out: &mut [f32], out_stride: usize) {
    let out = out.as_mut_ptr();
    let add = product.add;
    let share =
        product.ahead.len().div_ceil((product.lines.1 - product.lines.0).max(1)).next_multiple_of(PAD);
    let mut ahead = product.ahead.chunks(share.max(PAD));
    for line in product.lines.0..product.lines.1 {
        let entries = product.lists.line(line);
        for far in ahead.next().unwrap_or_default().chunks(PAD) {
            // SAFETY: a prefetch of a valid address.
            unsafe { L::prefetch(far.as_ptr()) };
        }
        let mut column = 0;
        // SAFETY: column + vectors·N never exceeds `width` (a multiple of 16, and N divides 16), and `sparse_product`
        // checked that `width` columns of every row exist on both sides.
        unsafe {
            let row = out.add((line - product.lines.0) * out_stride);
            let table = product.table.as_ptr();
            while column + 16 * L::N <= product.width && L::ACCUMULATORS >= 16 {
                accumulate::<L, 16>(entries, table.add(column), product.stride, row.add(column), add);
                column += 16 * L::N;
            }
            while column + 8 * L::N <= product.width {
                accumulate::<L, 8>(entries, table.add(column), product.stride, row.add(column), add);
                column += 8 * L::N;
            }
            while column + 4 * L::N <= product.width {
                accumulate::<L, 4>(entries, table.add(column), product.stride, row.add(column), add);
                column += 4 * L::N;
            }
            while column < product.width {
                accumulate::<L, 1>(entries, table.add(column), product.stride, row.add(column), add);
                column += L::N;
            }
        }
    }
}

/// # Safety
/// The processor has `L`'s instructions; `VECTORS · N` entries exist at `out` and at every indexed row of `table`.
#[inline(always)]
unsafe fn accumulate<L: Lanes, const VECTORS: usize>(
    entries: &[Entry],
    table: *const f32,
    stride: usize,
    out: *mut f32,
    add: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [L::splat(0.0); VECTORS];
        if add {
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum = L::load(out.add(j * L::N));
            }
        }
        for entry in entries {
            let row = table.add(entry.index as usize * stride);
            let x = L::splat(entry.value);
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum = L::mul_add(x, L::load(row.add(j * L::N)), *sum);
            }
        }
        for (j, sum) in sums.into_iter().enumerate() {
            L::store(out.add(j * L::N), sum);
        }
    }
}
