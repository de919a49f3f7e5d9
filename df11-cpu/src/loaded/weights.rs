//! The forms `bf16` and `flat`.

use df11_core::{BackendError, Bytes, Error, Flattened, Form, Linear, Loaded, Rows, Shape, Work, bf16};

use super::make::{Source, make};
use super::matrices::{Kept, Matrices};
use super::memory::Memory;
use super::product::{From, elements, product};
use super::words::{Bf16Words, as_words};
use crate::level::Level;

/// The form `bf16`.
#[derive(Debug)]
pub(crate) struct Bf16<'w> {
    words: Bf16Words<'w>,
    level: Level,
}

/// The form `flat`.
#[derive(Debug)]
struct FlatWeights {
    matrices: Matrices,
    level: Level,
}

impl<'w> Bf16<'w> {
    pub fn new(words: Bytes<'w>, level: Level) -> Result<Self, Error> {
        Ok(Self { words: Bf16Words::new(words)?, level })
    }
}

impl Loaded for Bf16<'_> {
    fn form(&self) -> Form {
        Form::Bf16
    }

    fn weights(&self) -> u64 {
        self.words.all().len() as u64
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], _: Work) -> Result<(), BackendError> {
        Ok(self.words.read(first, weights)?)
    }

    fn flatten(&self, matrices: &[Shape], work: Work) -> Result<Flattened, BackendError> {
        flatten(self.level, Source::Bf16(&self.words), self.weights(), matrices, work)
    }

    fn scratch(&self, columns: u32, vectors: usize, work: Work) -> usize {
        elements(self.level, From::Bf16(&self.words), columns, vectors, work)
    }

    fn product(
        &self,
        x: &[bf16],
        linears: &mut [Linear<'_>],
        scratch: &mut [f32],
        work: Work,
    ) -> Result<(), BackendError> {
        product(self.level, From::Bf16(&self.words), self.weights(), x, linears, scratch, work)
    }
}

impl Loaded for FlatWeights {
    fn form(&self) -> Form {
        Form::Flat
    }

    fn weights(&self) -> u64 {
        self.matrices.weights()
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], _: Work) -> Result<(), BackendError> {
        Ok(self.matrices.read(first, weights)?)
    }

    /// By way of BF16.
    fn flatten(&self, matrices: &[Shape], work: Work) -> Result<Flattened, BackendError> {
        let count = usize::try_from(self.weights()).unwrap_or(usize::MAX);
        let mut memory = Memory::new(count.saturating_mul(size_of::<bf16>()), 0)?;
        let weights = bytemuck::cast_slice_mut(memory.bytes_mut());
        self.matrices.read(0, weights)?;
        as_words(weights);
        flatten(self.level, Source::Bf16(&Bf16Words::new(memory.into_bytes())?), self.weights(), matrices, work)
    }

    fn scratch(&self, columns: u32, vectors: usize, work: Work) -> usize {
        elements(self.level, From::Flat(&self.matrices), columns, vectors, work)
    }

    fn product(
        &self,
        x: &[bf16],
        linears: &mut [Linear<'_>],
        scratch: &mut [f32],
        work: Work,
    ) -> Result<(), BackendError> {
        product(self.level, From::Flat(&self.matrices), self.weights(), x, linears, scratch, work)
    }
}

/// As `Loaded::flatten`, from weights in another form.
///
/// # Errors
/// As `Loaded::flatten`.
pub(crate) fn flatten(
    level: Level,
    source: Source<'_>,
    weights: u64,
    matrices: &[Shape],
    work: Work,
) -> Result<Flattened, BackendError> {
    let (mut kept, mut bytes, mut escapes, mut kept_bf16) = (Vec::new(), 0, 0, 0);
    for rows in Rows::of_matrices(matrices, weights)? {
        kept.push(match make(level, source, rows.first, rows.shape, work)? {
            Some(flat) => {
                bytes += flat.bytes().len() as u64;
                escapes += u64::from(flat.sections().escapes());
                (rows, Kept::Flat(flat))
            }
            None => {
                let words = copied(source, &rows, work)?;
                bytes += size_of_val(words.all()) as u64;
                kept_bf16 += 1;
                (rows, Kept::Bf16(words))
            }
        });
    }
    Ok(Flattened { loaded: Box::new(FlatWeights { matrices: Matrices::new(kept), level }), bytes, escapes, kept_bf16 })
}

/// The words of a matrix that is not worth the flat form.
fn copied(source: Source<'_>, rows: &Rows, work: Work) -> Result<Bf16Words<'static>, Error> {
    let count = usize::try_from(rows.shape.weights()).unwrap_or(usize::MAX);
    let mut memory = Memory::new(count.saturating_mul(size_of::<bf16>()), 0)?;
    match source {
        Source::Df11(decoder) => {
            let weights = bytemuck::cast_slice_mut(memory.bytes_mut());
            decoder.decode_range(rows.first, weights, work)?;
            as_words(weights);
        }
        Source::Bf16(words) => {
            memory.bytes_mut().copy_from_slice(words.all()[rows.first as usize..][..count].as_flattened());
        }
    }
    Bf16Words::new(memory.into_bytes())
}
