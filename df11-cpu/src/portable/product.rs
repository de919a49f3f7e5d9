//! Products without intrinsics. Sixteen runs of 4 hold a group, in the order of its columns.

use df11_core::{bf16, bf16_word, product};

use super::Portable;
use crate::product::{GROUP, Vectors};
