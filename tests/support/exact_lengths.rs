//! The least that a code within the rules of FORMAT.md, "Codes", can cost, found by trying
//! everything that can matter.
//!
//! A code is a tree, and a canonical one has a table for each of its inner nodes at depth 0, 8, 16
//! and
//! 24. Of two exponents with the same rules, the more frequent one ends no deeper. So a tree is,
//!     from the root down, a sequence of three steps. Of the part below, only the number of
//!     exponents left and of free nodes matters:
//!
//! ```text
//! at depth d, for given numbers of exponents left below 240 and from 240 on, and of free nodes:
//!     end the most frequent one left here         d bits for each of its weights
//!     end the most frequent high one left here    (only where d > 24)
//!     go down: every free node becomes two        a table's bits per node at depth 0, 8, 16, 24,
//!                                                 where some nodes may stay unused
//! ```

const LONGEST: usize = 32;

/// The rules of a code, and its prices.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Bits of the shortest code allowed.
    pub shortest: usize,
    /// Bits of the longest code allowed for exponents below 240.
    pub longest_low: usize,
    /// The price of a table, in bits. Any number of tables may be used.
    pub table_bits: u64,
}

/// Bits of stream and tables of the cheapest code. The result means nothing if there is no code.
/// Not for large alphabets: the time grows with (exponents below 240) x (from 240 on) x (all
/// exponents).
pub fn fewest_bits(counts: &[u64; 256], rules: Rules) -> u64 {
    let frequent_first = |range: &[u64]| {
        let mut used: Vec<u64> = range.iter().copied().filter(|&count| count > 0).collect();
        used.sort_unstable_by(|a, b| b.cmp(a));
        used
    };
    let (low, high) = (frequent_first(&counts[..240]), frequent_first(&counts[240..]));
    let nodes = low.len() + high.len();
    let at = |i: usize, j: usize, free: usize| (i * (high.len() + 1) + j) * (nodes + 1) + free;
    let states = (low.len() + 1) * (high.len() + 1) * (nodes + 1);
    const NO_WAY: u64 = u64::MAX / 2;
    // The bits that the exponents from i and j on cost, for each number of free nodes at this
    // round's depth.
    let mut below = vec![NO_WAY; states];
    for depth in (0..=LONGEST).rev() {
        let mut here = vec![NO_WAY; states];
        for i in (0..=low.len()).rev() {
            for j in (0..=high.len()).rev() {
                let left = nodes - i - j;
                for free in 0..=nodes {
                    if left == 0 {
                        here[at(i, j, free)] = 0;
                        continue;
                    }
                    let down = |inner: usize| below[at(i, j, (2 * inner).min(left))];
                    let mut best = match depth {
                        LONGEST => NO_WAY,
                        0 | 8 | 16 | 24 => (1..=free)
                            .map(|inner| inner as u64 * rules.table_bits + down(inner))
                            .min()
                            .unwrap_or(NO_WAY),
                        _ => down(free),
                    };
                    if free > 0 && i < low.len() && (rules.shortest..=rules.longest_low).contains(&depth) {
                        best = best.min(low[i] * depth as u64 + here[at(i + 1, j, free - 1)]);
                    }
                    if free > 0 && j < high.len() && depth > 24 {
                        best = best.min(high[j] * depth as u64 + here[at(i, j + 1, free - 1)]);
                    }
                    here[at(i, j, free)] = best.min(NO_WAY);
                }
            }
        }
        below = here;
    }
    below[at(0, 0, 1)]
}
