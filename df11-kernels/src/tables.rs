//! The tables in which a GPU thread looks codes up. They are made once from a unit's code, kept in
//! device memory, and copied into shared memory by every thread block. `kernel/job.cuh` draws the
//! layout of an entry.

use df11_core::Code;

const INDEX_BITS: u32 = 11;
const ENTRIES: usize = 1 << INDEX_BITS;
const LONG_CODES: usize = 256;
/// The number of 32-bit words of a unit's tables.
pub const TABLE_WORDS: usize = ENTRIES + 2 * LONG_CODES + 4;

/// Most exponents that an entry codes.
const MOST: u32 = 4;
/// The nibbles that name the commonest exponents, in that order. 6 names the rare exponent.
const NIBBLES: [u32; 7] = [0, 1, 2, 3, 4, 5, 7];
const RARE: u32 = 6;

/// The tables of one unit, in words as the device reads them (little-endian memory).
#[derive(Clone, Debug)]
pub struct Tables {
    words: [u32; TABLE_WORDS],
}

impl Tables {
    /// The tables of a code. If the code leaves bit strings unused, the kernel reports a stream
    /// that holds one.
    pub fn new(code: &Code) -> Self {
        let codes = Sorted::new(code);
        let mut words = [0; TABLE_WORDS];
        let mut longs = 0;
        for (index, word) in words[..ENTRIES].iter_mut().enumerate() {
            let window = (index as u32) << (u32::BITS - INDEX_BITS);
            *word = codes.entry(window).unwrap_or_else(|| codes.long_entry(window));
        }
        for &(bits, exponent, length) in codes.by_window().iter().filter(|code| u32::from(code.2) > INDEX_BITS) {
            words[ENTRIES + 2 * longs] = bits;
            words[ENTRIES + 2 * longs + 1] = u32::from(length) | rotated(exponent) << 16;
            longs += 1;
        }
        let common = &mut words[ENTRIES + 2 * LONG_CODES..];
        for (&nibble, &(_, exponent, length)) in NIBBLES.iter().zip(codes.by_length()) {
            common[nibble as usize / 4] |= rotated(exponent) << (nibble % 4 * 8);
            common[2 + nibble as usize / 4] |= u32::from(length) << (nibble % 4 * 8);
        }
        Self { words }
    }

    /// The words, to copy to the device at an address that is a multiple of 16.
    pub fn words(&self) -> &[u32; TABLE_WORDS] {
        &self.words
    }
}

/// An exponent as the kernel keeps it: its last bit comes first, because it starts the lower byte
/// of a weight.
fn rotated(exponent: u8) -> u32 {
    u32::from(exponent.rotate_right(1))
}

/// The codes as (left-aligned bits, exponent, length), sorted in two ways.
struct Sorted {
    window: [(u32, u8, u8); 256],
    length: [(u32, u8, u8); 256],
    size: usize,
}

impl Sorted {
    fn new(code: &Code) -> Self {
        let mut window = [(0, 0, 0); 256];
        let mut size = 0;
        for exponent in code.exponents() {
            window[size] = (code.aligned(exponent), exponent, code.lengths()[usize::from(exponent)]);
            size += 1;
        }
        let mut length = window;
        window[..size].sort_unstable();
        length[..size].sort_unstable_by_key(|&(bits, _, length)| (length, bits));
        Self { window, length, size }
    }

    fn by_window(&self) -> &[(u32, u8, u8)] {
        &self.window[..self.size]
    }

    fn by_length(&self) -> &[(u32, u8, u8)] {
        &self.length[..self.size]
    }

    /// The nibble of an exponent.
    fn nibble(&self, exponent: u8) -> u32 {
        let place = self.by_length().iter().take(NIBBLES.len()).position(|code| code.1 == exponent);
        place.map_or(RARE, |place| NIBBLES[place])
    }

    /// The code that `window` begins with, if its first `bits` bits hold the whole code.
    fn find(&self, window: u32, bits: u32) -> Option<(u8, u32)> {
        let before = self.by_window().partition_point(|&(first, _, _)| first <= window);
        let (first, exponent, length) = self.by_window()[before.checked_sub(1)?];
        let length = u32::from(length);
        let begins = (first ^ window).checked_shr(u32::BITS - length).unwrap_or(0) == 0;
        (length <= bits && begins).then_some((exponent, length))
    }

