//! One input: rows are multiplied as they come from memory, and nothing is stored on the way.

use super::rows::Rows;
use super::vectors::{GROUP, Vectors};

/// Prefetched at least and at most this many bytes ahead.
///
/// Tried on Sapphire Rapids, rows of 8 KiB: reading two rows ahead gives 0.91 to 0.97 of the best
/// plain reading; 1, 2 and 4 KiB ahead 0.75 to 0.85; without it 0.55.
const LEAST_AHEAD: usize = 4 << 10;
pub(super) const MOST_AHEAD: usize = 16 << 10;

/// The products of `R` rows from `first` on with one prepared input, summed.
///
/// # Safety
/// `first + R` is at most the number of rows. The processor has the level's features.
#[inline(always)]
pub(crate) unsafe fn stream<V: Vectors<N>, S: Rows<V, N>, const N: usize, const R: usize>(
    rows: &S,
    first: usize,
    x: &[f32],
) -> [f32; R] {
    let groups = rows.columns().div_ceil(GROUP);
    assert!(x.len() == groups * GROUP, "prepared for these columns");
    let ahead = R.saturating_mul(rows.row_bytes()).clamp(LEAST_AHEAD, MOST_AHEAD);
    let mut mends = [rows.mends(first); R];
    for (row, mends) in (first..).zip(&mut mends).skip(1) {
        *mends = rows.mends(row);
    }
    // SAFETY: the rows are there, by the caller's promise. A group below `stop` is below `next` of
    // every row. `stop` itself is mended in the rows that name it; the others name a later one. `x`
    // has every group, by the assertion.
    unsafe {
        let mut sums = [[V::zero(); N]; R];
        let mut group = 0;
        while group < groups {
            let stop = mends.iter().fold(groups, |stop, mends| stop.min(rows.next(mends)));
            while group < stop {
                let x = input::<V, N>(x, group);
                for (row, sums) in (first..).zip(&mut sums) {
                    let w = rows.group(row, group);
                    rows.prefetch(row, group, ahead);
                    add::<V, N>(sums, w, x);
                }
                group += 1;
            }
            if group < groups {
                let x = input::<V, N>(x, group);
                for (row, (sums, mends)) in (first..).zip(sums.iter_mut().zip(&mut mends)) {
                    let w = match rows.next(mends) == group {
                        true => rows.mended(row, mends),
                        false => rows.group(row, group),
                    };
                    rows.prefetch(row, group, ahead);
                    add::<V, N>(sums, w, x);
                }
                group += 1;
            }
        }
        let mut folded = [0.0; R];
        for (folded, sums) in folded.iter_mut().zip(sums) {
            *folded = V::fold(sums);
        }
        folded
    }
}

/// The vectors of a group of a prepared input.
///
/// # Safety
/// `x` has the group's 64 values. The processor has the level's features.
#[inline(always)]
unsafe fn input<V: Vectors<N>, const N: usize>(x: &[f32], group: usize) -> [V::Vector; N] {
    // SAFETY: the vectors follow one another in the 64 values; the caller's promise.
    unsafe {
        let mut vectors = [V::zero(); N];
        for (at, vector) in vectors.iter_mut().enumerate() {
            *vector = V::load(x.as_ptr().add(group * GROUP + at * (GROUP / N)));
        }
        vectors
    }
}

/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn add<V: Vectors<N>, const N: usize>(sums: &mut [V::Vector; N], w: [V::Vector; N], x: [V::Vector; N]) {
    for at in 0..N {
        // SAFETY: the caller's promise.
        sums[at] = unsafe { V::fused(w[at], x[at], sums[at]) };
    }
}
