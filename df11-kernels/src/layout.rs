//! How a unit lies in one piece of device memory.

use df11_core::Unit;

use crate::geometry::{fullest_block, stage_bytes};
use crate::jobs::DeviceUnit;
use crate::tables::{TABLE_WORDS, Tables};

/// Arrays begin at multiples of this, so that vector loads are whole and no two arrays share a
/// cache line.
const ALIGN: u64 = 256;

/// The places of a unit's arrays, one after the other, with its tables last.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The places of the stream, `sign_mantissa`, `gaps`, `output_positions` and the tables; then
    /// the end. The total may exceed a 32-bit address space.
    places: [u64; 6],
    unit: DeviceUnit,
    stage_bytes: u32,
}

impl Layout {
    /// The layout of a unit.
    pub fn new(unit: &Unit<'_>) -> Self {
        let mut places = [0; 6];
        for (array, bytes) in arrays(unit).map(|array| array.len()).into_iter().chain([4 * TABLE_WORDS]).enumerate() {
            places[array + 1] = (places[array] + bytes as u64).next_multiple_of(ALIGN);
        }
        Self { places, unit: DeviceUnit::new(unit, 0, 0, 0, 0, 0), stage_bytes: stage_bytes(fullest_block(unit)) }
    }

    /// The total number of bytes, or `usize::MAX` if there are more. Nobody has that many.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.places[5]).unwrap_or(usize::MAX)
    }

    /// Bytes of shared memory that the fullest block of the unit needs.
    pub fn stage_bytes(&self) -> u32 {
        self.stage_bytes
    }

    /// The number of weights of the unit.
    pub fn weights(&self) -> u64 {
        u64::from(self.unit.weights)
    }

    /// Copies the unit and its tables into `bytes`, which must have `self.bytes()` bytes. `unit` is
    /// the unit that the layout was made from.
    ///
    /// # Panics
    /// If `bytes` has another length, or `unit` other sizes.
    pub fn write(&self, unit: &Unit<'_>, bytes: &mut [u8]) {
        assert_eq!(bytes.len(), self.bytes(), "bytes for a unit that takes another number of them");
        assert_eq!(Self::new(unit).sizes(), self.sizes(), "a unit and the layout of another one");
        for (&place, array) in self.places.iter().zip(arrays(unit)) {
            bytes[place as usize..][..array.len()].copy_from_slice(array);
        }
        let words = Tables::new(unit.code());
        for (bytes, word) in bytes[self.places[4] as usize..].chunks_exact_mut(4).zip(words.words()) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Two units with equal sizes have the same layout.
    fn sizes(&self) -> ([u64; 6], u32, u32, u32) {
        (self.places, self.unit.stream_bytes, self.unit.weights, self.stage_bytes)
    }

    /// The unit as it lies after it was written to device memory at `base`, a multiple of 256.
    ///
    /// # Panics
    /// If `base` is not a multiple of 256, or so large that the unit would pass the end of all
    /// addresses.
    pub fn at(&self, base: u64) -> DeviceUnit {
        assert!(base.is_multiple_of(ALIGN), "a unit at {base:#x}, no multiple of {ALIGN}");
        assert!(
            base.checked_add(self.places[5]).is_some(),
            "{} bytes at {base:#x}: addresses end before",
            self.places[5]
        );
        let [stream, sign_mantissa, gaps, positions, tables, _] = self.places.map(|place| base + place);
        DeviceUnit { stream, sign_mantissa, gaps, positions, tables, ..self.unit }
    }
}

fn arrays<'a>(unit: &'a Unit<'_>) -> [&'a [u8]; 4] {
    let view = unit.view();
    [view.encoded_exponent, view.sign_mantissa, view.gaps, view.output_positions]
}
