//! BF16 words, as they stand in files and in the caller's memory: little-endian, at any address.

use df11_core::{Bytes, Error, bf16};

use super::memory::Memory;
use crate::memory::buffer;

/// BF16 words, kept as bytes.
///
/// Invariant: the number of bytes is even.
#[derive(Debug)]
pub(crate) struct Bf16Words<'a>(Bytes<'a>);

impl<'a> Bf16Words<'a> {
    pub fn new(bytes: Bytes<'a>) -> Result<Self, Error> {
        let (found, expected) = (bytes.len(), bytes.len().next_multiple_of(size_of::<bf16>()));
        match found == expected {
            true => Ok(Self(bytes)),
            false => Err(Error::BufferSize { buffer: "words", found, expected }),
        }
    }

    pub fn all(&self) -> &[[u8; 2]] {
        self.0.as_chunks().0
    }

    /// Copies the words from `first` on.
    ///
    /// # Errors
    /// `RangePastEnd`.
    pub fn read(&self, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
        let (all, count) = (self.all(), weights.len());
        let words = usize::try_from(first).ok().and_then(|first| all.get(first..)?.get(..count));
        let past = Error::RangePastEnd { first, count: count as u64, weights: all.len() as u64 };
        copy(words.ok_or(past)?, weights);
        Ok(())
    }

    /// Gives words to `take` as weights, in order. Where they cannot be read in place, they are
    /// copied, `part` at a time.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn for_each_part(words: &[[u8; 2]], part: usize, mut take: impl FnMut(&[bf16])) -> Result<(), Error> {
        if cfg!(target_endian = "little")
            && let Ok(weights) = bytemuck::try_cast_slice(words.as_flattened())
        {
            take(weights);
            return Ok(());
        }
        let mut weights = buffer(words.len().min(part))?;
        for words in words.chunks(part) {
            let weights = &mut weights[..words.len()];
            copy(words, weights);
            take(weights);
        }
        Ok(())
    }

    /// The words of `count` weights, which `write` writes.
    ///
    /// # Errors
    /// `OutOfMemory`, and those of `write`.
    pub fn written(
        count: u64,
        write: impl FnOnce(&mut [bf16]) -> Result<(), Error>,
    ) -> Result<Bf16Words<'static>, Error> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut memory = Memory::new(count.saturating_mul(size_of::<bf16>()), 0)?;
        let weights = bytemuck::cast_slice_mut(memory.bytes_mut());
        write(weights)?;
        as_words(weights);
        Bf16Words::new(memory.into_bytes())
    }
}

/// Weights in memory as little-endian words.
pub(crate) fn as_words(weights: &mut [bf16]) -> &[[u8; 2]] {
    if cfg!(target_endian = "big") {
        weights.iter_mut().for_each(|weight| *weight = bf16::from_bits(weight.to_bits().swap_bytes()));
    }
    bytemuck::cast_slice(weights)
}

fn copy(words: &[[u8; 2]], weights: &mut [bf16]) {
    weights.iter_mut().zip(words).for_each(|(weight, &word)| *weight = bf16::from_le_bytes(word));
}
