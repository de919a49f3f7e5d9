//! BF16 words and their bytes in a file, which are little-endian. A big-endian machine swaps every
//! word.

use std::borrow::Cow;

use half::bf16;

/// The bytes of `weights` as they are in a file.
pub(crate) fn to_file(weights: &[bf16]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(bytemuck::cast_slice(weights));
    }
    Cow::Owned(weights.iter().flat_map(|weight| weight.to_bits().to_le_bytes()).collect())
}

/// Fills `weights` with the file's bytes that `read` delivers.
pub(crate) fn from_file<E>(weights: &mut [bf16], read: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<(), E> {
    read(bytemuck::cast_slice_mut(weights))?;
    if cfg!(target_endian = "big") {
        for weight in weights {
            *weight = bf16::from_bits(weight.to_bits().swap_bytes());
        }
    }
    Ok(())
}
