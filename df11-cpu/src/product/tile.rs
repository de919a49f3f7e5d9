//! Many inputs: some groups of a few rows are unpacked into the cache, then multiplied with every
//! input, then the next groups.
//!
//! ```text
//! tile:  for each vector of a group, for each of its groups, that vector of each row
//! sums:  for each input, for each row, the 64 partial sums
//! ```
//!
//! `Layout` says how x lies. A step (one vector, `R` rows, up to `INPUTS` inputs) keeps its sums in
//! registers over the groups of a tile, and reads the tile and x from front to end.

use core::ops::Range;

use super::prepared::{INPUTS, Layout, MOST_VECTORS};
use super::rows::Rows;
use super::stream::MOST_AHEAD;
use super::vectors::{GROUP, Vectors};

/// Groups of a tile. One vector of them, of six rows, is 24 KiB of f32, half of a first-level
/// cache; with 16 groups sums begin and end too often: 0.83 of the speed.
const GROUPS: usize = 64;
/// Values that a run of a tile, one vector of all its groups and rows, is longer than needed. Runs
/// of a multiple of 4096 bytes would all lie in the same few sets of the cache.
const SHIFT: usize = 16;

/// Values of a tile of `rows`, and of its sums; `usize::MAX` for more than can be counted.
pub(crate) const fn tile_values(rows: usize, inputs: usize) -> usize {
    let sums = inputs.saturating_mul(GROUP);
    sums.saturating_add(GROUPS * GROUP).saturating_mul(rows).saturating_add(MOST_VECTORS * SHIFT)
}

/// Values from one run of a tile to the next.
const fn run<const N: usize, const R: usize>() -> usize {
    GROUPS * R * (GROUP / N) + SHIFT
}

/// The products of up to `R` rows with several prepared inputs. `out` takes row, input and sum.
///
/// # Safety
/// The range ends at or before the number of rows. The processor has the level's features.
#[inline(always)]
pub(crate) unsafe fn tile<V: Vectors<N>, S: Rows<V, N>, const N: usize, const R: usize>(
    rows: &S,
    range: Range<usize>,
    x: &[f32],
    inputs: usize,
    scratch: &mut [f32],
    mut out: impl FnMut(usize, usize, f32),
) {
    let layout = Layout::new(rows.columns(), inputs);
    let (tile, sums) = scratch.split_at_mut(N * run::<N, R>());
    let sums = &mut sums[..R * inputs * GROUP];
    assert!(range.len() <= R, "the rows fit into a tile");
    assert!(inputs > 1 && x.len() == layout.values(), "several inputs, prepared for these columns");
    sums.fill(0.0);
    let mut mends = [rows.mends(range.start); R];
    for (row, mends) in range.clone().zip(&mut mends).skip(1) {
        *mends = rows.mends(row);
    }
    let mut first = 0;
    while first < layout.groups {
        let groups = first..layout.groups.min(first + GROUPS);
        let next =
            if groups.end < layout.groups { rows.group_bytes() * GROUPS } else { R.saturating_mul(rows.row_bytes()) };
        let ahead = next.min(MOST_AHEAD);
        // SAFETY: the tile has N runs. The place of an input, a vector and a group is within x,
        // whose length says that all of them are there. The sums are R * inputs times 64, and a
        // vector of them begins within each 64. The rows are there, and the features, by the
        // caller's promise.
        unsafe {
            for (at, (row, mends)) in range.clone().zip(&mut mends).enumerate() {
                let to = tile.as_mut_ptr().add(at * (GROUP / N));
                unpack::<V, S, N, R>(rows, row, groups.clone(), mends, ahead, to);
            }
            for at in 0..N {
                let w = tile.as_ptr().add(at * run::<N, R>());
                let mut input = 0;
                while input < inputs {
                    let x = x.as_ptr().add(layout.place::<N>(input, at, first));
                    let sums = sums.as_mut_ptr().add(input * R * GROUP + at * (GROUP / N));
                    match layout.step(input) {
                        1 => multiply::<V, N, R, 1>(w, x, groups.len(), sums),
                        2 => multiply::<V, N, R, 2>(w, x, groups.len(), sums),
                        3 => multiply::<V, N, R, 3>(w, x, groups.len(), sums),
                        _ => multiply::<V, N, R, INPUTS>(w, x, groups.len(), sums),
                    }
                    input += INPUTS;
                }
            }
        }
        first = groups.end;
    }
    for input in 0..inputs {
        for row in 0..range.len() {
            // SAFETY: the sums of a row and an input are 64; the caller's promise.
            let sum = unsafe {
                let from = sums.as_ptr().add((input * R + row) * GROUP);
                let mut sums = [V::zero(); N];
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(from.add(at * (GROUP / N)));
                }
                V::fold(sums)
            };
            out(range.start + row, input, sum);
        }
    }
}

