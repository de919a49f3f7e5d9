//! Weights into the flat form, plainly.

use half::bf16;

#[cfg(feature = "alloc")]
use crate::encode::zeros;
#[cfg(feature = "alloc")]
use crate::flat::matrix::Flat;

use crate::bf16_word;
use crate::decode;
use crate::error::Error;
use crate::flat::exponents::Exponents;
use crate::flat::matrix::HEADER_FIELDS_END;
use crate::flat::row::{place, write_code};
use crate::flat::shape::{Sections, Shape};
use crate::limits::{ESCAPE, FLAT_EXPONENTS, FLAT_HEADER_BYTES, FLAT_MAGIC, FLAT_VERSION, GROUP, GROUP_CODE_BYTES};
use crate::unit::Unit;

/// Makes a matrix flat. `weights` are its rows, one after another; `bytes` has exactly the bytes
/// that `Sections::new(shape, exponents.escapes(&Histogram::of(weights)))` gives as its total.
///
/// # Errors
/// `BufferSize` if `weights` are not as many as `shape` says, or `bytes` has another size: the
/// error gives the size needed. `FlatTooLarge`.
pub fn flatten(weights: &[bf16], shape: Shape, exponents: &Exponents, bytes: &mut [u8]) -> Result<Sections, Error> {
    write(&Source::Weights(weights), shape, exponents, bytes)
}

/// Makes a matrix of a DF11 unit flat. `first` is its first weight in the unit. Decodes it twice:
/// to count the escapes, and to write.
///
/// # Errors
/// Those of `decode_range`. `BufferSize` if `bytes` has another size than needed: the error gives
/// that size. `FlatTooLarge`.
pub fn flatten_unit(
    unit: &Unit<'_>,
    first: u64,
    shape: Shape,
    exponents: &Exponents,
    bytes: &mut [u8],
) -> Result<Sections, Error> {
    write(&Source::Unit(unit, first), shape, exponents, bytes)
}

/// Where the weights come from, twice.
enum Source<'a> {
    Weights(&'a [bf16]),
    Unit(&'a Unit<'a>, u64),
}

impl Source<'_> {
    fn for_each(&self, shape: Shape, mut take: impl FnMut(bf16)) -> Result<(), Error> {
        // More weights than can be counted are not there: the one refusal or the other follows.
        let expected = usize::try_from(shape.weights()).unwrap_or(usize::MAX);
        match *self {
            Self::Unit(unit, first) => decode::for_each(unit, first, expected, take),
            Self::Weights(weights) if weights.len() == expected => {
                weights.iter().for_each(|&weight| take(weight));
                Ok(())
            }
            Self::Weights(weights) => Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected }),
        }
    }

    fn sections(&self, shape: Shape, exponents: &Exponents) -> Result<Sections, Error> {
        let mut escapes = 0;
        self.for_each(shape, |weight| {
            escapes += u64::from(exponents.code(bf16_word::exponent(weight)) == ESCAPE);
        })?;
        Sections::new(shape, escapes)
    }
}

fn write(source: &Source<'_>, shape: Shape, exponents: &Exponents, bytes: &mut [u8]) -> Result<Sections, Error> {
    let sections = source.sections(shape, exponents)?;
    write_sections(source, &sections, exponents, bytes)?;
    Ok(sections)
}

fn write_sections(
    source: &Source<'_>,
    sections: &Sections,
    exponents: &Exponents,
    bytes: &mut [u8],
) -> Result<(), Error> {
    let (header, parts) = sections.split_mut(bytes)?;
    write_header(sections, exponents, header);
    let (columns, groups) = (sections.shape().columns() as usize, sections.shape().groups());
    let (mut row, mut column, mut escapes) = (0, 0, 0);
    let [start, ends @ ..] = parts.row_starts else { return Ok(()) };
    *start = [0; 4];
    parts.sign_mantissa.fill(0);
    parts.codes.fill(0);
    source.for_each(sections.shape(), |weight| {
        let exponent = bf16_word::exponent(weight);
        let code = exponents.code(exponent);
        parts.sign_mantissa[row * groups * GROUP + place(column)] = bf16_word::sign_mantissa(weight);
        write_code(&mut parts.codes[row * groups * GROUP_CODE_BYTES..], column, code);
        if code == ESCAPE {
            parts.escape_columns[escapes] = (column as u32).to_le_bytes();
            parts.escape_exponents[escapes] = exponent;
            escapes += 1;
        }
        column += 1;
        if column == columns {
            ends[row] = (escapes as u32).to_le_bytes();
            (row, column) = (row + 1, 0);
        }
    })
}

/// Writes the header of a flat matrix: the same for every writer.
pub fn write_header(sections: &Sections, exponents: &Exponents, header: &mut [u8; FLAT_HEADER_BYTES]) {
    let shape = sections.shape();
    let numbers = [FLAT_VERSION, shape.rows(), shape.columns(), sections.escapes()].map(u32::to_le_bytes);
    let fields = FLAT_MAGIC.into_iter().chain(numbers.into_iter().flatten()).chain(*exponents.table());
    let zeros = core::iter::repeat(0);
    header.iter_mut().zip(fields.chain(zeros)).for_each(|(byte, value)| *byte = value);
}

const _: () = {
    assert!(HEADER_FIELDS_END == 40 && HEADER_FIELDS_END <= FLAT_HEADER_BYTES);
    assert!(FLAT_EXPONENTS + 1 == 1 << 4);
};

#[cfg(feature = "alloc")]
impl Flat<'static> {
    /// Makes a matrix flat that owns its bytes, as `flatten` does.
    ///
    /// # Errors
    /// Those of `flatten`. `OutOfMemory`.
    pub fn of_weights(weights: &[bf16], shape: Shape, exponents: &Exponents) -> Result<Self, Error> {
        let source = Source::Weights(weights);
        let sections = source.sections(shape, exponents)?;
        let mut bytes = zeros(sections.total())?;
        write_sections(&source, &sections, exponents, &mut bytes)?;
        Ok(Self::written(bytes.into(), sections, *exponents))
    }
}
