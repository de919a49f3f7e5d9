//! Makes one matrix flat, on all threads.

use core::ops::Range;

use df11_core::{Error, Exponents, Flat, Histogram, Sections, Shape, Work, write_header};

use super::memory::Memory;
use super::whole_rows::{buffer_for, whole_rows};
use super::words::Bf16Words;
use crate::decoder::Decoder;
use crate::flat::{CODES, Escapes, GROUP, Matrix, Rows};
use crate::level::Level;
use crate::memory::buffer;
use crate::threads;

/// Weights that one thread packs at a time, if there are enough for all threads.
const PART_WEIGHTS: usize = 4 << 20;
/// Words copied at a time, where they cannot be read in place.
const COPIED_WEIGHTS: usize = 64 << 10;
/// At first there is room for one escape in 256 weights. If more escape, the matrix is copied once.
const EXPECTED_ESCAPES: u64 = 256;

/// Where the weights of a matrix come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Df11(&'a Decoder<'a>),
    Bf16(&'a Bf16Words<'a>),
}

/// Makes the matrix flat whose first weight is `first`; `None` if the flat form is not smaller than
/// BF16.
///
/// # Errors
/// As `Decoder::decode_range`; `OutOfMemory`.
pub(crate) fn make(
    level: Level,
    source: Source<'_>,
    first: u64,
    shape: Shape,
    work: Work,
) -> Result<Option<Flat<'static>>, Error> {
    let sections = |escapes| Sections::new(shape, escapes).ok().filter(Sections::is_worth_it);
    let (exponents, least) = match source {
        Source::Df11(decoder) => (Exponents::of_code(decoder.unit().code()), sections(0)),
        Source::Bf16(words) => {
            let all = first as usize..(first + shape.weights()) as usize;
            let histogram = count(level, &words.all()[all], work)?;
            let exponents = Exponents::of_counts(&histogram);
            (exponents, sections(exponents.escapes(&histogram)).and(sections(0)))
        }
    };
    let Some(least) = least else { return Ok(None) };
    let mut memory = Memory::new(least.total(), (shape.weights() / EXPECTED_ESCAPES) as usize)?;
    let escapes = write(level, source, first, &least, &exponents, memory.bytes_mut(), work)?;
    let total = escapes.iter().map(|escapes| escapes.exponents.len() as u64).sum();
    let Some(sections) = sections(total) else { return Ok(None) };
    memory.resize(sections.total())?;
    finish(&sections, &exponents, memory.bytes_mut(), &escapes)?;
    let flat = Flat::from_written(memory.into_bytes());
    Ok(Some(flat.expect("the bytes are written as FLAT.md says")))
}

/// Counts the exponents of words.
fn count(level: Level, words: &[[u8; 2]], work: Work) -> Result<Histogram, Error> {
    let mut parts: Vec<_> = words.chunks(PART_WEIGHTS).map(|words| (words, [0; 256])).collect();
    threads::for_each(work, &mut parts, |(words, counts)| {
        Bf16Words::for_each_part(words, COPIED_WEIGHTS, |weights| {
            counts.iter_mut().zip(level.histogram(weights)).for_each(|(count, more)| *count += u64::from(more));
        })
    })?;
    let mut total = [0u64; 256];
    for (_, counts) in parts {
        total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    Ok(Histogram::from_counts(total))
}

/// Writes the signs and mantissas, the codes, and the number of escapes of each row. Returns the
/// escapes, in order.
fn write(
    level: Level,
    source: Source<'_>,
    first: u64,
    least: &Sections,
    exponents: &Exponents,
    bytes: &mut [u8],
    work: Work,
) -> Result<Vec<Escapes>, Error> {
    let (columns, groups) = (least.shape().columns() as usize, least.shape().groups());
    let (_, sections) = least.split_mut(bytes)?;
    let rows_each = (PART_WEIGHTS / columns).max(1);
    let matrix = Matrix::new(columns, exponents);
    let signs = sections.sign_mantissa.chunks_mut(rows_each * groups * GROUP);
    let codes_of = sections.codes.chunks_mut(rows_each * groups * CODES);
    let counts = sections.row_starts[1..].chunks_mut(rows_each);
    let mut parts: Vec<_> = signs
        .zip(codes_of)
        .zip(counts)
        .enumerate()
        .map(|(part, ((sign_mantissa, codes), counts))| {
            let rows = part * rows_each..part * rows_each + counts.len();
            (rows, Rows { matrix: &matrix, sign_mantissa, codes, counts, escapes: Escapes::default() })
        })
        .collect();
    threads::for_each(work, &mut parts, |(range, rows)| {
        let mut pack = |weights: &[_]| level.flatten(weights, rows);
        match source {
            Source::Df11(decoder) => {
                let mut buffer = buffer(buffer_for(columns))?;
                whole_rows(decoder, first, columns, range.clone(), &mut buffer, |_, weights| pack(weights))
            }
            Source::Bf16(words) => {
                let Range { start, end } = *range;
                let words = &words.all()[first as usize + start * columns..first as usize + end * columns];
                Bf16Words::for_each_part(words, (COPIED_WEIGHTS / columns).max(1) * columns, pack)
            }
        }
    })?;
    Ok(parts.into_iter().map(|(_, rows)| rows.escapes).collect())
}

/// Writes the header, the row starts in place of the numbers of escapes, and the escapes.
fn finish(sections: &Sections, exponents: &Exponents, bytes: &mut [u8], escapes: &[Escapes]) -> Result<(), Error> {
    let (header, parts) = sections.split_mut(bytes)?;
    write_header(sections, exponents, header);
    let mut start = 0;
    for count in parts.row_starts {
        start += u32::from_le_bytes(*count);
        *count = start.to_le_bytes();
    }
    let (mut columns, mut exponents) = (parts.escape_columns, parts.escape_exponents);
    for escapes in escapes {
        let (some, rest) = columns.split_at_mut(escapes.columns.len());
        some.copy_from_slice(&escapes.columns);
        columns = rest;
        let (some, rest) = exponents.split_at_mut(escapes.exponents.len());
        some.copy_from_slice(&escapes.exponents);
        exponents = rest;
    }
    Ok(())
}
