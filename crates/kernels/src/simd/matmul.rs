//! Small dense products whose right side is row-major and padded: register tiles, no packing.

use std::mem::MaybeUninit;

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

/// Depth of one pass: a panel of three vectors as deep stays in the first level of cache.
const DEPTH: usize = 192;

/// Rows from which on copying a panel costs less than reading it where its lines crowd a few sets of the cache.
const WORTH_PACKING: usize = 64;

/// Rows so many entries apart, or a multiple, fall into a quarter of the cache's sets or fewer.
const CROWDING: usize = 64;

/// Room for a panel of the widest vectors.
#[repr(C, align(64))]
struct Panel(MaybeUninit<[f32; DEPTH * 3 * PAD]>);

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
    let mut ahead = ahead.chunks(depth.min(DEPTH) * PAD);
    let (a, b, c) = (left.data.as_ptr(), right.data.as_ptr(), out.as_mut_ptr());
    let crowded = rows >= WORTH_PACKING && right.row.is_multiple_of(CROWDING);
    let mut packed = Panel(MaybeUninit::uninit());
    for from in (0..depth).step_by(DEPTH) {
        let depth = DEPTH.min(depth - from);
        let mut column = 0;
        while column < width {
            let vectors = tile_width::<L>(width - column);
            // SAFETY: the panel lies within the right side, as `matmul` checked, and `packed` holds DEPTH rows of three
            // vectors.
            let (b, b_row) = unsafe {
                let panel = b.add(from * right.row + column);
                if crowded {
                    let to = packed.0.as_mut_ptr().cast::<f32>();
                    pack::<L>(depth, vectors, panel, right.row, to);
                    (to.cast_const(), vectors * L::N)
                } else {
                    (panel, right.row)
                }
            };
            let steps = [left.row, left.column, b_row, out_stride];
            let mut row = 0;
            while row < rows {
                let tall = tile_height::<L>(rows - row);
                let near = ahead.next().unwrap_or_default();
                // SAFETY: the tile lies within the shapes that `matmul` checked.
                unsafe {
                    let a = a.add(row * left.row + from * left.column);
                    let c = c.add(row * out_stride + column);
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
}

/// Copies `depth` rows of `vectors` vectors side by side.
///
/// # Safety
/// The processor has `L`'s instructions; the rows exist at `from`, and room for them at `to`.
#[inline(always)]
unsafe fn pack<L: Lanes>(depth: usize, vectors: usize, from: *const f32, stride: usize, to: *mut f32) {
    for k in 0..depth {
        for j in 0..vectors {
            // SAFETY: the caller's promise.
            unsafe { L::store(to.add((k * vectors + j) * L::N), L::load(from.add(k * stride + j * L::N))) };
        }
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
        // With nothing to bring near, ask for what is near: a prefetch of no page costs a walk through the page table.
        let (near, lines) = if near.is_empty() { (b, 0) } else { (near.as_ptr(), near.len()) };
        let mut sums = [[L::splat(0.0); VECTORS]; TALL];
        for k in 0..depth {
            L::prefetch(near.add((k * PAD).min(lines)));
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

/// `out[i, j] += Σ_r rows[r, i] · rows[r, j]` for `j >= i` at least (rows of `out` are `out_stride` apart): the caller mirrors it.
pub(crate) fn gram_upper(
    isa: Isa,
    [n, width]: [usize; 2],
    rows: &[f32],
    stride: usize,
    out: &mut [f32],
    out_stride: usize,
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
        matmul(isa, [PAD, n, width - top], left, right, &mut out[top * out_stride + top..], out_stride, near);
    }
}
