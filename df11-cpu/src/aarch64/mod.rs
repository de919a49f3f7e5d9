//! The AArch64 level. This folder may hold unsafe code: it calls intrinsics.

#![allow(unsafe_code)]

pub(crate) mod neon;
mod product;
