//! The multi-symbol table: what the next bits of a stream decode to, several codes per look-up.
//!
//! ```text
//! index: the next TABLE_BITS bits of the stream
//! entry, 64 bits:
//!    63      56 55      48       ...       15       8 7 6 5    0
//!   +----------+----------+----------------+---------+---+------+
//!   | 1st exp. | 2nd      | ...            | 7th     | 0 | bits |
//!   +----------+----------+----------------+---------+---+------+
//!   bits    of all the codes that lie whole in the index. The entry itself is the operand of the
//!           shift that steps over them.
//!   0       no code fits the index (look it up slowly), or none exists
//! count: how many exponents of the entry count, 1 to 7. It has its own array, where an addition
//!        can use it as its operand.
//! ```
//!
//! Entries are stored whole, each below the one before. The next one overwrites what does not
//! count.
//!
//! Spaced entries are for processors that can compress bytes. They are the same, but each exponent
//! is XORed with `spare`, an exponent that the code does not have, and a byte is zero if no
//! exponent counts there. They are stored side by side, so no store waits for a count; every byte
//! that is not zero counts.

use df11_core::Code;

/// Bits of an index.
///
/// Why 11: 2,048 entries and their counts are 24 KiB, and first-level caches have 32 KiB. An entry
/// holds 3.8 exponents of Gaussian weights; with 12 bits it would hold 4.1.
pub(crate) const TABLE_BITS: u32 = 11;
/// Entries of the table.
pub(crate) const ENTRIES: usize = 1 << TABLE_BITS;
/// Most codes of an entry.
pub(crate) const MAX_ENTRY_CODES: usize = 7;

/// The part of an entry that is its number of bits.
pub(crate) const BITS: u64 = 0x3F;
const EXPONENTS: u64 = !0xFF;

/// The table of one code.
///
/// Invariant: no count is above `MAX_ENTRY_CODES`. Unsafe code relies on it. Only `new` sets the
/// counts, and it checks them.
pub(crate) struct Table {
    entries: Box<[u64; ENTRIES]>,
    counts: Box<[u32; ENTRIES]>,
    #[cfg(target_arch = "x86_64")]
    spaced: Option<Spaced>,
    /// Mean number of codes of an entry, in units of 1/256.
    mean_codes: usize,
}

/// Spaced entries. A code of all 256 exponents has none.
#[cfg(target_arch = "x86_64")]
pub(crate) struct Spaced {
    pub entries: Box<[u64; ENTRIES]>,
    pub spare: u8,
}

impl Table {
    /// Builds the table of a prefix-free code.
    ///
    /// Take the windows of v bits that begin with a code of l bits: they are that code, followed by
    /// each window of v - l bits. So each size of window is made from smaller sizes, in runs of
    /// plain copies.
    pub fn new(code: &Code) -> Self {
        // The windows of v bits are at 2^v and after.
        let mut entries = vec![0u64; 2 * ENTRIES];
        let mut counts = vec![0u32; 2 * ENTRIES];
        let exponents: Vec<u8> = code.exponents().collect();
        for size in 1..=TABLE_BITS {
            let (smaller, own) = entries.split_at_mut(1 << size);
            let (smaller_counts, own_counts) = counts.split_at_mut(1 << size);
            for &exponent in &exponents {
                let length = u32::from(code.lengths()[usize::from(exponent)]);
                if length > size {
                    continue;
                }
                let rest = size - length;
                let rests = 1 << rest..2 << rest;
                let first = (code.bits(exponent) as usize) << rest;
                let own = own[first..].iter_mut().zip(&mut own_counts[first..]);
                let with = u64::from(exponent) << (u64::BITS - 8) | u64::from(length);
                for ((entry, count), (&rest, &rest_count)) in
                    own.zip(smaller[rests.clone()].iter().zip(&smaller_counts[rests]))
                {
                    *entry = ((rest & EXPONENTS) >> 8 & EXPONENTS) + with + (rest & BITS);
                    *count = rest_count + 1;
                    if rest_count == MAX_ENTRY_CODES as u32 {
                        *entry -= u64::from(code.lengths()[(rest >> 8 & 0xFF) as usize]);
                        *count -= 1;
                    }
                }
            }
        }
        let (entries, counts) = (last_half(&entries), last_half(&counts));
        assert!(counts.iter().all(|&count| count <= MAX_ENTRY_CODES as u32), "an entry has no room for more");
        let total: u32 = counts.iter().sum();
        Self {
            #[cfg(target_arch = "x86_64")]
            spaced: Spaced::new(code, &entries, &counts),
            entries,
            counts,
            mean_codes: (total as usize * 256 / ENTRIES).max(1),
        }
    }

