//! GPUs as backends: each vendor's is a feature of this crate, and looks for its driver at run time.

use std::fmt::Debug;
use std::sync::Arc;

use df11_core::{Unit, bf16};

use crate::Error;

/// A vendor's GPUs.
pub(super) struct Vendor {
    /// The name of the backend.
    pub name: &'static str,
    /// Whether there is one, or what was looked for.
    pub look: fn() -> Result<(), String>,
    /// The first one, with our kernels loaded.
    pub open: fn() -> Result<Arc<dyn Device>, String>,
}

/// A GPU with our kernels loaded.
pub(super) trait Device: Debug + Send + Sync {
    /// The name of the backend.
    fn name(&self) -> &'static str;

    /// Copies a unit to the device.
    fn load<'u>(&'u self, unit: &'u Unit<'u>) -> Result<Box<dyn Loaded + 'u>, Fault>;
}

/// A unit in the memory of a device.
pub(crate) trait Loaded {
    /// Decodes the weights from `first` on, as many as `weights` has elements.
    fn decode_range(&self, first: u64, weights: &mut [bf16]) -> Result<(), Fault>;
}

/// Why a unit was not decoded.
pub(crate) enum Fault {
    /// The unit does not decode.
    Unit(df11_core::Error),
    /// The backend failed.
    #[cfg_attr(not(any(feature = "cuda", feature = "hip")), expect(dead_code, reason = "the processor does not fail"))]
    Backend(Error),
}
