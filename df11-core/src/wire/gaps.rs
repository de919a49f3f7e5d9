//! `gaps`: 5 bits for every chunk, most significant bit first, in whole blocks. FORMAT.md, "Stream,
//! gaps, output positions".

use crate::bits::{BitReader, BitWriter};
use crate::limits::{BLOCK_CHUNKS, BLOCK_GAP_BYTES, GAP_BITS, MAX_CODE_BITS};

/// The gap of one chunk; 0 after the end.
pub(crate) fn read(gaps: &[u8], chunk: usize) -> u32 {
    BitReader::at(gaps, (chunk as u64).saturating_mul(GAP_BITS as u64)).peek() >> (MAX_CODE_BITS - GAP_BITS as u32)
}

/// Bytes of the gaps of `blocks` blocks.
pub(crate) fn size(blocks: usize) -> usize {
    blocks * BLOCK_GAP_BYTES
}

/// Writes the gaps of a stream from where its codes start.
pub(crate) struct GapWriter<'a> {
    bits: BitWriter<'a>,
    chunks: usize,
}

impl<'a> GapWriter<'a> {
    pub fn new(gaps: &'a mut [u8]) -> Self {
        Self { bits: BitWriter::new(gaps), chunks: 0 }
    }

    /// A code starts at bit `offset` of `chunk`. Only the first of a chunk counts.
    pub fn code_starts(&mut self, chunk: usize, offset: u32) {
        if chunk >= self.chunks {
            self.bits.put(offset, GAP_BITS as u32);
            self.chunks = chunk + 1;
        }
    }

    /// Chunks in which no code starts get gap 0.
    pub fn finish(self) {
        self.bits.finish();
    }
}

const _: () = assert!(BLOCK_GAP_BYTES * 8 / GAP_BITS == BLOCK_CHUNKS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_come_back() {
        let mut bytes = [0xFF; BLOCK_GAP_BYTES];
        let mut writer = GapWriter::new(&mut bytes);
        for chunk in 0..100 {
            writer.code_starts(chunk, chunk as u32 % 32);
            writer.code_starts(chunk, 31);
        }
        writer.finish();
        for chunk in 0..BLOCK_CHUNKS {
            assert_eq!(read(&bytes, chunk), if chunk < 100 { chunk as u32 % 32 } else { 0 });
        }
        assert_eq!(read(&bytes, BLOCK_CHUNKS), 0);
    }
}