/// Writes the vectors of some groups of a row to the tile, from `to` on.
///
/// # Safety
/// The rows have the row, and the row the groups; `mends` is its own, and none of the groups was
/// read before. `to` is the row's place in the first group of the tile, which has `N` runs. The
/// groups are at most `GROUPS`. The processor has the level's features.
#[inline(always)]
unsafe fn unpack<V: Vectors<N>, S: Rows<V, N>, const N: usize, const R: usize>(
    rows: &S,
    row: usize,
    groups: Range<usize>,
    mends: &mut S::Mends,
    ahead: usize,
    to: *mut f32,
) {
    let mut group = groups.start;
    while group < groups.end {
        let stop = rows.next(mends).min(groups.end);
        while group < stop {
            // SAFETY: the group is before the next one that must be mended; the caller's promise.
            unsafe { put::<V, N, R>(rows.group(row, group), group - groups.start, to) };
            rows.prefetch(row, group, ahead);
            group += 1;
        }
        if group < groups.end {
            // SAFETY: the group is the one to be mended; the caller's promise.
            unsafe { put::<V, N, R>(rows.mended(row, mends), group - groups.start, to) };
            rows.prefetch(row, group, ahead);
            group += 1;
        }
    }
}

/// Writes the vectors of one group of a row, the tile's group number `group`.
///
/// # Safety
/// As `unpack`; `group` is below `GROUPS`.
#[inline(always)]
unsafe fn put<V: Vectors<N>, const N: usize, const R: usize>(vectors: [V::Vector; N], group: usize, to: *mut f32) {
    for (at, vector) in vectors.into_iter().enumerate() {
        // SAFETY: a run has a place for each group and row; the caller's promise.
        unsafe { V::store(to.add(at * run::<N, R>() + group * R * (GROUP / N)), vector) };
    }
}

/// One vector of some groups, `R` rows, `B` inputs.
///
/// # Safety
/// `w` begins a run of a tile, which has `groups` groups. From `x` on there are vectors of `B`
/// inputs for as many groups. `to` begins a vector of sums for each row and input, 64 values from
/// one to the next. The processor has the level's features.
#[inline(always)]
unsafe fn multiply<V: Vectors<N>, const N: usize, const R: usize, const B: usize>(
    w: *const f32,
    x: *const f32,
    groups: usize,
    to: *mut f32,
) {
    // SAFETY: every vector read is that of a group below `groups`, every sum that of a row below
    // `R` and an input below `B`; the caller's promise.
    unsafe {
        let mut sums = [[V::zero(); B]; R];
        for (row, sums) in sums.iter_mut().enumerate() {
            for (input, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(to.add((input * R + row) * GROUP));
            }
        }
        for group in 0..groups {
            let mut inputs = [V::zero(); B];
            for (input, vector) in inputs.iter_mut().enumerate() {
                *vector = V::load(x.add((group * B + input) * (GROUP / N)));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let w = V::load(w.add((group * R + row) * (GROUP / N)));
                for (sum, &input) in sums.iter_mut().zip(&inputs) {
                    *sum = V::fused(w, input, *sum);
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
