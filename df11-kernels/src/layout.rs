//! How a unit lies in one piece of device memory.

use df11_core::Unit;

use crate::geometry::{fullest_block, stage_bytes};
use crate::jobs::DeviceUnit;
use crate::tables::{TABLE_WORDS, Tables};

/// Arrays begin at multiples of this: vector loads are whole, and lines of the caches are not shared.
const ALIGN: usize = 256;

/// Places of a unit's arrays behind one another, with its tables as the last.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Of the stream, `sign_mantissa`, `gaps`, `output_positions` and the tables; then the end.
    places: [usize; 6],
    unit: DeviceUnit,
    stage_bytes: u32,
}

impl Layout {
    /// The layout of a unit.
    pub fn new(unit: &Unit<'_>) -> Self {
        let view = unit.view();
        let arrays = [view.encoded_exponent, view.sign_mantissa, view.gaps, view.output_positions];
        let mut places = [0; 6];
        for (array, bytes) in arrays.iter().map(|array| array.len()).chain([4 * TABLE_WORDS]).enumerate() {
            places[array + 1] = (places[array] + bytes).next_multiple_of(ALIGN);
        }
        Self { places, unit: DeviceUnit::new(unit, 0, 0, 0, 0, 0), stage_bytes: stage_bytes(fullest_block(unit)) }
    }

    /// Bytes of it all.
    pub fn bytes(&self) -> usize {
        self.places[5]
    }

    /// Shared memory that the unit's fullest block needs.
    pub fn stage_bytes(&self) -> u32 {
        self.stage_bytes
    }

    /// Weights of the unit.
    pub fn weights(&self) -> u64 {
        u64::from(self.unit.weights)
    }

    /// Copies the unit and its tables into `bytes`, `self.bytes()` of them; `unit` is the one that the layout was made of.
    pub fn write(&self, unit: &Unit<'_>, bytes: &mut [u8]) {
        let view = unit.view();
        let arrays = [view.encoded_exponent, view.sign_mantissa, view.gaps, view.output_positions];
        for (&place, array) in self.places.iter().zip(arrays) {
            bytes[place..][..array.len()].copy_from_slice(array);
        }
        let words = Tables::new(unit.code());
        for (bytes, word) in bytes[self.places[4]..].chunks_exact_mut(4).zip(words.words()) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// The unit, written to the device memory at `base`, a multiple of 256.
    pub fn at(&self, base: u64) -> DeviceUnit {
        let [stream, sign_mantissa, gaps, positions, tables, _] = self.places.map(|place| base + place as u64);
        DeviceUnit { stream, sign_mantissa, gaps, positions, tables, ..self.unit }
    }
}
