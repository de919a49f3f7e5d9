//! The levels of x86-64. Unsafe code is at home here: intrinsics, and reads and writes whose bounds are proved rather than checked.

#![allow(unsafe_code)]

pub(crate) mod avx2;
pub(crate) mod avx512;
mod look_up;
