//! Where the threads of a product write.

use core::marker::PhantomData;
use core::ops::Range;

use df11_core::bf16;
use df11_core::product::{Bias, Output, fixed_nan, to_bf16};

/// Some rows of a y, for one thread. The element of vector `v` and row `r` is number
/// `v * rows + r`, so the rows of several threads cannot be cut into slices.
///
/// Invariant: `to` is the first element of a slice of `rows * vectors` elements, borrowed
/// exclusively for `'a`; `own` ends at or before `rows`. No row is in `own` of two values that can
/// be used at once: `new` has all rows of the slice, `split` gives each row to one half, and `part`
/// borrows.
pub(crate) struct Results<'a> {
    to: Pointer,
    rows: usize,
    vectors: usize,
    own: Range<usize>,
    bias: Option<Bias<'a>>,
    lifetime: PhantomData<&'a mut [f32]>,
}

#[derive(Clone, Copy)]
enum Pointer {
    F32(*mut f32),
    Bf16(*mut bf16),
}

// SAFETY: it writes only elements of its own rows, which no other value has. Everything else in it
// can be sent.
unsafe impl Send for Results<'_> {}

impl<'a> Results<'a> {
    /// All rows of a y. `rows` is not 0.
    pub fn new(y: &'a mut Output<'_>, rows: usize, bias: Option<Bias<'a>>) -> Self {
        let (to, count) = match y {
            Output::F32(y) => (Pointer::F32(y.as_mut_ptr()), y.len()),
            Output::Bf16(y) => (Pointer::Bf16(y.as_mut_ptr()), y.len()),
        };
        Self { to, rows, vectors: count / rows, own: 0..rows, bias, lifetime: PhantomData }
    }

    /// The rows that may be set.
    pub fn own(&self) -> Range<usize> {
        self.own.clone()
    }

    /// The rows before `row`, and the others.
    pub fn split(self, row: usize) -> (Self, Self) {
        let Range { start, end } = self.own;
        assert!(start <= row && row <= end, "a row of these");
        (Self { own: start..row, ..self }, Self { own: row..end, ..self })
    }

    /// Some of the rows.
    pub fn part(&mut self, rows: Range<usize>) -> Results<'_> {
        assert!(self.own.start <= rows.start && rows.end <= self.own.end, "rows of these");
        Results { own: rows, ..*self }
    }

    /// Adds the bias to a sum, and writes it.
    #[inline(always)]
    pub fn set(&mut self, row: usize, vector: usize, sum: f32) {
        assert!(self.own.contains(&row) && vector < self.vectors, "an element of these rows");
        let sum = self.bias.and_then(|bias| bias.of_row(row)).map_or(sum, |bias| sum + bias);
        let at = vector * self.rows + row;
        // SAFETY: `at` is below the number of elements, by the assertion; nobody else has the row.
        unsafe {
            match self.to {
                Pointer::F32(to) => *to.add(at) = fixed_nan(sum),
                Pointer::Bf16(to) => *to.add(at) = to_bf16(sum),
            }
        }
    }
}
