//! Unpacks weights of a flat matrix, group by group.

use df11_core::{Flat, FlatRow, bf16, bf16_word};

use super::pack::{CODES, GROUP};

/// How a level unpacks one group.
pub(crate) trait Unpacker: Copy {
    /// Writes the weights of a group. Those that escape get any exponent.
    ///
    /// # Safety
    /// The processor has the level's features.
    unsafe fn group(self, signs: &[u8; GROUP], codes: &[u8; CODES], exponents: &[u8; 16], weights: &mut [bf16; GROUP]);
}

/// Writes the weights from `first` on, as many as there are elements, or fewer if the matrix ends:
/// `df11_core::expand_range` of a level.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
pub(crate) unsafe fn unpack<U: Unpacker>(unpacker: U, flat: &Flat<'_>, first: u64, mut weights: &mut [bf16]) {
    let (columns, exponents) = (flat.shape().columns() as usize, flat.exponents().table());
    let (first_row, mut column) = ((first / columns as u64) as u32, (first % columns as u64) as usize);
    for row in (first_row..flat.shape().rows()).map_while(|row| flat.row(row)) {
        let own;
        (own, weights) = weights.split_at_mut((columns - column).min(weights.len()));
        // SAFETY: the caller's promise.
        unsafe { unpack_row(unpacker, &row, exponents, column, own) };
        if weights.is_empty() {
            return;
        }
        column = 0;
    }
}

/// Writes the weights of a row from a column on.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn unpack_row<U: Unpacker>(
    unpacker: U,
    row: &FlatRow<'_>,
    exponents: &[u8; 16],
    column: usize,
    weights: &mut [bf16],
) {
    let mut groups =
        row.sign_mantissa().as_chunks().0.iter().zip(row.codes().as_chunks().0).skip(column / GROUP).peekable();
    // What was not asked for may come first in the first group and last in the last.
    let skipped = column % GROUP;
    let begun = if skipped > 0 { weights.len().min(GROUP - skipped) } else { 0 };
    let (head, rest) = weights.split_at_mut(begun);
    let (whole, tail) = rest.as_chunks_mut();
    if let Some(group) = groups.next_if(|_| begun > 0) {
        // SAFETY: the caller's promise.
        unsafe { unpack_part(unpacker, group, exponents, skipped, head) };
    }
    for (weights, (signs, codes)) in whole.iter_mut().zip(&mut groups) {
        // SAFETY: the caller's promise.
        unsafe { unpacker.group(signs, codes, exponents, weights) };
    }
    if let Some(group) = groups.next_if(|_| !tail.is_empty()) {
        // SAFETY: the caller's promise.
        unsafe { unpack_part(unpacker, group, exponents, 0, tail) };
    }
    for (escape, exponent) in row.escapes() {
        if let Some(weight) = escape.checked_sub(column).and_then(|at| weights.get_mut(at)) {
            *weight = bf16_word::merge(exponent, bf16_word::sign_mantissa(*weight));
        }
    }
}

/// Writes the weights of a group from a column on, as many as there are elements.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
unsafe fn unpack_part<U: Unpacker>(
    unpacker: U,
    (signs, codes): (&[u8; GROUP], &[u8; CODES]),
    exponents: &[u8; 16],
    column: usize,
    weights: &mut [bf16],
) {
    let mut all = [bf16::ZERO; GROUP];
    // SAFETY: the caller's promise.
    unsafe { unpacker.group(signs, codes, exponents, &mut all) };
    weights.copy_from_slice(&all[column..][..weights.len()]);
}
