use df11_core::{Arrays, Error, PartSizes, PartsMut, UnitView};

use crate::memory::buffer;

/// The parts of a unit, each in its own buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The stream.
    pub encoded_exponent: Vec<u8>,
    /// Sign and mantissa, one byte per weight.
    pub sign_mantissa: Vec<u8>,
    /// Look-up tables and code lengths.
    pub luts: Vec<u8>,
    /// Gaps, 5 bits per chunk.
    pub gaps: Vec<u8>,
    /// A little-endian u32 per block, and one more.
    pub output_positions: Vec<u8>,
}

impl Parts {
    /// Zeros, in the sizes that a plan gives.
    pub fn of(sizes: &PartSizes) -> Result<Self, Error> {
        let mut parts = Self::default();
        parts.fit(sizes)?;
        Ok(parts)
    }

    /// Resizes to the sizes that a plan gives, and keeps memory that is large enough. The contents
    /// mean nothing until they are encoded.
    ///
    /// Why: memory written before costs nothing, while the system must zero new memory.
    ///
    /// # Errors
    /// `OutOfMemory`. The parts then have sizes that fit no plan, and can be fitted again.
    pub fn fit(&mut self, sizes: &PartSizes) -> Result<(), Error> {
        fit(&mut self.encoded_exponent, sizes.encoded_exponent)?;
        fit(&mut self.sign_mantissa, sizes.sign_mantissa)?;
        fit(&mut self.luts, sizes.luts)?;
        fit(&mut self.gaps, sizes.gaps)?;
        fit(&mut self.output_positions, sizes.output_positions)
    }

    /// Borrows the parts for an encoder to write.
    pub fn as_mut(&mut self) -> PartsMut<'_> {
        PartsMut {
            encoded_exponent: &mut self.encoded_exponent,
            sign_mantissa: &mut self.sign_mantissa,
            luts: &mut self.luts,
            gaps: &mut self.gaps,
            output_positions: &mut self.output_positions,
        }
    }

    /// Borrows the parts for a decoder to read. `split_positions`: little-endian i64, the end of
    /// each matrix but the last.
    pub fn view<'a>(&'a self, split_positions: &'a [u8]) -> UnitView<'a> {
        UnitView {
            encoded_exponent: &self.encoded_exponent,
            sign_mantissa: &self.sign_mantissa,
            luts: &self.luts,
            gaps: &self.gaps,
            output_positions: &self.output_positions,
            split_positions,
        }
    }

    /// Moves the parts into arrays that a unit can own. `split_positions`: as for `view`.
    pub fn into_arrays(self, split_positions: Vec<u8>) -> Arrays<'static> {
        Arrays {
            encoded_exponent: self.encoded_exponent.into(),
            sign_mantissa: self.sign_mantissa.into(),
            luts: self.luts.into(),
            gaps: self.gaps.into(),
            output_positions: self.output_positions.into(),
            split_positions: split_positions.into(),
        }
    }
}

fn fit(bytes: &mut Vec<u8>, size: usize) -> Result<(), Error> {
    if bytes.capacity() < size {
        // Free the old buffer first: both together would be more than a unit needs.
        *bytes = Vec::new();
        *bytes = buffer(size)?;
    }
    bytes.resize(size, 0);
    Ok(())
}
