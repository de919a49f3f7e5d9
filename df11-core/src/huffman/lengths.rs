//! Chooses the lengths of the codes, by the rules of FORMAT.md, "Codes".
//!
//! The exact method of `package_merge` finds the shortest stream for given bounds. It knows neither
//! the cost of tables nor the limit of 17 tables. So a few bounds are tried, and the result with
//! the fewest bytes in all wins. The shortest stream can need too many tables: up to 99 for "spike
//! and flat" and Zipf-like histograms. In this case codes in two tiers compete as well:
//!
//! ```text
//! first table:  | frequent exponents, codes of up to 8 bits | slots |
//!                                                               |
//!                      second-level tables, codes of 9 to 16 bits
//! ```

use super::Histogram;
use super::canonical::Code;
use super::package_merge::{Symbol, WHOLE_ROOM, assign};
use crate::limits::{FIRST_POINTER, MAX_CODE_BITS, MAX_TABLES, POINTER_LEVEL_BITS, TABLE_BITS, TABLE_ENTRIES};
use crate::wire::luts;

/// Limits tried for the codes of exponents below 240: whole tables, from the longest code down to
/// one that always fits 17 tables.
const LIMITS: [u8; 4] = [32, 24, 16, 8];
/// Second-level tables tried for codes in two tiers.
const TIER_SLOTS: [u64; 5] = [1, 2, 4, 8, 12];
/// Numbers of exponents tried for the second tier. Trying every number took 45 ms instead of 9.
const TIER_SPLITS: usize = 48;

/// Numbers of fourth-level tables tried for exponents from 240 on: if left free, they take one
/// table for every two exponents.
const LAST_TABLES: [u64; 3] = [1, 2, 4];

/// Code space of one entry of the first table.
const SLOT_ROOM: u64 = WHOLE_ROOM >> TABLE_BITS;
/// Code space of one fourth-level table.
const LAST_TABLE_ROOM: u64 = WHOLE_ROOM >> POINTER_LEVEL_BITS;

/// The exponents in use: `low` ones below 240, then `high` ones from 240 on, each kind rarest
/// first. Each kind has bounds of its own.
struct Symbols {
    all: [Symbol; 256],
    low: usize,
    high: usize,
}

impl Symbols {
    fn of(histogram: &Histogram, shortest: u8) -> Self {
        let mut all = [Symbol { count: 0, exponent: 0, shortest: 1, longest: MAX_CODE_BITS as u8 }; 256];
        let (mut low, mut high) = (0, 0);
        for exponent in 0..=255 {
            let count = histogram.counts()[usize::from(exponent)];
            if count > 0 {
                let is_high = exponent >= FIRST_POINTER;
                let shortest = if is_high { POINTER_LEVEL_BITS as u8 + 1 } else { shortest };
                all[low + high] = Symbol { count, exponent, shortest, longest: MAX_CODE_BITS as u8 };
                *(if is_high { &mut high } else { &mut low }) += 1;
            }
        }
        all[..low].sort_unstable();
        all[low..low + high].sort_unstable();
        Self { all, low, high }
    }

    /// Lengths with `limit` as the limit for exponents below 240, and no other.
    fn limited(&self, limit: u8) -> Option<[u8; 256]> {
        let mut symbols = self.all;
        symbols[..self.low].iter_mut().for_each(|symbol| symbol.longest = limit);
        let symbols = &mut symbols[..self.low + self.high];
        symbols.sort_unstable();
        let mut lengths = [0; 256];
        assign(symbols, WHOLE_ROOM, &mut lengths).then_some(lengths)
    }

    /// As `limited`, with the high exponents packed into `last_tables` fourth-level tables.
    fn limited_with_packed_high(&self, limit: u8, last_tables: u64) -> Option<[u8; 256]> {
        let mut symbols = self.all;
        symbols[..self.low].iter_mut().for_each(|symbol| symbol.longest = limit);
        let mut lengths = self.packed_high(last_tables)?;
        let room = WHOLE_ROOM - last_tables * LAST_TABLE_ROOM;
        assign(&symbols[..self.low], room, &mut lengths).then_some(lengths)
    }

