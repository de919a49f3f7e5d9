//! The contract that every backend fulfils: it loads weights once, then decodes them or multiplies
//! from them any number of times.
//!
//! ```text
//! DF11 unit -> Backend::load ------+
//! BF16 words -> Backend::load_bf16 +-> Loaded, in one form -> flatten -> Loaded, flat
//! Loaded -> decode, decode_range, decode_rows -> weights
//! Loaded -> product -> y
//! ```

use alloc::boxed::Box;
use core::error::Error as StdError;
use core::fmt;
use core::ops::Range;

use half::bf16;

use crate::bytes::Bytes;
use crate::error::Error;
use crate::flat::Shape;
use crate::form::Form;
use crate::linear::Linear;
use crate::rows::{SortedRows, row_starts};
use crate::unit::Unit;

/// Most blocks that rows are decoded together in. Longer groups decode fewer blocks twice; the
/// scratch of 8 blocks, about 200 KB, stays in a second-level cache.
const ROW_BLOCKS: usize = 8;

/// Decodes validated units on some processor, and multiplies from them. It gives the same weights
/// as [`crate::decode`] and the same products as [`crate::product`], bit for bit, or an error.
pub trait Backend: fmt::Debug + Send + Sync {
    /// The name under which the backend is listed, and by which a user forces it.
    fn name(&self) -> &str;

    /// Takes a unit and prepares what decoding needs: tables, or a copy on the device.
    ///
    /// # Errors
    /// `Device` if the device fails.
    fn load<'u>(&self, unit: Unit<'u>) -> Result<Box<dyn Loaded + 'u>, BackendError>;

    /// Takes weights that are not compressed: BF16 words as in files, little-endian, two bytes
    /// each, at any alignment.
    ///
    /// # Errors
    /// `Unit`: `BufferSize` if there is half a word. `Unsupported`. `Device` if the device fails.
    fn load_bf16<'w>(&self, words: Bytes<'w>) -> Result<Box<dyn Loaded + 'w>, BackendError> {
        let _ = words;
        Err(BackendError::Unsupported { what: "load BF16 weights" })
    }
}

/// Weights that a backend has loaded, in one of the forms.
///
/// The stream of a unit can contradict its index. This must not cause a panic, a hang, or a write
/// outside the caller's buffer. A loaded unit may accept a wrong gap that it does not use
/// (FORMAT.md, "What a reader refuses").
pub trait Loaded: fmt::Debug + Send + Sync {
    /// The form in which the weights are held.
    fn form(&self) -> Form {
        Form::Df11
    }

