//! Makes matrices flat, fast: the same bytes as `df11_core::flat` writes. FLAT.md says what they
//! mean.
//!
//! ```text
//! BF16 rows, or a few blocks of DF11 at a time -> Packer -> signs and mantissas, codes
//!                                                        -> escapes, a list for each thread
//! ```

#[allow(unsafe_code)]
mod pack;
#[allow(unsafe_code)]
mod portable;

pub(crate) use pack::{CODES, Escapes, GROUP, Matrix, Rows};
// NEON packs as the portable level does.
#[cfg(target_arch = "x86_64")]
pub(crate) use pack::{Packer, pack_rows};
pub(crate) use portable::pack_rows_portably;
