use half::bf16;

use crate::decode;
use crate::error::Error;
use crate::unit::Unit;

/// What every decoder of validated units fulfils, on whatever processor: the same weights as `decode`, or an error.
///
/// A unit whose stream contradicts its index must not make it panic, hang, or write elsewhere. It may accept a wrong gap that it has no use for.
pub trait Backend: Send + Sync {
    /// The name by which it is listed and forced.
    fn name(&self) -> &str;

    /// Decodes the weights from `first` on, as many as `weights` has elements.
    ///
    /// # Errors
    /// `RangePastEnd`, and what FORMAT.md, "What a reader refuses", lists as refused while decoding.
    fn decode_range(&self, unit: &Unit<'_>, first: u64, weights: &mut [bf16]) -> Result<(), Error>;

    /// Decodes all weights of a unit.
    ///
    /// # Errors
    /// `BufferSize`, and as `decode_range`.
    fn decode(&self, unit: &Unit<'_>, weights: &mut [bf16]) -> Result<(), Error> {
        let expected = unit.view().sign_mantissa.len();
        if weights.len() != expected {
            return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
        }
        self.decode_range(unit, 0, weights)
    }
}

/// The plain decoder of this crate.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Backend for Plain {
    fn name(&self) -> &str {
        "plain"
    }

    fn decode_range(&self, unit: &Unit<'_>, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
        decode::decode_range(unit, first, weights)
    }
}
