//! The levels of x86-64. This folder may hold unsafe code: it calls intrinsics, and it reads and
//! writes within bounds that are proved rather than checked.

#![allow(unsafe_code)]

pub(crate) mod avx2;
pub(crate) mod avx512;
mod look_up;
mod order;

use order::order;
