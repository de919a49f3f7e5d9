//! The shortest stream and how many tables it needs, by Huffman's own method: no length limit, no
//! rule for exponents from 240 on, no bound on tables. Encoders are measured against it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a plain Huffman code of a unit's exponents costs.
#[derive(Clone, Copy, Debug)]
pub struct Optimum {
    pub bits: u64,
    pub longest: u32,
    /// Tables of the canonical code of these lengths, on all levels, without the row of lengths.
    pub tables: usize,
    /// Whether an exponent from 240 on occurs.
    pub high: bool,
}

impl Optimum {
    /// The optimum of BF16 words. A single exponent takes one bit.
    pub fn of(weights: &[u16]) -> Optimum {
        let mut counts = [0_u64; 256];
        weights.iter().for_each(|word| counts[usize::from(word >> 7 & 0xFF)] += 1);
        let mut lengths = huffman(&counts);
        lengths.sort_unstable();
        let used = counts.iter().filter(|&&count| count > 0);
        let mut descending: Vec<u64> = used.copied().collect();
        descending.sort_unstable_by_key(|&count| Reverse(count));
        Optimum {
            bits: descending.iter().zip(&lengths).map(|(count, &length)| count * u64::from(length)).sum(),
            longest: lengths.last().copied().unwrap_or(0),
            tables: tables(&lengths),
            high: counts[240..].iter().any(|&count| count > 0),
        }
    }
}

/// Code lengths of the counts that are not zero, in no particular order.
fn huffman(counts: &[u64; 256]) -> Vec<u32> {
    let mut heap: BinaryHeap<_> = counts.iter().filter(|&&c| c > 0).map(|&c| Reverse((c, vec![0_u32]))).collect();
    while heap.len() > 1 {
        let Reverse((a, mut leaves)) = heap.pop().expect("two are left");
        let Reverse((b, others)) = heap.pop().expect("one is left");
        leaves.extend(others);
        leaves.iter_mut().for_each(|depth| *depth += 1);
        heap.push(Reverse((a + b, leaves)));
    }
    let Reverse((_, leaves)) = heap.pop().expect("a unit has weights");
    if leaves.len() == 1 { vec![1] } else { leaves }
}

/// One table, and one more for every different start of 8, 16, 24 ... bits of a longer code.
/// `lengths` ascend.
fn tables(lengths: &[u32]) -> usize {
    let mut starts = std::collections::BTreeSet::new();
    let (mut code, mut last) = (0_u128, 0);
    for &length in lengths {
        code <<= length - last;
        starts.extend((8..length).step_by(8).map(|start| (start, code >> (length - start))));
        (code, last) = (code + 1, length);
    }
    1 + starts.len()
}
