use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use df11_core::{Arrays, Backend, BackendError, Loaded, PartSizes, PartsMut};

use super::opened::Opened;
use crate::Error;
use crate::record::coded::CodedUnit;

/// A unit of a DFloat11 model: where its arrays lie. It keeps the model open.
#[derive(Clone, Debug)]
pub struct UnitEntry {
    pub(super) opened: Arc<Opened>,
    pub(super) index: usize,
}

/// Bytes of each array of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnitSizes {
    /// The five arrays that `UnitEntry::read_into` fills.
    pub parts: PartSizes,
    /// Eight bytes for each matrix except the last.
    pub split_positions: usize,
}

impl UnitEntry {
    pub(super) fn of(opened: &Arc<Opened>, index: usize) -> UnitEntry {
        UnitEntry { opened: opened.clone(), index }
    }

    /// Where its arrays lie.
    #[cfg(feature = "mmap")]
    pub(super) fn places(&self) -> impl Iterator<Item = &crate::files::checkpoint::Place> {
        self.coded().places()
    }

    fn coded(&self) -> &CodedUnit {
        &self.opened.units[self.index]
    }

    /// Its module path.
    pub fn name(&self) -> &str {
        &self.coded().name
    }

    /// The file that holds it.
    pub fn path(&self) -> PathBuf {
        self.coded().path(&self.opened.checkpoint)
    }

    /// Number of weights, by the header: a claim until the unit is read and validated.
    pub fn weights(&self) -> u64 {
        self.coded().weights
    }

    /// Bytes of all its arrays together, by the header: a claim until `sizes` accepts it.
    pub fn bytes(&self) -> u64 {
        self.coded().bytes
    }

    /// Bytes of each array, for the buffers of `read_into`. The header alone gives them.
    ///
    /// # Errors
    /// `UnitDamaged` if no unit has arrays of these sizes. An array is larger than this machine can
    /// address.
    pub fn sizes(&self) -> Result<UnitSizes, Error> {
        let [encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions] =
            self.coded().sizes(&self.opened.checkpoint)?;
        let parts = PartSizes { encoded_exponent, sign_mantissa, luts, gaps, output_positions };
        Ok(UnitSizes { parts, split_positions })
    }

    /// Reads its arrays into new memory. `Arrays::validate` makes a unit of them.
    ///
    /// # Errors
    /// As `sizes`; `NotEnoughMemory`; what the operating system said.
    pub fn read(&self) -> Result<Arrays<'static>, Error> {
        self.coded().read(&self.opened.checkpoint, &())
    }

    /// Reads its arrays into the caller's memory, which may be pinned, mapped or from an arena. The
    /// buffers must have exactly the sizes that `sizes` returns.
    ///
    /// # Errors
    /// As `sizes`; `UnitDamaged` with `BufferSize` for another size; what the operating system
    /// said.
    pub fn read_into(&self, parts: PartsMut<'_>, split_positions: &mut [u8]) -> Result<(), Error> {
        let (checkpoint, unit) = (&self.opened.checkpoint, self.coded());
        let sizes = self.sizes()?;
        parts.check(&sizes.parts).map_err(|fault| unit.damaged(checkpoint, fault))?;
        if split_positions.len() != sizes.split_positions {
            let (found, expected) = (split_positions.len(), sizes.split_positions);
            let fault = df11_core::Error::BufferSize { buffer: "split_positions", found, expected };
            return Err(unit.damaged(checkpoint, fault));
        }
        let PartsMut { encoded_exponent, sign_mantissa, luts, gaps, output_positions } = parts;
        let arrays = [encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions];
        for (index, array) in arrays.into_iter().enumerate() {
            unit.read_array(checkpoint, index, array, 0, &())?;
        }
        Ok(())
    }

    /// Reads it, proves its structure and hands it to a backend. A runtime keeps the result.
    ///
    /// # Errors
    /// As `read`; `UnitDamaged`, `BackendFailed`.
    pub fn load(&self, backend: &dyn Backend) -> Result<Box<dyn Loaded>, Error> {
        self.loaded(self.read()?, backend)
    }

    /// As `load`, for decoding these of its weights alone: it reads the blocks that hold them, and
    /// `Loaded::decode_range` promises to read no others.
    pub(super) fn load_blocks(
        &self,
        backend: &dyn Backend,
        ranges: impl Iterator<Item = Range<u64>>,
    ) -> Result<Box<dyn Loaded>, Error> {
        self.loaded(self.coded().read_blocks(&self.opened.checkpoint, ranges)?, backend)
    }

    fn loaded(&self, arrays: Arrays<'static>, backend: &dyn Backend) -> Result<Box<dyn Loaded>, Error> {
        let unit = arrays.validate().map_err(|fault| self.error(fault.into()))?;
        backend.load(unit).map_err(|error| self.error(error))
    }

    /// Adds the names of file and unit to a backend's error. For callers that decode with the
    /// result of `load` themselves.
    pub fn error(&self, error: BackendError) -> Error {
        match error {
            BackendError::Unit(fault) => self.coded().damaged(&self.opened.checkpoint, fault),
            failed => Error::from_backend(failed),
        }
    }
}
