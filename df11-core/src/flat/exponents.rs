use crate::huffman::{Code, Histogram};
use crate::limits::{ESCAPE, FLAT_EXPONENTS, MAX_CODE_BITS};

/// Which exponents have a code in a flat matrix. FLAT.md, "Exponents".
///
/// Invariant: the first 15 ascend strictly, so the first is at most 241, which is finite. The last
/// byte is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exponents([u8; FLAT_EXPONENTS + 1]);

impl Exponents {
    /// The 15 most frequent exponents; of equally frequent ones the lesser.
    pub fn of_counts(histogram: &Histogram) -> Self {
        Self::least(|exponent| u64::MAX - histogram.counts()[usize::from(exponent)])
    }

    /// The 15 exponents of the shortest codes; of equally long ones the lesser. Exponents without a
    /// code come last.
    pub fn of_code(code: &Code) -> Self {
        Self::least(|exponent| match code.lengths()[usize::from(exponent)] {
            0 => u64::from(MAX_CODE_BITS) + 1,
            length => length.into(),
        })
    }

    /// The 15 exponents that are least by a key, then by their value.
    fn least(key: impl Fn(u8) -> u64) -> Self {
        let mut order: [u8; 256] = core::array::from_fn(|exponent| exponent as u8);
        order.sort_unstable_by_key(|&exponent| (key(exponent), exponent));
        let mut table = [0; FLAT_EXPONENTS + 1];
        table[..FLAT_EXPONENTS].copy_from_slice(&order[..FLAT_EXPONENTS]);
        table[..FLAT_EXPONENTS].sort_unstable();
        Self(table)
    }

    /// The table of a header, if it keeps the invariant.
    pub(crate) fn checked(table: [u8; FLAT_EXPONENTS + 1]) -> Option<Self> {
        let ascends = table[..FLAT_EXPONENTS].is_sorted_by(|one, next| one < next);
        (ascends && table[FLAT_EXPONENTS] == 0).then_some(Self(table))
    }

    /// The exponent of each code; 0 for the escape.
    pub const fn table(&self) -> &[u8; FLAT_EXPONENTS + 1] {
        &self.0
    }

    /// The code of an exponent, 0 to 14, or `ESCAPE`.
    pub fn code(&self, exponent: u8) -> u8 {
        self.0[..FLAT_EXPONENTS].binary_search(&exponent).map_or(ESCAPE, |code| code as u8)
    }

    /// How many of the weights counted escape.
    pub fn escapes(&self, histogram: &Histogram) -> u64 {
        let of = |exponent: u8| histogram.counts()[usize::from(exponent)];
        (0..=255).filter(|&exponent| self.code(exponent) == ESCAPE).map(of).fold(0, u64::saturating_add)
    }
}