    /// The unit, if the weights are held as one: rows that share its blocks are decoded together.
    fn unit(&self) -> Option<&Unit<'_>> {
        None
    }

    /// Number of weights.
    fn weights(&self) -> u64;

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
        if let Some(unit) = self.unit() {
            let mut rows = SortedRows::new(unit, matrix, columns, rows, weights)?;
            return rows.decode(ROW_BLOCKS, |first, weights| self.decode_range(first, weights, work));
        }
        let starts = row_starts(matrix, columns, rows, weights.len())?;
        for (first, row) in starts.zip(weights.chunks_exact_mut(columns.max(1))) {
            self.decode_range(first?, row, work)?;
        }
        Ok(())
    }

    /// The same weights in the flat form, which is the fastest to multiply from. `matrices` are
    /// those of the unit, in order; together they have all its weights. A matrix for which
    /// [`Sections::is_worth_it`] says no is kept in BF16, and counted. The result does not borrow
    /// from this one, which may be dropped.
    ///
    /// [`Sections::is_worth_it`]: crate::Sections::is_worth_it
    ///
    /// # Errors
    /// `Unit`: `BufferSize` unless the matrices have as many weights as there are; `OutOfMemory`;
    /// the errors of `decode_range`. `Unsupported`. `Device` if the device fails.
    fn flatten(&self, matrices: &[Shape], work: Work) -> Result<Flattened, BackendError> {
        let _ = (matrices, work);
        Err(BackendError::Unsupported { what: "make the flat form" })
    }

    /// Elements of scratch that `product` needs for vectors of `columns` elements, at most
    /// `vectors` of them. A caller makes the scratch once, for the largest of its products; each of
    /// its threads that calls `product` has its own. `Work::Pool` counts the threads of the current
    /// pool: ask there. More than can be counted is `usize::MAX`.
    fn scratch(&self, columns: u32, vectors: usize, work: Work) -> usize {
        let _ = (columns, vectors, work);
        0
    }

    /// Multiplies matrices with vectors: `y = W x + bias` for each of `linears`, which share x.
    /// Their rows have as many columns as a vector has elements. `x` holds one vector after
    /// another.
    ///
    /// Each y is what FLAT.md, "Products", says, bit for bit: from every form, on every backend,
    /// for any number of threads and vectors. Without vectors there is nothing to do: only what
    /// `check_product` finds is refused. Allocates nothing. `scratch` has at least
    /// `self.scratch(columns, vectors, work)` elements, of any content.
    ///
    /// ```
    /// use df11_core::product::{Bias, Output};
    /// use df11_core::{Backend, Linear, Plain, Rows, Shape, Unit, Work, bf16};
    ///
    /// // q has 64 rows and k has 32, of 128 columns.
    /// let weights: Vec<bf16> = (0..96 * 128).map(|i| bf16::from_f32((i as f32 * 0.7).sin())).collect();
    /// let [q, k] = [Shape::new(64, 128)?, Shape::new(32, 128)?];
    /// let unit = Unit::encode(&weights, &[q.weights(), k.weights()])?;
    /// let loaded = Plain.load(unit)?.flatten(&[q, k], Work::Pool)?.loaded;
    ///
    /// // Two vectors; their results for each matrix.
    /// let x = vec![bf16::from_f32(0.5); 2 * 128];
    /// let (mut y_q, mut y_k) = (vec![0.0; 2 * 64], vec![bf16::ZERO; 2 * 32]);
    /// let mut scratch = vec![0.0; loaded.scratch(128, 2, Work::Pool)];
    /// let mut linears = [
    ///     Linear { rows: Rows { first: 0, shape: q }, bias: Some(Bias::F32(&[1.0; 64])), y: Output::F32(&mut y_q) },
    ///     Linear { rows: Rows { first: q.weights(), shape: k }, bias: None, y: Output::Bf16(&mut y_k) },
    /// ];
    /// loaded.product(&x, &mut linears, &mut scratch, Work::Pool)?;
    /// assert_eq!(y_q[3], y_q[64 + 3], "both vectors are the same");
    /// # Ok::<(), df11_core::BackendError>(())
    /// ```
    ///
    /// # Errors
    /// `Unit`: those of `check_product`; `BufferSize` if the scratch is too small;
    /// `NotRowsOfMatrix` if weights in the flat form were made of other matrices; the errors of
    /// `decode_range`. The content of every y is then unspecified. `Unsupported`. `Device` if the
    /// device fails.
    fn product(
        &self,
        x: &[bf16],
        linears: &mut [Linear<'_>],
        scratch: &mut [f32],
        work: Work,
    ) -> Result<(), BackendError> {
        let _ = (x, linears, scratch, work);
        Err(BackendError::Unsupported { what: "multiply" })
    }
}

/// Weights in the flat form, and what became of their matrices.
#[derive(Debug)]
pub struct Flattened {
    /// The weights.
    pub loaded: Box<dyn Loaded>,
    /// Bytes in memory: those of the flat matrices, and of the matrices kept in BF16.
    pub bytes: u64,
    /// Weights of the flat matrices that escape.
    pub escapes: u64,
    /// Matrices kept in BF16, because their flat form would not be smaller.
    pub kept_bf16: usize,
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
            Self::Unsupported { what } => write!(f, "this backend cannot {what}: use another one"),
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
