//! Runs the products of one batch, form by form in turns.

use std::hint::black_box;
use std::time::{Duration, Instant};

use df11_core::product::{Output, dot, fixed_nan};
use df11_core::{Form, Linear, Loaded, Rows, Shape, Work, bf16};
use df11_cpu::buffer;

use super::reading::{READERS, ROW_BYTES};
use crate::exit::Failure;

const FEWEST_REPETITIONS: usize = 3;
/// Short products repeat for at least this long.
const MEASURED: Duration = Duration::from_millis(250);
/// Rows whose results are compared with the definition.
const CHECKED_ROWS: usize = 16;
/// A NaN that no product writes.
const UNWRITTEN: f32 = f32::from_bits(0x7FC0_0001);

/// The shortest time of each operation, in seconds.
pub struct Times {
    /// One for each form.
    pub products: Vec<f64>,
    pub reading: f64,
    pub memcpy: f64,
}

impl Default for Times {
    fn default() -> Times {
        Times { products: Vec::new(), reading: f64::INFINITY, memcpy: f64::INFINITY }
    }
}

/// The matrix in one form.
pub struct Held<'a> {
    pub loaded: Box<dyn Loaded + 'a>,
    pub bytes: usize,
}

/// What the products of one batch work on.
pub struct Operands<'a> {
    forms: &'a [Held<'a>],
    words: &'a [u8],
    shape: Shape,
    x: &'a [bf16],
    y: &'a mut [f32],
    scratch: Vec<f32>,
}

impl<'a> Operands<'a> {
    pub fn new(
        forms: &'a [Held<'a>],
        words: &'a [u8],
        shape: Shape,
        x: &'a [bf16],
        y: &'a mut [f32],
    ) -> Result<Operands<'a>, Failure> {
        let columns = shape.columns();
        let scratch = forms.iter().map(|held| held.loaded.scratch(columns, x.len() / columns as usize, Work::Pool));
        let scratch = buffer(scratch.max().unwrap_or(0))?;
        Ok(Operands { forms, words, shape, x, y, scratch })
    }

    /// The first form whose products differ from the definition. This also warms up.
    pub fn wrong_form(&mut self) -> Result<Option<Form>, Failure> {
        let (rows, columns) = (self.shape.rows() as usize, self.shape.columns() as usize);
        for held in self.forms {
            self.y.fill(UNWRITTEN);
            self.multiply(held)?;
            let sample = (0..rows).step_by(rows.div_ceil(CHECKED_ROWS));
            let is_right = |row: usize| {
                let words = self.words[row * ROW_BYTES..][..ROW_BYTES].as_chunks().0;
                self.x.chunks(columns).zip(self.y.chunks(rows)).all(|(x, y)| {
                    let expected = dot(words.iter().map(|&word| bf16::from_le_bytes(word)), x);
                    y[row].to_bits() == fixed_nan(expected).to_bits()
                })
            };
            if !sample.into_iter().all(is_right) {
                return Ok(Some(held.loaded.form()));
            }
        }
        Ok(None)
    }

    /// Runs everything in turns. `copy` is where memcpy copies to.
    pub fn times(&mut self, copy: &mut [u8]) -> Result<Times, Failure> {
        let mut best = Times { products: vec![f64::INFINITY; self.forms.len()], ..Times::default() };
        let (began, mut repetitions) = (Instant::now(), 0);
        while repetitions < FEWEST_REPETITIONS || began.elapsed() < MEASURED {
            for (held, best) in self.forms.iter().zip(&mut best.products) {
                shortest(best, || self.multiply(held))?;
            }
            for read in READERS {
                shortest(&mut best.reading, || read(self.words));
            }
            shortest(&mut best.memcpy, || black_box(&mut *copy).copy_from_slice(black_box(self.words)));
            repetitions += 1;
        }
        Ok(best)
    }

    fn multiply(&mut self, held: &Held<'_>) -> Result<(), Failure> {
        let rows = Rows { first: 0, shape: self.shape };
        let mut linears = [Linear { rows, bias: None, y: Output::F32(self.y) }];
        Ok(held.loaded.product(self.x, &mut linears, &mut self.scratch, Work::Pool)?)
    }
}

fn shortest<T>(best: &mut f64, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    *best = best.min(start.elapsed().as_secs_f64());
    result
}
