//! Products of matrices with vectors, `y = W x + bias`, from each form. FLAT.md, "Products", fixes
//! their bits; `df11_core::product` says them plainly.
//!
//! ```text
//! x, BF16 -> prepare -> f32, in the order of a level's lanes
//! rows, one vector:   memory -> registers -> 64 sums -> fold -> y         stream
//! rows, many vectors: memory -> tile in the cache -> sums -> fold -> y    tile
//! rows of DF11:       blocks -> BF16 in the cache -> one of the above     loaded/whole_rows
//! ```
//!
//! This folder may hold unsafe code: it calls the functions of a level's vectors, and threads share
//! y.

#![allow(unsafe_code)]

mod arrays;
mod prepared;
mod results;
mod rows;
mod run;
mod stream;
mod tile;
mod vectors;

pub(crate) use prepared::{Layout, prepare_inputs, prepare_inputs_portably};
pub(crate) use results::Results;
pub(crate) use rows::Bf16Rows;
pub(crate) use run::{Source, Task, run_task, run_task_portably};
pub(crate) use tile::tile_values;
#[cfg(target_arch = "aarch64")]
pub(crate) use vectors::IN_ORDER;
pub(crate) use vectors::{GROUP, Vectors};
