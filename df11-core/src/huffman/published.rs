//! The code that the published compressor makes. FORMAT.md, "The published compressor's code".
//!
//! ```text
//! leaves: the exponents in use with their counts, and the end-of-stream symbol, counted once;
//!     the end of stream is less than any exponent
//! while two nodes are left: join the two least by (count, first leaf);
//!     the lesser takes bit 0, and its first leaf is the first leaf of the new node
//! if a code, the end of stream's included, has more than 32 bits:
//!     begin again with the 2 rarest exponents counted as 1, then with the 3 rarest, ...
//! ```
//!
//! Nodes still to be joined are kept sorted, the least last. With 257 leaves a heap would not pay.

use super::Histogram;
use super::canonical::Code;
use crate::error::Error;
use crate::limits::MAX_CODE_BITS;

/// The exponents and the end-of-stream symbol.
const LEAVES: usize = 257;
/// Leaves, and the nodes that join them.
const NODES: usize = 2 * LEAVES - 1;
/// The leaf of the end-of-stream symbol. The leaf of an exponent is the exponent plus 1.
const END: usize = 0;

/// Number of exponents that are counted as 1 when a code is too long for the first time.
const FIRST_CUT: usize = 2;

/// The code of the end-of-stream symbol, right-aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndCode {
    pub bits: u32,
    pub length: u32,
}

/// A published code.
pub(crate) struct PublishedCode {
    pub code: Code,
    pub end: EndCode,
    /// Whether some of several equally rare exponents were cut and others were not.
    pub breaks_tie: bool,
}

/// The published code of a histogram that is not empty.
///
/// Of equally rare exponents the lesser is cut first. The published compressor leaves this order to
/// numpy's `argpartition`, where it depends on version and processor.
///
/// # Errors
/// None for such a histogram: the leaves of a tree are prefix-free, and `codes` returns no code
/// that is too long.
pub(crate) fn published(histogram: &Histogram) -> Result<PublishedCode, Error> {
    let mut counts = *histogram.counts();
    let mut rarest: [u8; 256] = core::array::from_fn(|exponent| exponent as u8);
    rarest.sort_unstable_by_key(|&exponent| (counts[usize::from(exponent)], exponent));
    let rarest = &rarest[256 - histogram.exponents_in_use()..];
    let mut cut = 0;
    loop {
        // The loop ends: with every count 1 the tree is at most 9 deep.
        if let Some((lengths, bits, end)) = Tree::new(&counts).codes(&counts) {
            let count = |rank: usize| rarest.get(rank).map(|&exponent| histogram.counts()[usize::from(exponent)]);
            let breaks_tie = cut > 0 && count(cut - 1) == count(cut) && count(cut) > Some(1);
            return Ok(PublishedCode { code: Code::prefix_free(lengths, bits)?, end, breaks_tie });
        }
        cut = (cut + 1).max(FIRST_CUT);
        rarest.iter().take(cut).for_each(|&exponent| counts[usize::from(exponent)] = 1);
    }
}

/// For each node, the node above it and its bit there.
struct Tree {
    above: [(u16, u32); NODES],
    root: u16,
}

impl Tree {
    fn new(counts: &[u64; 256]) -> Self {
        // (count, first leaf, node)
        let mut live = [(0u64, 0u16, 0u16); LEAVES];
        live[0] = (1, END as u16, END as u16);
        let mut size = 1;
        for (leaf, &count) in (1..).zip(counts) {
            if count > 0 {
                live[size] = (count, leaf, leaf);
                size += 1;
            }
        }
        live[..size].sort_unstable_by(|one, other| other.cmp(one));
        let mut tree = Self { above: [(0, 0); NODES], root: END as u16 };
        let mut joined = LEAVES as u16;
        while let Some(&[heavy, light]) = live[..size].last_chunk() {
            tree.above[usize::from(light.2)] = (joined, 0);
            tree.above[usize::from(heavy.2)] = (joined, 1);
            let node = (light.0 + heavy.0, light.1, joined);
            size -= 2;
            let place = live[..size].partition_point(|&other| other > node);
            live.copy_within(place..size, place + 1);
            live[place] = node;
            size += 1;
            (tree.root, joined) = (joined, joined + 1);
        }
        tree
    }

