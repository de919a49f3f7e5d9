//! GPUs as backends: each vendor's is a feature of this crate, and looks for its driver at run time.

use std::fmt::Debug;
use std::sync::Arc;

use df11_core::{Unit, bf16};

use super::Fault;

/// A vendor's GPUs.
pub(super) struct Vendor {
    /// The name of the backend.
    pub name: &'static str,
    /// Whether there is one, or what was looked for.
    pub look: fn() -> Result<(), String>,
    /// The first one, with our kernels loaded.
    pub open: fn() -> Result<Arc<dyn Device>, String>,
}

/// The vendors of this build.
pub(super) const VENDORS: &[Vendor] = &[
    #[cfg(feature = "cuda")]
    super::cuda::VENDOR,
    #[cfg(feature = "hip")]
    super::hip::VENDOR,
];

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
