//! Indices for byte permutations.

/// Indices for one byte permutation.
#[repr(align(64))]
pub(super) struct Indices(pub [u8; 64]);

impl Indices {
    /// `first + index % group * within + index / group * between`, modulo 256, for each index.
    pub const fn of(first: usize, group: usize, within: usize, between: usize) -> Self {
        let mut indices = [0; 64];
        let mut at = 0;
        while at < 64 {
            indices[at] = (first + at % group * within + at / group * between) as u8;
            at += 1;
        }
        Self(indices)
    }
}

/// The lower byte of each word of two vectors.
pub(super) static EVEN: Indices = Indices::of(0, 1, 0, 2);
