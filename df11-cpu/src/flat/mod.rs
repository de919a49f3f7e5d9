//! Makes matrices flat and expands them, fast: the same bytes and weights as `df11_core` gives.
//! FLAT.md says what the bytes mean.
//!
//! ```text
//! BF16 rows, or a few blocks of DF11 at a time -> Packer -> signs and mantissas, codes
//!                                                        -> escapes, a list for each thread
//! rows of a flat matrix -> Unpacker -> weights, then the escapes among them
//! ```

#[allow(unsafe_code)]
mod pack;
#[allow(unsafe_code)]
mod portable;
#[allow(unsafe_code)]
mod unpack;

pub(crate) use pack::{CODES, Escapes, GROUP, Matrix, Rows};
// NEON packs and unpacks as the portable level does.
#[cfg(target_arch = "x86_64")]
pub(crate) use pack::{Packer, pack_rows};
pub(crate) use portable::{pack_rows_portably, unpack_portably};
#[cfg(target_arch = "x86_64")]
pub(crate) use unpack::{Unpacker, unpack};
