use std::ffi::c_int;
use std::sync::Arc;

use crate::error::Error;
use crate::library::hip;
use crate::result::Hip;

/// One GPU.
#[derive(Debug)]
pub struct Device {
    hip: &'static Hip,
    device: c_int,
    name: String,
    target: String,
    wavefront: u32,
    multiprocessors: u32,
}

impl Device {
    /// Number of devices that the runtime finds. Only AMD's count, those that `HIP_VISIBLE_DEVICES` leaves, in its order; one in the processor counts too.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `Driver`.
    pub fn count() -> Result<usize, Error> {
        let hip = hip()?;
        hip.init()?;
        hip.device_count()
    }

    /// The device of this number.
    ///
    /// # Errors
    /// `DriverNotFound`, `DriverTooOld`, `NoDevice`, `DeviceUnknown`, `Driver`.
    pub fn open(ordinal: usize) -> Result<Arc<Self>, Error> {
        let found = Self::count()?;
        if ordinal >= found {
            return Err(Error::NoDevice { ordinal, found });
        }
        let hip = hip()?;
        let device = hip.device(ordinal)?;
        let (name, target, wavefront) = (hip.device_name(device)?, hip.target(device)?, hip.wavefront(device)?);
        if target.is_empty() || ![32, 64].contains(&wavefront) {
            return Err(Error::DeviceUnknown { name, target, wavefront });
        }
        Ok(Arc::new(Self { hip, device, name, target, wavefront, multiprocessors: hip.multiprocessors(device)? }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its instruction set and, behind colons, what is switched on in it: `gfx90a:sramecc+:xnack-`.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Lanes of its wavefronts, 32 or 64.
    pub fn wavefront(&self) -> u32 {
        self.wavefront
    }

    /// Its multiprocessors: AMD's compute units, or pairs of them.
    pub fn multiprocessors(&self) -> u32 {
        self.multiprocessors
    }

    /// Makes it the current device of this thread, and gives what may then be called.
    ///
    /// # Errors
    /// `Driver`.
    pub fn bind(&self) -> Result<&'static Hip, Error> {
        self.hip.set_device(self.device)?;
        Ok(self.hip)
    }
}
