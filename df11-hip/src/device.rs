use std::ffi::c_int;

use df11_gpu::{Error, Library};

use crate::own::Hip;

/// `hipDeviceAttribute_t`: see `MULTIPROCESSORS`.
const ATTRIBUTE_WAVEFRONT: c_int = 87;
/// Room for a `hipDeviceProp_t`: 792 bytes in ROCm 5, 1472 in ROCm 6, and some for what comes.
const PROPERTIES_BYTES: usize = 8192;

/// A device: its number, and what decides which kernels run on it.
#[derive(Debug)]
pub struct RawDevice {
    pub(crate) device: c_int,
    target: String,
    wavefront: u32,
}

impl RawDevice {
    pub(crate) fn open(library: &Library<Hip>, device: c_int) -> Result<Self, Error> {
        let (target, wavefront) = (target(library, device)?, library.attribute(ATTRIBUTE_WAVEFRONT, device)?);
        let wavefront = wavefront.max(0) as u32;
        if target.is_empty() || ![32, 64].contains(&wavefront) {
            let reason = format!(
                "the instruction set `{target}` and wavefronts of {wavefront}; the kernels want gfx... and 32 or 64"
            );
            return Err(Error::Misfit { name: library.device_name(device)?, reason });
        }
        Ok(Self { device, target, wavefront })
    }

    /// Its instruction set and, after colons, what is switched on in it: `gfx90a:sramecc+:xnack-`.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Lanes of its wavefronts, 32 (RDNA) or 64 (CDNA).
    pub fn wavefront(&self) -> u32 {
        self.wavefront
    }
}

/// The instruction set of a device; nothing where the runtime does not say.
fn target(library: &Library<Hip>, device: c_int) -> Result<String, Error> {
    // Words, since the structure begins at a multiple of 8.
    let mut properties = [0u64; PROPERTIES_BYTES / 8];
    let (functions, names) = (&library.own.functions, &library.own.names);
    // SAFETY: there is more room than any version of the structure fills.
    let number = unsafe { (functions.properties)(properties.as_mut_ptr().cast(), device) };
    library.check(names.properties, number)?;
    Ok(target_in(&properties.map(u64::to_ne_bytes).concat()))
}

/// The instruction set in a `hipDeviceProp_t` of whatever version: the one text after the device's
/// name that begins as such names do. The name comes first, in 256 bytes, in all versions; what
/// stands where after it changed with ROCm 6.
fn target_in(properties: &[u8]) -> String {
    const NAME_BYTES: usize = 256;
    let after = properties.get(NAME_BYTES..).unwrap_or_default();
    let begins = |window: &[u8]| window.starts_with(b"gfx") && window[3].is_ascii_hexdigit();
    let found = after.windows(4).position(begins).map(|at| &after[at..]).unwrap_or_default();
    String::from_utf8_lossy(found.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_set_is_found_wherever_it_stands() {
        // Offsets of `gcnArchName` in ROCm 5 and 6; the last, as if the structure ended there.
        for at in [396, 1160, PROPERTIES_BYTES - 24] {
            let mut properties = vec![0; PROPERTIES_BYTES];
            properties[..20].copy_from_slice(b"gfx000 is not a name");
            properties[at..][..22].copy_from_slice(b"gfx90a:sramecc+:xnack-");
            assert_eq!(target_in(&properties), "gfx90a:sramecc+:xnack-");
        }
        assert_eq!(target_in(&[0; PROPERTIES_BYTES]), "");
    }
}
