//! The contract that every backend fulfils: it loads a unit once, then decodes it any number of
//! times.

use alloc::boxed::Box;
use core::error::Error as StdError;
use core::fmt;
use core::ops::Range;

use half::bf16;

use crate::decode;
use crate::error::Error;
use crate::rows::SortedRows;
use crate::unit::Unit;

/// Most blocks that rows are decoded together in. Longer groups decode fewer blocks twice; the
/// scratch of 8 blocks, about 200 KB, stays in a second-level cache.
const ROW_BLOCKS: usize = 8;

/// Decodes validated units on some processor. It gives the same weights as [`crate::decode`], or an
/// error.
pub trait Backend: fmt::Debug + Send + Sync {
    /// The name under which the backend is listed, and by which a user forces it.
    fn name(&self) -> &str;

    /// Takes a unit and prepares what decoding needs: tables, or a copy on the device.
    ///
    /// # Errors
    /// `Device` if the device fails.
    fn load<'u>(&self, unit: Unit<'u>) -> Result<Box<dyn Loaded + 'u>, BackendError>;
}

/// A unit that a backend has loaded.
///
/// The stream of a unit can contradict its index. This must not cause a panic, a hang, or a write
/// outside the caller's buffer. A loaded unit may accept a wrong gap that it does not use
/// (FORMAT.md, "What a reader refuses").
pub trait Loaded: fmt::Debug + Send + Sync {
    /// The unit.
    fn unit(&self) -> &Unit<'_>;

    /// Number of weights of the unit.
    fn weights(&self) -> u64 {
        self.unit().weights()
    }

    /// Decodes the weights from `first` on, as many as `weights` has elements. Reads only the
    /// blocks in which their codes start.
    ///
    /// # Errors
    /// `Unit`: `RangePastEnd`, or what FORMAT.md, "What a reader refuses", lists as refused while
    /// decoding; the content of `weights` is then unspecified. `Device` if the device fails.
    fn decode_range(&self, first: u64, weights: &mut [bf16], work: Work) -> Result<(), BackendError>;

    /// Decodes all weights.
    ///
    /// # Errors
    /// `Unit`: `BufferSize` unless `weights` has as many elements as the unit has weights. The
    /// errors of `decode_range`.
    fn decode(&self, weights: &mut [bf16], work: Work) -> Result<(), BackendError> {
        let (found, expected) = (weights.len(), self.weights() as usize);
        if found != expected {
            return Err(Error::BufferSize { buffer: "weights", found, expected }.into());
        }
        self.decode_range(0, weights, work)
    }

    /// Decodes rows of a matrix one after another, in the order of `rows`: an embedding look-up. A
    /// row may occur several times. `matrix` is one of `Unit::matrices`, `columns` the number of
    /// weights in a row. Rows that share blocks are decoded together (see `SortedRows`), so that
    /// the cost is that of the blocks that hold a row.
    ///
    /// With 0 columns there is nothing to decode, and any rows of any matrix succeed.
    ///
    /// # Errors
    /// `Unit`: `BufferSize` unless `weights` has `rows.len() * columns` elements, `RangePastEnd`
    /// for a row that is not in the matrix or not in the unit. The errors of `decode_range`.
    fn decode_rows(
        &self,
        matrix: Range<u64>,
        columns: usize,
        rows: &[u64],
        weights: &mut [bf16],
        work: Work,
    ) -> Result<(), BackendError> {
        let mut rows = SortedRows::new(self.unit(), matrix, columns, rows, weights)?;
        rows.decode(ROW_BLOCKS, |first, weights| self.decode_range(first, weights, work))
    }
}

/// Which threads do the work of a call. A device ignores it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// The threads of the current pool, and the caller's thread.
    #[default]
    Pool,
    /// The caller's thread alone. So a caller can drive the work from a pool of its own, one tile
    /// of `Unit::tiles` at a time.
    ThisThread,
}

/// Why a backend did not do what it was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackendError {
    /// The unit does not decode, or does not hold what was asked for.
    Unit(Error),
    /// The backend cannot do this; another one may.
    Unsupported {
        /// The backend's name.
        backend: &'static str,
        /// What it cannot do.
        what: &'static str,
    },
    /// The device or its driver failed. This says nothing about the unit.
    Device {
        /// The backend's name.
        backend: &'static str,
        /// The driver's error.
        error: Box<dyn StdError + Send + Sync>,
    },
}

impl From<Error> for BackendError {
    fn from(error: Error) -> Self {
        Self::Unit(error)
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(error) => error.fmt(f),
            Self::Unsupported { backend, what } => write!(f, "backend {backend} cannot {what}: use another one"),
            Self::Device { backend, error } => write!(f, "backend {backend} failed: {error}"),
        }
    }
}

impl StdError for BackendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unit(error) => Some(error),
            Self::Unsupported { .. } => None,
            Self::Device { error, .. } => Some(&**error),
        }
    }
}

/// The plain decoder of this crate.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

#[derive(Debug)]
struct PlainUnit<'u>(Unit<'u>);

impl Backend for Plain {
    fn name(&self) -> &str {
        "plain"
    }

    fn load<'u>(&self, unit: Unit<'u>) -> Result<Box<dyn Loaded + 'u>, BackendError> {
        Ok(Box::new(PlainUnit(unit)))
    }
}

impl Loaded for PlainUnit<'_> {
    fn unit(&self) -> &Unit<'_> {
        &self.0
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], _: Work) -> Result<(), BackendError> {
        Ok(decode::decode_range(&self.0, first, weights)?)
    }
}