    /// Lengths of the high exponents alone, packed into `last_tables` fourth-level tables.
    fn packed_high(&self, last_tables: u64) -> Option<[u8; 256]> {
        let high = &self.all[self.low..][..self.high];
        let mut lengths = [0; 256];
        assign(high, last_tables * LAST_TABLE_ROOM, &mut lengths).then_some(lengths)
    }

    /// Puts the `deep` rarest low exponents into `slots` second-level tables and the other low ones
    /// into the first table. High ones keep the lengths in `lengths`.
    fn two_tiers(&self, slots: u64, deep: usize, mut lengths: [u8; 256]) -> Option<[u8; 256]> {
        let mut symbols = self.all;
        let (rare, frequent) = symbols[..self.low].split_at_mut(deep);
        let bounds = |symbol: &mut Symbol, shortest: u32, longest: u32| {
            (symbol.shortest, symbol.longest) = (symbol.shortest.max(shortest as u8), longest as u8);
        };
        rare.iter_mut().for_each(|symbol| bounds(symbol, TABLE_BITS + 1, 2 * TABLE_BITS));
        frequent.iter_mut().for_each(|symbol| bounds(symbol, 1, TABLE_BITS));
        let slot_for_high = u64::from(self.high > 0);
        let fits = assign(frequent, WHOLE_ROOM - (slots + slot_for_high) * SLOT_ROOM, &mut lengths)
            && assign(rare, slots * SLOT_ROOM, &mut lengths);
        fits.then_some(lengths)
    }
}

/// Code lengths with the fewest bytes of stream and tables, at least `shortest` (1 or 2) bits each.
/// Precondition: the histogram is not empty.
pub(crate) fn shortest(histogram: &Histogram, shortest: u8) -> [u8; 256] {
    let symbols = Symbols::of(histogram, shortest);
    let mut best = Best { histogram, bytes: u64::MAX, lengths: [0; 256] };
    let mut optimum_fits = false;
    for limit in LIMITS {
        if let Some(lengths) = symbols.limited(limit) {
            let fits = best.offer(lengths);
            optimum_fits |= fits && limit == LIMITS[0];
        }
        if symbols.high > 0 {
            for lengths in LAST_TABLES.iter().filter_map(|&tables| symbols.limited_with_packed_high(limit, tables)) {
                best.offer(lengths);
            }
        }
    }
    if !optimum_fits && let Some(high) = symbols.packed_high(1) {
        for slots in TIER_SLOTS {
            for deep in (1..symbols.low).step_by(symbols.low.div_ceil(TIER_SPLITS)) {
                if let Some(lengths) = symbols.two_tiers(slots, deep, high) {
                    best.offer(lengths);
                }
            }
        }
    }
    best.lengths
}

struct Best<'a> {
    histogram: &'a Histogram,
    bytes: u64,
    lengths: [u8; 256],
}

