//! The multi-symbol table: what the next bits of a stream decode to, several codes a look-up.
//!
//! ```text
//! index: the next TABLE_BITS bits of the stream
//! entry, 64 bits:
//!    63      56 55      48       ...       23      16 15     8 7 6 5    0
//!   +----------+----------+----------------+---------+--------+---+------+
//!   | 6th      | 5th      | ...            | 1st exp.| codes  | 0 | bits |
//!   +----------+----------+----------------+---------+--------+---+------+
//!   bits    of all the codes that the index holds whole, so that the entry itself is the operand of the shift that steps over them
//!   codes   how many they are, 1 to 6
//!   0       no code fits the index: look it up slowly; or none exists
//! ```
//!
//! `entry >> 16` is stored whole; the next store begins behind the exponents that count, over those that do not. Sums of entries hold the sums of both
//! numbers in their low 16 bits.

use df11_core::Code;

/// Bits of an index.
///
/// Why 11: 2,048 entries of 8 bytes are half of a 32 KiB first-level cache; the streams need the rest. Each entry holds 3.8 exponents of Gaussian weights;
/// 12 bits hold 4.1.
pub(crate) const TABLE_BITS: u32 = 11;
/// Entries of the table.
pub(crate) const ENTRIES: usize = 1 << TABLE_BITS;
/// Most codes of an entry.
pub(crate) const MAX_ENTRY_CODES: usize = 6;

const CODES_SHIFT: u32 = 8;
/// Where the exponents of an entry begin.
pub(crate) const EXPONENTS_SHIFT: u32 = 16;
const META: u64 = (1 << EXPONENTS_SHIFT) - 1;

/// Bits of the codes of an entry, or of a sum of up to 5 entries.
#[inline(always)]
pub(crate) fn bits(sum: u64) -> usize {
    (sum & 0xFF) as usize
}

/// Number of the codes of an entry, or of a sum of up to 5 entries.
#[inline(always)]
pub(crate) fn codes(sum: u64) -> usize {
    (sum >> CODES_SHIFT & 0xFF) as usize
}

/// The table of one code.
pub(crate) struct Table {
    entries: Box<[u64; ENTRIES]>,
    /// Mean number of codes of an entry, in 1/256.
    mean_codes: usize,
}

impl Table {
    /// Draws the table of a prefix-free code.
    ///
    /// The windows of v bits that begin with a code of l bits are those of v - l bits, that code before them: each size of window is made from
    /// smaller ones in runs of plain copies.
    pub fn new(code: &Code) -> Self {
        let short: Vec<(u8, u32, u64)> = (code.exponents().map(|e| (e, u32::from(code.lengths()[usize::from(e)]))))
            .filter(|&(_, length)| length <= TABLE_BITS)
            .map(|(exponent, length)| (exponent, length, u64::from(code.bits(exponent))))
            .collect();
        // Windows of v bits stand from 2^v on.
        let mut windows = vec![0u64; 2 * ENTRIES];
        for size in 1..=TABLE_BITS {
            let (smaller, own) = windows.split_at_mut(1 << size);
            for &(exponent, length, bits) in short.iter().filter(|&&(_, length, _)| length <= size) {
                let rest = size - length;
                let first = (bits << rest) as usize;
                let rests = &smaller[1 << rest..][..1 << rest];
                for (entry, &rest) in own[first..].iter_mut().zip(rests) {
                    *entry = prepend(exponent, length, rest, code);
                }
            }
        }
        let mut entries = Box::new([0; ENTRIES]);
        entries.copy_from_slice(&windows[ENTRIES..]);
        let total: usize = entries.iter().map(|&entry| codes(entry)).sum();
        Self { entries, mean_codes: (total * 256 / ENTRIES).max(1) }
    }

    /// The entry of the first bits of `window`.
    #[inline(always)]
    pub fn look_up(&self, window: u64) -> u64 {
        self.entries[(window >> (u64::BITS - TABLE_BITS)) as usize]
    }

    /// Look-ups that `codes` codes take on average.
    pub fn look_ups_for(&self, codes: usize) -> usize {
        codes * 256 / self.mean_codes
    }
}

/// The entry of a window that begins with one code and goes on with those of `rest`.
#[inline(always)]
fn prepend(exponent: u8, length: u32, rest: u64, code: &Code) -> u64 {
    let rest = if codes(rest) == MAX_ENTRY_CODES { without_last(rest, code) } else { rest };
    let exponents = (rest & !META) << 8 | u64::from(exponent) << EXPONENTS_SHIFT;
    exponents | ((rest & META) + (1 << CODES_SHIFT | u64::from(length)))
}

/// A full entry without its last code.
#[cold]
fn without_last(entry: u64, code: &Code) -> u64 {
    let last = (entry >> (u64::BITS - 8)) as usize;
    (entry - (1 << CODES_SHIFT | u64::from(code.lengths()[last]))) & (u64::MAX >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use df11_core::Lookup;

    fn assert_true_to_code(lengths: &[(u8, u8)]) {
        let mut all = [0; 256];
        for &(exponent, length) in lengths {
            all[usize::from(exponent)] = length;
        }
        let code = Code::canonical(&all);
        let (table, lookup) = (Table::new(&code), Lookup::new(&code).unwrap());
        for index in 0..ENTRIES as u64 {
            let window = index << (u64::BITS - TABLE_BITS);
            let entry = table.look_up(window);
            let (mut step, mut count) = (0, 0);
            while let Some((exponent, length)) = lookup.find(((window << step) >> 32) as u32) {
                if step + length > TABLE_BITS || count == MAX_ENTRY_CODES {
                    break;
                }
                assert_eq!((entry >> (EXPONENTS_SHIFT as usize + 8 * count)) as u8, exponent);
                (step, count) = (step + length, count + 1);
            }
            assert_eq!((bits(entry), codes(entry)), (step as usize, count), "index {index:#b}");
            assert_eq!(entry == 0, count == 0);
        }
    }

    #[test]
    fn every_entry_decodes_as_the_code_does() {
        assert_true_to_code(&[(7, 1)]);
        assert_true_to_code(&[(0, 1), (255, 25)]);
        assert_true_to_code(&[(0, 1), (1, 2), (2, 3), (3, 3)]);
        assert_true_to_code(&[(120, 2), (121, 2), (122, 2), (119, 4), (118, 5), (117, 11), (116, 12), (0, 32)]);
        assert_true_to_code(&(0..=239).map(|exponent| (exponent, 8)).collect::<Vec<_>>());
    }
}
