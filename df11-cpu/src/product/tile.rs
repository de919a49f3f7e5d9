//! Many inputs: some groups of a few rows are unpacked into the cache, then multiplied with every
//! input, then the next groups.
//!
//! ```text
//! tile:  for each vector of a group, for each row, that vector of each of its groups
//! x:     for each input, for each vector of a group, that vector of every group
//! sums:  for each input, for each row, the 64 partial sums
//! ```
//!
//! Every run, one vector of several groups, is `run` values long. The runs of a tile are `N * R`,
//! those of x `N` for each input.
//!
//! A step (one vector, `R` rows, `B` inputs) keeps its sums in registers over the groups of a tile.

use core::ops::Range;

use super::prepared::{Layout, MOST_VECTORS, SHIFT};
use super::rows::Rows;
use super::stream::MOST_AHEAD;
use super::vectors::{GROUP, Vectors};

/// Groups of a tile. One vector of them, of six rows, is 24 KiB of f32, half of a first-level
/// cache; with 16 groups sums begin and end too often: 0.65 of the speed.
const GROUPS: usize = 64;
/// Inputs of a step.
const INPUTS: usize = 4;

/// Values of a tile of `rows`, and of its sums; `usize::MAX` for more than can be counted.
pub(crate) const fn tile_values(rows: usize, inputs: usize) -> usize {
    let sums = inputs.saturating_mul(GROUP);
    sums.saturating_add(GROUPS * GROUP + MOST_VECTORS * SHIFT).saturating_mul(rows)
}

/// Values from one row of a tile to the next.
const fn run<const N: usize>() -> usize {
    GROUPS * (GROUP / N) + SHIFT
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
    let (tile, sums) = scratch.split_at_mut(R * N * run::<N>());
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
        // SAFETY: a row's runs begin at run `at` of the tile, which has N * R of them. Input i has
        // its run `at` at number i * N + at of x, whose length says that all of them are there.
        // The sums are R * inputs times 64, and a vector of them begins within each 64. The rows
        // are there, and the features, by the caller's promise.
        unsafe {
            for (at, (row, mends)) in range.clone().zip(&mut mends).enumerate() {
                let to = tile.as_mut_ptr().add(at * run::<N>());
                unpack::<V, S, N, R>(rows, row, groups.clone(), mends, ahead, to);
            }
            for at in 0..N {
                let w = tile.as_ptr().add(at * R * run::<N>());
                let x = x.as_ptr().add(at * layout.run::<N>() + first * (GROUP / N));
                let sums = sums.as_mut_ptr().add(at * (GROUP / N));
                multiply_all::<V, N, R>(w, x, layout, groups.len(), sums);
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
/// read before. From `to` on the tile has `N` runs, `R` runs from one to the next. The groups are
/// at most `GROUPS`. The processor has the level's features.
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
            group += 1;
        }
    }
}

/// Writes the vectors of one group, the tile's group number `group`.
///
/// # Safety
/// As `unpack`; `group` is below `GROUPS`.
#[inline(always)]
unsafe fn put<V: Vectors<N>, const N: usize, const R: usize>(vectors: [V::Vector; N], group: usize, to: *mut f32) {
    for (at, vector) in vectors.into_iter().enumerate() {
        // SAFETY: a run has room for `GROUPS` vectors; the caller's promise.
        unsafe { V::store(to.add(at * R * run::<N>() + group * (GROUP / N)), vector) };
    }
}

/// One vector of some groups, `R` rows, all inputs.
///
/// # Safety
/// `w` begins `R` runs of the tile, one after the other. `x` begins a run of the first input; each
/// input has one, `N` runs from one to the next. The runs have `groups` vectors. `sums` begins a
/// vector of sums for each row and input, 64 values from one to the next. The processor has the
/// level's features.
#[inline(always)]
unsafe fn multiply_all<V: Vectors<N>, const N: usize, const R: usize>(
    w: *const f32,
    x: *const f32,
    layout: Layout,
    groups: usize,
    sums: *mut f32,
) {
    let mut input = 0;
    while input < layout.inputs {
        let step = (layout.inputs - input).min(INPUTS);
        // SAFETY: inputs and sums from `input` on, `step` of them; the caller's promise.
        unsafe {
            let (x, sums) = (x.add(input * N * layout.run::<N>()), sums.add(input * R * GROUP));
            match step {
                1 => multiply::<V, N, R, 1>(w, x, layout, groups, sums),
                2 => multiply::<V, N, R, 2>(w, x, layout, groups, sums),
                3 => multiply::<V, N, R, 3>(w, x, layout, groups, sums),
                _ => multiply::<V, N, R, INPUTS>(w, x, layout, groups, sums),
            }
        }
        input += step;
    }
}

/// One vector of some groups, `R` rows, `B` inputs. A run of `w` is a row, every `N`th run of `x`
/// an input.
///
/// # Safety
/// As `multiply_all`, for `B` inputs.
#[inline(always)]
unsafe fn multiply<V: Vectors<N>, const N: usize, const R: usize, const B: usize>(
    w: *const f32,
    x: *const f32,
    layout: Layout,
    groups: usize,
    to: *mut f32,
) {
    // SAFETY: every run is read below `groups` vectors, every sum is that of a row below `R` and an
    // input below `B`; the caller's promise.
    unsafe {
        let mut sums = [[V::zero(); B]; R];
        for (row, sums) in sums.iter_mut().enumerate() {
            for (input, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(to.add((input * R + row) * GROUP));
            }
        }
        for group in 0..groups {
            let at = group * (GROUP / N);
            let mut inputs = [V::zero(); B];
            for (input, vector) in inputs.iter_mut().enumerate() {
                *vector = V::load(x.add(input * N * layout.run::<N>() + at));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let w = V::load(w.add(row * run::<N>() + at));
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
