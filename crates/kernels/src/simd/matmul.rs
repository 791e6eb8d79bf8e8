//! Small dense products whose right side is row-major and padded: register tiles, no packing.

use super::dispatch;
use super::lanes::Lanes;
use crate::Isa;
use crate::buffer::PAD;

/// A matrix inside a slice: entry (r, c) is at `r * row + c * column`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// Sizes of a product: rows × depth times depth × width.
type Shape = [usize; 3];

/// `out[r, c] += scale · Σ_k left[r, k] · right[k, c]`; `right` and `out` have contiguous rows, `width` is a multiple of
/// [`PAD`].
pub(crate) fn matmul(
    isa: Isa,
    shape: Shape,
    left: Operand<'_>,
    right: Operand<'_>,
    out: &mut [f32],
    out_stride: usize,
    ahead: &[f32],
) {
    let [rows, depth, width] = shape;
    if rows == 0 || depth == 0 || width == 0 {
        return;
    }
    assert!(
        width % PAD == 0 && width <= right.row && width <= out_stride && right.column == 1,
        "whole vectors"
    );
    assert!((rows - 1) * left.row + (depth - 1) * left.column < left.data.len(), "the left side is there");
    assert!((depth - 1) * right.row + width <= right.data.len(), "the right side is there");
    assert!((rows - 1) * out_stride + width <= out.len(), "the result fits");
    dispatch!(isa, kernel(shape: Shape, left: Operand<'_>, right: Operand<'_>, out: &mut [f32], out_stride: usize, ahead: &[f32]));
}

/// # Safety
/// The processor has `L`'s instructions, and the checks of [`matmul`] hold.
#[inline(always)]
unsafe fn kernel<L: Lanes>(
    [rows, depth, width]: Shape,
    left: Operand<'_>,
    right: Operand<'_>,
    out: &mut [f32],
    out_stride: usize,
    ahead: &[f32],
) {
    // A line of memory to come for every step of a tile: enough to hide the reading behind the arithmetic.
    let mut ahead = ahead.chunks(depth * PAD);
    let (a, b, c) = (left.data.as_ptr(), right.data.as_ptr(), out.as_mut_ptr());
    let steps = [left.row, left.column, right.row, out_stride];
    let mut column = 0;
    while column < width {
        let vectors = tile_width::<L>(width - column);
        let mut row = 0;
        while row < rows {
            let tall = tile_height::<L>(rows - row);
            let near = ahead.next().unwrap_or_default();
            // SAFETY: the tile lies within the shapes that `matmul` checked.
            unsafe {
                let (a, b, c) = (a.add(row * left.row), b.add(column), c.add(row * out_stride + column));
                match (tall, vectors) {
                    (8, 3) => tile::<L, 8, 3>(depth, a, b, c, steps, near),
                    (8, 2) => tile::<L, 8, 2>(depth, a, b, c, steps, near),
                    (8, _) => tile::<L, 8, 1>(depth, a, b, c, steps, near),
                    (4, 3) => tile::<L, 4, 3>(depth, a, b, c, steps, near),
                    (4, 2) => tile::<L, 4, 2>(depth, a, b, c, steps, near),
                    (4, _) => tile::<L, 4, 1>(depth, a, b, c, steps, near),
                    (_, 3) => tile::<L, 1, 3>(depth, a, b, c, steps, near),
                    (_, 2) => tile::<L, 1, 2>(depth, a, b, c, steps, near),
                    _ => tile::<L, 1, 1>(depth, a, b, c, steps, near),
                }
            }
            row += tall;
        }
        column += vectors * L::N;
    }
}

/// Vectors of the next tile, of those that `columns` still need: as many as the registers hold, but no lone one after
/// a wide tile where two middling ones do.
#[inline(always)]
fn tile_width<L: Lanes>(columns: usize) -> usize {
    let left = columns / L::N;
    if L::ACCUMULATORS >= 12 && left >= 3 && left != 4 { 3 } else { left.min(2) }
}

/// Rows of the next tile.
#[inline(always)]
fn tile_height<L: Lanes>(rows: usize) -> usize {
    match rows {
        8.. if L::ACCUMULATORS >= 24 => 8,
        4.. => 4,
        _ => 1,
    }
}

/// One register tile of `TALL` rows × `VECTORS` vectors. `steps`: left row, left column, right row, out row.
///
/// # Safety
/// The processor has `L`'s instructions; the tile exists in all three matrices.
#[inline(always)]
unsafe fn tile<L: Lanes, const TALL: usize, const VECTORS: usize>(
    depth: usize,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    [a_row, a_column, b_row, c_row]: [usize; 4],
    near: &[f32],
) {
    // SAFETY: the caller's promise; prefetching an address of a slice, or one past it, is harmless.
    unsafe {
        let mut sums = [[L::splat(0.0); VECTORS]; TALL];
        for k in 0..depth {
            L::prefetch(near.as_ptr().add((k * PAD).min(near.len())));
            let mut line = [L::splat(0.0); VECTORS];
            for (j, part) in line.iter_mut().enumerate() {
                *part = L::load(b.add(k * b_row + j * L::N));
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let x = L::splat(*a.add(i * a_row + k * a_column));
                for (sum, part) in row.iter_mut().zip(line) {
                    *sum = L::mul_add(x, part, *sum);
                }
            }
        }
        for (i, row) in sums.into_iter().enumerate() {
            for (j, sum) in row.into_iter().enumerate() {
                let at = c.add(i * c_row + j * L::N);
                L::store(at, L::add(L::load(at), sum));
            }
        }
    }
}

/// `out[i, j] += Σ_r rows[r, i] · rows[r, j]` for `j >= i` at least (`width × width`, row-major): the caller mirrors it.
pub(crate) fn gram_upper(
    isa: Isa,
    n: usize,
    rows: &[f32],
    stride: usize,
    width: usize,
    out: &mut [f32],
    ahead: &[f32],
) {
    if n == 0 {
        return;
    }
    let mut ahead = ahead.chunks((ahead.len().div_ceil(width / PAD)).next_multiple_of(PAD).max(PAD));
    // Stripes of 16 rows, each from its own diagonal on.
    for top in (0..width).step_by(PAD) {
        let left = Operand { data: &rows[top..], row: 1, column: stride };
        let right = Operand { data: &rows[top..], row: stride, column: 1 };
        let near = ahead.next().unwrap_or_default();
        matmul(isa, [PAD, n, width - top], left, right, &mut out[top * width + top..], width, near);
    }
}
