//! Decodes parts to weights.
//!
//! ```text
//! cut the weights asked for into jobs of one block each    a block needs only its gap and position
//! several lanes, each with its own job, in rounds:
//!     a number of groups, lane by lane:                     independent chains keep the core busy
//!         one 8-byte load; 5 look-ups: store up to 6 exponents each (1)
//!         if the last entry is empty: one code slowly               (2)
//!     each lane: merge its exponents with sign and mantissa from the first-level cache
//!         at its job's end: check where its codes ended (3), take the next job
//! ```
//!
//! 1. The multi-symbol table of `table.rs`: no branch depends on a code.
//! 2. An empty entry steps over no bits, so all look-ups after it are empty too. One test per group
//!    finds them.
//! 3. A lane decodes a little more than its job asks for. The lengths of the surplus codes tell
//!    where the last code of the job ended.

mod exponents;
mod input;
mod job;
mod lane;
mod lanes;
mod round;
mod sizes;
mod tables;

#[cfg(target_arch = "x86_64")]
pub(crate) use exponents::{GROUP_CODES, TOP};
#[cfg(target_arch = "x86_64")]
pub(crate) use input::{GROUP_BITS, ROUND_REACH};
pub(crate) use job::{Job, Jobs};
#[cfg(target_arch = "x86_64")]
pub(crate) use lane::Lane;
pub(crate) use lanes::{Kernel, run};
#[cfg(target_arch = "x86_64")]
pub(crate) use round::Round;
#[cfg(target_arch = "x86_64")]
pub(crate) use sizes::{GROUP, LINE, MAX_GROUPS};
pub(crate) use tables::Tables;
