//! Parts to weights.
//!
//! ```text
//! cut the wanted weights into jobs of a block each                       blocks are independent, given their gap and output position
//! several lanes, each with a job of its own, in rounds:
//!     a number of groups, lane by lane:                                  independent chains of look-ups keep the processor busy
//!         one 8-byte load; 5 look-ups: store up to 6 exponents each (1)
//!         the last entry is empty: one code slowly                       (2)
//!     each lane: merge its exponents with sign and mantissa              from the first-level cache
//!         at its job's end: check where its codes ended (3), take the next job
//! ```
//!
//! 1. The multi-symbol table of `table.rs`: no branch depends on a code.
//! 2. An empty entry steps over no bits, so all look-ups behind it are empty too: one test a group finds them.
//! 3. A lane decodes a little more than its job asks for; the lengths of the surplus tell where the job's last code ended.

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
pub(crate) use round::Round;
#[cfg(target_arch = "x86_64")]
pub(crate) use sizes::{GROUP, LINE, MAX_GROUPS};
pub(crate) use tables::Tables;
