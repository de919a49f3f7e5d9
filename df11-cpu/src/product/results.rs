//! Where the threads of a product write.

use core::marker::PhantomData;

use df11_core::bf16;
use df11_core::product::{Bias, Output, fixed_nan, to_bf16};

/// The elements of a y, which threads share. The element of vector `v` and row `r` is number
/// `v * rows + r`.
///
/// Invariant: the pointer is that of a slice of `rows * vectors` elements, borrowed exclusively for
/// `'a`.
pub(crate) struct Results<'a> {
    to: Pointer,
    rows: usize,
    vectors: usize,
    bias: Option<Bias<'a>>,
    lifetime: PhantomData<&'a mut [f32]>,
}

#[derive(Clone, Copy)]
enum Pointer {
    F32(*mut f32),
    Bf16(*mut bf16),
}

// SAFETY: whoever calls `set` promises that no other thread sets the same row.
unsafe impl Sync for Results<'_> {}

impl<'a> Results<'a> {
    pub fn new(y: &'a mut Output<'_>, rows: usize, bias: Option<Bias<'a>>) -> Self {
        let (to, count) = match y {
            Output::F32(y) => (Pointer::F32(y.as_mut_ptr()), y.len()),
            Output::Bf16(y) => (Pointer::Bf16(y.as_mut_ptr()), y.len()),
        };
        Self { to, rows, vectors: count / rows, bias, lifetime: PhantomData }
    }

    /// Adds the bias to a sum, and writes it.
    ///
    /// # Safety
    /// No other thread sets an element of this row.
    #[inline(always)]
    pub unsafe fn set(&self, row: usize, vector: usize, sum: f32) {
        assert!(row < self.rows && vector < self.vectors, "an element of y");
        let sum = self.bias.and_then(|bias| bias.of_row(row)).map_or(sum, |bias| sum + bias);
        let at = vector * self.rows + row;
        // SAFETY: `at` is below the number of elements, by the assertion; nobody else has it.
        unsafe {
            match self.to {
                Pointer::F32(to) => *to.add(at) = fixed_nan(sum),
                Pointer::Bf16(to) => *to.add(at) = to_bf16(sum),
            }
        }
    }
}