impl Best<'_> {
    /// Keeps the lengths if they are better. Returns whether they fit into 17 tables.
    fn offer(&mut self, lengths: [u8; 256]) -> bool {
        let Ok(code) = Code::canonical(&lengths) else { return false };
        let tables = luts::tables_for(&code);
        let bytes = self.histogram.stream_bits(&lengths).div_ceil(8) + (tables * TABLE_ENTRIES) as u64;
        let fits = tables <= MAX_TABLES;
        if fits && bytes < self.bytes {
            (self.bytes, self.lengths) = (bytes, lengths);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn histogram(counts: impl IntoIterator<Item = (u8, u64)>) -> Histogram {
        let mut all = [0; 256];
        for (exponent, count) in counts {
            all[usize::from(exponent)] = count;
        }
        Histogram::from_counts(all)
    }

    fn used(histogram: &Histogram, lengths: &[u8; 256]) -> Vec<u8> {
        (0..256).filter(|&e| histogram.counts()[e] > 0).map(|e| lengths[e]).collect()
    }

    /// The cost of the cheapest lengths, found by trying all. For few symbols only.
    fn brute_force(bounds: &[(u64, u8, u8)], room: u64) -> Option<u64> {
        let Some((&(count, shortest, longest), rest)) = bounds.split_first() else { return Some(0) };
        (shortest..=longest)
            .filter(|&length| WHOLE_ROOM >> length <= room)
            .filter_map(|length| Some(count * u64::from(length) + brute_force(rest, room - (WHOLE_ROOM >> length))?))
            .min()
    }

    #[test]
    fn purchase_is_as_cheap_as_the_best_of_all_lengths() {
        let mut seed = 1u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..400 {
            let size = 1 + next(6) as usize;
            let (limit, room) = (3 + next(4) as u8, WHOLE_ROOM >> next(2));
            let mut symbols: Vec<Symbol> = (0..size)
                .map(|index| {
                    let shortest = 1 + next(u64::from(limit)) as u8;
                    let most = 1 << (1 + next(9));
                    Symbol { count: 1 + next(most), exponent: index as u8, shortest, longest: limit }
                })
                .collect();
            symbols.sort_unstable();
            let bounds: Vec<_> = symbols.iter().map(|s| (s.count, s.shortest, s.longest)).collect();
            let mut lengths = [0; 256];
            let found = assign(&symbols, room, &mut lengths)
                .then(|| symbols.iter().map(|s| s.count * u64::from(lengths[usize::from(s.exponent)])).sum::<u64>());
            assert_eq!(found, brute_force(&bounds, room), "{symbols:?}");
        }
    }

    #[test]
    fn one_exponent_has_a_code_of_one_bit_and_a_high_one_of_25() {
        for (exponent, length) in [(0, 1), (127, 1), (239, 1), (240, 25), (255, 25)] {
            let one = histogram([(exponent, 9)]);
            assert_eq!(used(&one, &shortest(&one, 1)), [length]);
        }
        let one = histogram([(127, 9)]);
        assert_eq!(used(&one, &shortest(&one, 2)), [2]);
    }

    #[test]
    fn a_high_exponent_leaves_the_low_ones_all_but_the_whole_room() {
        let three = histogram([(120, 50), (121, 100), (255, 1)]);
        assert_eq!(used(&three, &shortest(&three, 1)), [2, 1, 25]);
    }

    #[test]
    fn few_weights_of_many_high_exponents_share_a_table() {
        let ladder = histogram((240..=248).zip([1, 1, 2, 3, 5, 8, 13, 21, 34]));
        let code = Code::canonical(&shortest(&ladder, 1)).unwrap();
        assert_eq!(luts::tables_for(&code), 4);
        assert_eq!(ladder.stream_bits(code.lengths()), 88 * 24 + 220);
    }

    #[test]
    fn every_histogram_fits_seventeen_tables() {
        let spike = |exponent: u64| if exponent == 100 { 1_000_000 } else { 1000 };
        let zipf = |exponent: u64| 10_000_000 / (exponent + 1);
        let ladder = |exponent: u64| 1 << (exponent % 40);
        let flat = |_: u64| 5;
        for shape in [spike, zipf, ladder, flat] {
            for exponents in [16, 240, 241, 256] {
                let all = histogram((0..exponents).map(|exponent| (exponent as u8, shape(exponent))));
                for bits in [1, 2] {
                    let lengths = shortest(&all, bits);
                    let code = Code::canonical(&lengths).unwrap();
                    assert!(luts::tables_for(&code) <= MAX_TABLES);
                    assert!(code.shortest() >= bits);
                    assert_eq!(code.exponents().count() as u64, exponents);
                    assert!((240..256).all(|high| lengths[high] == 0 || u32::from(lengths[high]) > POINTER_LEVEL_BITS));
                }
            }
        }
    }

    #[test]
    fn fibonacci_counts_reach_codes_of_32_bits() {
        let (mut a, mut b) = (1u64, 1);
        let ladder = histogram((60..60 + 40).map(|exponent| {
            (a, b) = (b, a + b);
            (exponent, a)
        }));
        let lengths = shortest(&ladder, 1);
        assert_eq!(lengths.iter().max(), Some(&32));
    }
}
