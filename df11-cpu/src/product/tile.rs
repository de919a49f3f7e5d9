//! Many inputs: a few rows are unpacked into the cache, then multiplied with every input.
//!
//! ```text
//! tile:  for each vector of a group, for each row, that vector of every group
//! x:     for each input, for each vector of a group, that vector of every group
//! sums:  for each input, for each row, the 64 partial sums
//! ```
//!
//! So the sums of a step (one vector, `R` rows, `B` inputs) stay in registers over a whole row, and
//! the part of the tile that they read stays in the first-level cache over all inputs.

use super::rows::Rows;
use super::vectors::{GROUP, Vectors};

/// Prefetched this many bytes ahead while rows are unpacked.
const AHEAD: usize = 8 << 10;

/// Values of a tile of `rows` rows, and of its sums.
pub(crate) const fn scratch(rows: usize, groups: usize, batch: usize) -> usize {
    rows * groups * GROUP + rows * batch * GROUP
}

/// The products of up to `R` rows from `first` on with `batch` prepared inputs. `out` takes row,
/// input and sum.
///
/// # Safety
/// The rows are there, `x` is prepared for their columns, and the level's features are there.
#[inline(always)]
pub(crate) unsafe fn tile<V: Vectors<N>, S: Rows<V, N>, const N: usize, const R: usize>(
    rows: &S,
    range: core::ops::Range<usize>,
    x: &[f32],
    batch: usize,
    scratch: &mut [f32],
    mut out: impl FnMut(usize, usize, f32),
) {
    let groups = rows.columns().div_ceil(GROUP);
    let vectors = groups * (GROUP / N);
    let (tile, sums) = scratch.split_at_mut(R * groups * GROUP);
    let sums = &mut sums[..R * batch * GROUP];
    assert!(range.len() <= R && x.len() == batch * groups * GROUP, "prepared for these columns");
    // SAFETY: the lengths are checked above, indices stay below them; the caller has the features.
    unsafe {
        for row in 0..range.len() {
            unpack::<V, S, N>(rows, range.start + row, groups, |at, group, vector| {
                V::store(tile.as_mut_ptr().add((at * R + row) * vectors + group * (GROUP / N)), vector);
            });
        }
        for at in 0..N {
            let w = tile.as_ptr().add(at * R * vectors);
            let mut input = 0;
            while input < batch {
                let x = x.as_ptr().add((input * N + at) * vectors);
                let sums = sums.as_mut_ptr().add(input * R * GROUP + at * (GROUP / N));
                let step = (batch - input).min(4);
                match step {
                    4 => multiply::<V, N, R, 4>(w, x, vectors, groups, sums),
                    3 => multiply::<V, N, R, 3>(w, x, vectors, groups, sums),
                    2 => multiply::<V, N, R, 2>(w, x, vectors, groups, sums),
                    _ => multiply::<V, N, R, 1>(w, x, vectors, groups, sums),
                }
                input += step;
            }
        }
        for input in 0..batch {
            for row in 0..range.len() {
                let sums = sums.as_ptr().add((input * R + row) * GROUP);
                let sums = core::array::from_fn(|at| V::load(sums.add(at * (GROUP / N))));
                out(range.start + row, input, V::fold(sums));
            }
        }
    }
}

/// Gives the vectors of every group of a row to `store`: which vector of the group, group, vector.
#[inline(always)]
unsafe fn unpack<V: Vectors<N>, S: Rows<V, N>, const N: usize>(
    rows: &S,
    row: usize,
    groups: usize,
    mut store: impl FnMut(usize, usize, V::Vector),
) {
    let mut mends = rows.mends(row);
    let mut group = 0;
    while group < groups {
        let stop = rows.next(&mends).min(groups);
        while group < stop {
            // SAFETY: the group is before the next one that must be mended.
            let vectors = unsafe { rows.group(row, group) };
            rows.prefetch(row, group, AHEAD);
            vectors.into_iter().enumerate().for_each(|(at, vector)| store(at, group, vector));
            group += 1;
        }
        if group < groups {
            // SAFETY: the caller has the features.
            let vectors = unsafe { rows.mended(row, &mut mends) };
            vectors.into_iter().enumerate().for_each(|(at, vector)| store(at, group, vector));
            group += 1;
        }
    }
}

/// One vector of all groups, `R` rows, `B` inputs. Rows are `vectors` values apart, inputs `N` times
/// as many.
#[inline(always)]
unsafe fn multiply<V: Vectors<N>, const N: usize, const R: usize, const B: usize>(
    w: *const f32,
    x: *const f32,
    vectors: usize,
    groups: usize,
    to: *mut f32,
) {
    // SAFETY: the caller's pointers hold as much as its layout says.
    unsafe {
        let mut sums = [[V::zero(); B]; R];
        for group in 0..groups {
            let at = group * (GROUP / N);
            let x: [V::Vector; B] = core::array::from_fn(|input| V::load(x.add(input * N * vectors + at)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let w = V::load(w.add(row * vectors + at));
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum = V::fused(w, x, *sum);
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (input, sum) in sums.into_iter().enumerate() {
                V::store(to.add((input * R + row) * GROUP), sum);
            }
        }
    }
}
