//! Packs rows, group by group.

use df11_core::{Exponents, bf16, bf16_word};

use crate::memory::prefetch;

/// Weights of a group.
pub(crate) const GROUP: usize = df11_core::limits::GROUP;
/// Bytes of a group's codes.
pub(crate) const CODES: usize = df11_core::limits::GROUP_CODE_BYTES;

/// Weights to prefetch ahead. Why: without, packing waits for its weights 60 % of its time.
const AHEAD: usize = 4096;

/// How a level packs one group.
pub(crate) trait Packer: Copy {
    /// Writes signs and mantissas, and codes, of a group. Returns which positions escape, as bits.
    ///
    /// # Safety
    /// The processor has the level's features.
    unsafe fn group(
        self,
        weights: &[bf16; GROUP],
        code: &[u8; 256],
        signs: &mut [u8; GROUP],
        codes: &mut [u8; CODES],
    ) -> u64;
}

/// What packing needs to know of a matrix.
pub(crate) struct Matrix {
    columns: usize,
    /// The code of every exponent.
    code: [u8; 256],
    /// What fills up the last group of a row: code 0, and neither sign nor mantissa.
    padding: bf16,
}

/// Rows to be written by one thread, and the list of their escapes.
pub(crate) struct Rows<'a> {
    pub matrix: &'a Matrix,
    pub sign_mantissa: &'a mut [u8],
    pub codes: &'a mut [u8],
    /// The number of escapes of each row.
    pub counts: &'a mut [[u8; 4]],
    pub escapes: Escapes,
}

/// Column and exponent of each escape, row after row.
#[derive(Default)]
pub(crate) struct Escapes {
    pub columns: Vec<[u8; 4]>,
    pub exponents: Vec<u8>,
}

impl Matrix {
    pub fn new(columns: usize, exponents: &Exponents) -> Self {
        Self {
            columns,
            code: core::array::from_fn(|exponent| exponents.code(exponent as u8)),
            padding: bf16_word::merge(exponents.table()[0], 0),
        }
    }
}

/// Packs the next rows of `rows`: as many as `weights` has.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
pub(crate) unsafe fn pack_rows<P: Packer>(packer: P, weights: &[bf16], rows: &mut Rows<'_>) {
    let Matrix { columns, ref code, padding } = *rows.matrix;
    let groups = columns.div_ceil(GROUP);
    for row in weights.chunks_exact(columns) {
        let (signs, codes, count);
        (signs, rows.sign_mantissa) = core::mem::take(&mut rows.sign_mantissa).split_at_mut(groups * GROUP);
        (codes, rows.codes) = core::mem::take(&mut rows.codes).split_at_mut(groups * CODES);
        (count, rows.counts) = core::mem::take(&mut rows.counts).split_at_mut(1);
        let before = rows.escapes.exponents.len();
        let (whole, rest) = row.as_chunks::<GROUP>();
        let mut last = [padding; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        let all = whole.iter().chain((!rest.is_empty()).then_some(&last));
        let into = signs.as_chunks_mut().0.iter_mut().zip(codes.as_chunks_mut().0);
        for (group, (weights, (signs, codes))) in all.zip(into).enumerate() {
            prefetch(weights, AHEAD);
            prefetch(weights, AHEAD + GROUP / 2);
            // SAFETY: the caller's promise.
            let escapes = unsafe { packer.group(weights, code, signs, codes) };
            if escapes != 0 {
                rows.escapes.add(group, weights, escapes);
            }
        }
        count[0] = ((rows.escapes.exponents.len() - before) as u32).to_le_bytes();
    }
}

impl Escapes {
    /// Adds the escapes of a group, whose positions are bits, in the order of columns.
    #[cold]
    fn add(&mut self, group: usize, weights: &[bf16; GROUP], positions: u64) {
        // The eighths of a group stand in the order 0, 4, 1, 5, 2, 6, 3, 7 of its columns.
        let [a, e, b, f, c, g, d, h] = positions.to_le_bytes();
        let mut columns = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        while columns != 0 {
            let column = columns.trailing_zeros() as usize;
            self.columns.push(((group * GROUP + column) as u32).to_le_bytes());
            self.exponents.push(bf16_word::exponent(weights[column]));
            columns &= columns - 1;
        }
    }
}
