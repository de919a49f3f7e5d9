use df11_core::Unit;
use df11_core::limits::BLOCK_BYTES;

use super::job::TAIL_BLOCKS;
use super::lane::ROUND_REACH;
use crate::table::Table;

/// What is derived from a unit before it is decoded.
pub(crate) struct Tables<'u> {
    pub unit: &'u Unit<'u>,
    pub table: Table,
    /// The last blocks of the stream, and zeros, so that no lane reads behind the end.
    tail: Vec<u8>,
    /// Where in the stream they begin.
    tail_first: usize,
}

impl<'u> Tables<'u> {
    pub fn new(unit: &'u Unit<'u>) -> Self {
        let stream = unit.view().encoded_exponent;
        let tail_first = unit.blocks().saturating_sub(TAIL_BLOCKS) * BLOCK_BYTES;
        let mut tail = Vec::with_capacity(stream.len() - tail_first + ROUND_REACH);
        tail.extend_from_slice(&stream[tail_first..]);
        tail.resize(tail.len() + ROUND_REACH, 0);
        Self { unit, table: Table::new(unit.code()), tail, tail_first }
    }

    /// The stream from the byte on that holds `bit`, and where in it the bit is.
    pub fn input_at(&self, bit: u64) -> (&[u8], usize) {
        let byte = (bit / 8) as usize;
        let input = match byte.checked_sub(self.tail_first) {
            Some(byte) => self.tail.get(byte..),
            None => self.unit.view().encoded_exponent.get(byte..),
        };
        (input.unwrap_or(&[]), (bit % 8) as usize)
    }
}