    /// Lengths and bits of the leaves' codes; `None` if one has more than 32 bits.
    fn codes(&self, counts: &[u64; 256]) -> Option<([u8; 256], [u32; 256], EndCode)> {
        let (mut lengths, mut bits) = ([0; 256], [0; 256]);
        for exponent in (0..256).filter(|&exponent| counts[exponent] > 0) {
            let code = self.code(exponent + 1)?;
            (lengths[exponent], bits[exponent]) = (code.length as u8, code.bits);
        }
        Some((lengths, bits, self.code(END)?))
    }

    fn code(&self, leaf: usize) -> Option<EndCode> {
        let (mut code, mut node) = (EndCode { bits: 0, length: 0 }, leaf as u16);
        while node != self.root {
            let (above, bit) = self.above[usize::from(node)];
            code.bits |= bit.checked_shl(code.length).filter(|_| code.length < MAX_CODE_BITS)?;
            code.length += 1;
            node = above;
        }
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn histogram(counts: impl IntoIterator<Item = (u8, u64)>) -> Histogram {
        let mut all = [0; 256];
        counts.into_iter().for_each(|(exponent, count)| all[usize::from(exponent)] = count);
        Histogram::from_counts(all)
    }

    fn shown(counts: &[(u8, u64)]) -> (Vec<(u32, u8)>, EndCode) {
        let PublishedCode { code, end, .. } = published(&histogram(counts.iter().copied())).unwrap();
        (counts.iter().map(|&(e, _)| (code.bits(e), code.lengths()[usize::from(e)])).collect(), end)
    }

    #[test]
    fn the_end_of_stream_comes_first_among_equals() {
        assert_eq!(shown(&[(7, 5)]), ([(1, 1)].into(), EndCode { bits: 0, length: 1 }));
        // the end and 9 join to a node of count 2; its first leaf, the end, is less than 3
        assert_eq!(shown(&[(3, 2), (9, 1)]), ([(0b1, 1), (0b01, 2)].into(), EndCode { bits: 0b00, length: 2 }));
        // the end and 4 join to a node of count 3, heavier than 5; 5 and that node join to one of
        // count 5, lighter than 6
        assert_eq!(
            shown(&[(4, 2), (5, 2), (6, 9)]),
            ([(0b011, 3), (0b00, 2), (0b1, 1)].into(), EndCode { bits: 0b010, length: 3 })
        );
    }

    /// 44 exponents that occur 1, 2, 3, 5, 8, ... times.
    fn ladder() -> [(u8, u64); 44] {
        let (mut a, mut b) = (1u64, 1);
        core::array::from_fn(|rank| {
            (a, b) = (b, a + b);
            (60 + rank as u8, a)
        })
    }

    #[test]
    fn no_code_is_longer_than_32_bits() {
        let PublishedCode { code, end, breaks_tie } = published(&histogram(ladder())).unwrap();
        assert!(!breaks_tie);
        assert!(code.longest() <= 32 && end.length <= 32);
        let kraft = |length: u32| 1u64 << (MAX_CODE_BITS - length);
        let taken: u64 = code.exponents().map(|e| kraft(u32::from(code.lengths()[usize::from(e)]))).sum();
        assert_eq!(taken + kraft(end.length), kraft(0));
    }

    #[test]
    fn a_cut_between_equally_rare_exponents_is_reported() {
        let breaks_tie = |rank: usize| {
            let mut counts = ladder();
            counts[rank].1 = counts[rank - 1].1;
            published(&histogram(counts)).unwrap().breaks_tie
        };
        let ranks: Vec<usize> = (1..44).filter(|&rank| breaks_tie(rank)).collect();
        assert_eq!(ranks.len(), 1, "{ranks:?}");
    }

    #[test]
    fn every_exponent_gets_a_code_however_many() {
        for exponents in [1, 2, 3, 255, 256] {
            let counts = (0..exponents).map(|e| (e as u8, 1 + u64::from(e % 7 == 0)));
            let code = published(&histogram(counts)).unwrap().code;
            assert_eq!(code.exponents().count(), exponents as usize);
            let mut sorted: Vec<_> = code.exponents().map(|e| code.aligned(e)).collect();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), exponents as usize);
        }
    }
}
