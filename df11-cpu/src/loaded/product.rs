//! One product, from any form.

use df11_core::{BackendError, Error, Linear, Work, bf16, check_product};

use super::matrices::Matrices;
use super::share::{Prepared, Scratch};
use super::whole_rows::{buffer_for, whole_rows};
use super::words::{Bf16Words, as_words};
use crate::decoder::Decoder;
use crate::level::Level;
use crate::product::{Bf16Rows, Results, Source, Task};

/// Where the rows come from.
#[derive(Clone, Copy)]
pub(crate) enum From<'a> {
    Df11(&'a Decoder<'a>),
    Bf16(&'a Bf16Words<'a>),
    Flat(&'a Matrices),
}

/// Elements of scratch, for `Loaded::scratch`.
pub(crate) fn elements(level: Level, from: From<'_>, columns: u32, vectors: usize, work: Work) -> usize {
    needed(level, from, columns as usize, vectors, work).elements()
}

fn needed(level: Level, from: From<'_>, columns: usize, vectors: usize, work: Work) -> Scratch {
    let own = match from {
        From::Df11(_) => decoded(columns),
        _ => 0,
    };
    Scratch::new(level, columns, vectors, work, own)
}

/// Elements of a thread's scratch that hold decoded rows, two in each.
fn decoded(columns: usize) -> usize {
    buffer_for(columns).div_ceil(2)
}

/// As `Loaded::product`.
///
/// # Errors
/// As `Loaded::product`.
pub(crate) fn product(
    level: Level,
    from: From<'_>,
    weights: u64,
    x: &[bf16],
    linears: &mut [Linear<'_>],
    scratch: &mut [f32],
    work: Work,
) -> Result<(), BackendError> {
    let vectors = check_product(x, linears, weights)?;
    let Some(columns) = linears.first().map(|linear| linear.rows.shape.columns() as usize) else { return Ok(()) };
    if vectors == 0 {
        return Ok(());
    }
    let mut prepared = needed(level, from, columns, vectors, work).prepare(x, scratch)?;
    for linear in linears {
        multiply(from, &mut prepared, linear, columns)?;
    }
    Ok(())
}

fn multiply(from: From<'_>, prepared: &mut Prepared<'_>, linear: &mut Linear<'_>, columns: usize) -> Result<(), Error> {
    let (first, rows) = (linear.rows.first, linear.rows.shape.rows() as usize);
    let (source, first_row) = match from {
        From::Df11(decoder) => return decode_and_multiply(decoder, prepared, linear, columns),
        From::Bf16(words) => {
            (Source::Bf16(Bf16Rows::new(&words.all()[first as usize..][..rows * columns], columns)), 0)
        }
        From::Flat(matrices) => matrices.source(&linear.rows)?,
    };
    let results = Results::new(&mut linear.y, rows, linear.bias);
    let (level, x, vectors) = (prepared.level, prepared.x, prepared.vectors);
    prepared.share(results, &|results, scratch| {
        let rows = first_row + results.own().start..first_row + results.own().end;
        level.multiply(Task { source, rows, x, vectors, scratch, results });
        Ok(())
    })
}

/// A few blocks are decoded into the cache; whole rows are multiplied; the begun row is kept.
fn decode_and_multiply(
    decoder: &Decoder<'_>,
    prepared: &mut Prepared<'_>,
    linear: &mut Linear<'_>,
    columns: usize,
) -> Result<(), Error> {
    let (first, rows) = (linear.rows.first, linear.rows.shape.rows() as usize);
    let results = Results::new(&mut linear.y, rows, linear.bias);
    let (level, x, vectors) = (prepared.level, prepared.x, prepared.vectors);
    prepared.share(results, &|mut results, scratch| {
        let (buffer, scratch) = scratch.split_at_mut(decoded(columns));
        let buffer = bytemuck::cast_slice_mut(buffer);
        whole_rows(decoder, first, columns, results.own(), buffer, |rows, weights| {
            let source = Source::Bf16(Bf16Rows::new(as_words(weights), columns));
            let (results, rows) = (results.part(rows.clone()), 0..rows.len());
            level.multiply(Task { source, rows, x, vectors, scratch: &mut *scratch, results });
        })
    })
}