    /// An entry with as many codes as the index holds: at most four, at most one of them rare.
    /// `None` if the index holds no whole code.
    fn entry(&self, window: u32) -> Option<u32> {
        let (mut used, mut count, mut nibbles, mut rare) = (0, 0, 0, None);
        while count < MOST {
            let Some((exponent, length)) = self.find(window << used, INDEX_BITS - used) else { break };
            let nibble = self.nibble(exponent);
            if nibble == RARE {
                if rare.is_some() {
                    break;
                }
                rare = Some(exponent);
            }
            nibbles |= nibble << (4 * count);
            used += length;
            count += 1;
        }
        // Places after the last exponent name the rare byte. The kernel takes its length to be the
        // total less the lengths of the common ones, so these places add nothing.
        (count..MOST).for_each(|place| nibbles |= RARE << (4 * place));
        (count > 0).then_some(nibbles | rare.map_or(0, rotated) << 16 | count << 24 | used << 27)
    }

    /// The entry for the long codes that begin with this index: a negative length, the place of the
    /// first, and their number.
    fn long_entry(&self, window: u32) -> u32 {
        let long = |code: &&(u32, u8, u8)| u32::from(code.2) > INDEX_BITS;
        let first = self.by_window().iter().filter(long).filter(|code| code.0 < window).count() as u32;
        let same = |code: &&(u32, u8, u8)| code.0 >> (u32::BITS - INDEX_BITS) == window >> (u32::BITS - INDEX_BITS);
        let number = self.by_window().iter().filter(long).filter(same).count() as u32;
        // If there is no such code, `first` could be place 256. It has no meaning then, so any
        // value will do.
        (first & 0xFF) | number << 8 | 1 << 31
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn code(lengths: &[(u8, u8)]) -> Code {
        let mut all = [0; 256];
        for &(exponent, length) in lengths {
            all[usize::from(exponent)] = length;
        }
        Code::canonical(&all).unwrap()
    }

    /// Takes an entry apart as the kernel does: its exponents, and the number of bits that code
    /// them.
    fn taken(tables: &Tables, index: u32) -> (Vec<u8>, u32) {
        let (entry, common) = (tables.words[index as usize], &tables.words[ENTRIES + 2 * LONG_CODES..]);
        let bytes = [common[0], common[1] | entry & 0xFF_0000].map(u32::to_le_bytes).concat();
        let places = 0..entry >> 24 & 7;
        (places.map(|place| bytes[(entry >> (4 * place) & 7) as usize].rotate_left(1)).collect(), entry >> 27)
    }

    #[test]
    fn an_entry_holds_as_many_codes_as_fit() {
        // 0, 10, 110 ...: nine codes of common or rare exponents, then two of 12 bits.
        let ladder: Vec<(u8, u8)> = (0..11).map(|i| (100 + i, i + 1)).chain([(111, 12), (112, 12)]).collect();
        let tables = Tables::new(&code(&ladder));
        assert_eq!(taken(&tables, 0b00000000000), (std::vec![100; 4], 4));
        assert_eq!(taken(&tables, 0b10110111011), (std::vec![101, 102, 103], 9));
        assert_eq!(taken(&tables, 0b11111111100), (std::vec![109, 100], 11));
        assert_eq!(taken(&tables, 0b11111111110), (std::vec![110], 11));
        // An entry has one rare exponent: the second rare one begins the next entry.
        assert_eq!(
            taken(&Tables::new(&code(&(0..32).map(|e| (e, 5)).collect::<Vec<_>>())), 0b11111111101),
            (std::vec![31], 5)
        );
    }

    #[test]
    fn a_long_code_is_listed_under_its_first_bits() {
        let ladder: Vec<(u8, u8)> = (0..11).map(|i| (100 + i, i + 1)).chain([(111, 12), (112, 12)]).collect();
        let code = code(&ladder);
        let tables = Tables::new(&code);
        let entry = tables.words[0b11111111111];
        assert_eq!((entry >> 31, entry & 0xFF, entry >> 8 & 0x1FF), (1, 0, 2));
        let listed = |place: usize| (tables.words[ENTRIES + 2 * place], tables.words[ENTRIES + 2 * place + 1]);
        assert_eq!(listed(1), (code.aligned(112), 12 | rotated(112) << 16));
    }

    #[test]
    fn bits_that_no_code_uses_have_an_entry_of_nothing() {
        let tables = Tables::new(&code(&[(7, 1)]));
        assert_eq!(taken(&tables, 0), (std::vec![7; 4], 4));
        let entry = tables.words[ENTRIES - 1];
        assert_eq!((entry >> 31, entry >> 8 & 0x1FF), (1, 0));
    }
}