    /// The entries, and how many exponents of each count.
    #[inline(always)]
    pub fn rows(&self) -> (&[u64; ENTRIES], &[u32; ENTRIES]) {
        (&self.entries, &self.counts)
    }

    /// The spaced entries.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn spaced(&self) -> Option<&Spaced> {
        self.spaced.as_ref()
    }

    /// Look-ups that `codes` codes take on average.
    pub fn look_ups_for(&self, codes: usize) -> usize {
        codes * 256 / self.mean_codes
    }
}

#[cfg(target_arch = "x86_64")]
impl Spaced {
    fn new(code: &Code, entries: &[u64; ENTRIES], counts: &[u32; ENTRIES]) -> Option<Self> {
        let spare = (0..=255).find(|&exponent| code.lengths()[usize::from(exponent)] == 0)?;
        let spares = u64::from_ne_bytes([spare; 8]);
        let mut spaced = Box::new([0; ENTRIES]);
        for (spaced, (&entry, &count)) in spaced.iter_mut().zip(entries.iter().zip(counts)) {
            let counted = EXPONENTS << (8 * (MAX_ENTRY_CODES as u32 - count));
            *spaced = (entry ^ spares) & counted | entry & BITS;
        }
        Some(Self { entries: spaced, spare })
    }
}

fn last_half<T: Copy + Default>(windows: &[T]) -> Box<[T; ENTRIES]> {
    let mut half = Box::new([T::default(); ENTRIES]);
    half.copy_from_slice(&windows[ENTRIES..]);
    half
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
        let code = Code::canonical(&all).unwrap();
        let (table, lookup) = (Table::new(&code), Lookup::new(&code));
        for index in 0..ENTRIES as u64 {
            let window = index << (u64::BITS - TABLE_BITS);
            let (entry, codes) = (table.entries[index as usize], table.counts[index as usize] as usize);
            let (mut step, mut count) = (0, 0);
            while let Some((exponent, length)) = lookup.find(((window << step) >> 32) as u32) {
                if step + length > TABLE_BITS || count == MAX_ENTRY_CODES {
                    break;
                }
                assert_eq!(entry.to_be_bytes()[count], exponent);
                (step, count) = (step + length, count + 1);
            }
            assert_eq!((entry & 0xFF, codes), (u64::from(step), count), "index {index:#b}");
            assert_eq!(entry == 0, count == 0);
            #[cfg(target_arch = "x86_64")]
            if let Some(Spaced { entries, spare }) = table.spaced() {
                let (exponents, spaced) = (entry.to_be_bytes(), entries[index as usize].to_be_bytes());
                assert!((0..count).all(|at| spaced[at] == exponents[at] ^ spare && spaced[at] != 0));
                assert!(spaced[count..7].iter().all(|&byte| byte == 0));
                assert_eq!(spaced[7], exponents[7]);
            }
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

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn only_a_code_of_all_exponents_has_no_spaced_entries() {
        assert!(Table::new(&Code::canonical(&[8; 256]).unwrap()).spaced().is_none());
        for spare in [0, 120, 255] {
            let mut lengths = [8; 256];
            lengths[spare] = 0;
            let table = Table::new(&Code::canonical(&lengths).unwrap());
            assert_eq!(table.spaced().map(|spaced| spaced.spare), Some(spare as u8));
        }
    }
}
