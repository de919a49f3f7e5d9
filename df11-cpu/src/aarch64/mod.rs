//! The level of AArch64. Unsafe code is at home here: intrinsics.

#![allow(unsafe_code)]

pub(crate) mod neon;
