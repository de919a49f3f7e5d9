//! A GPU played on the processor: the kernels of `df11-kernels`, compiled as C++ and run thread for
//! thread.
//!
//! `cpp/machine.h` says what it checks and how it counts. Memory of a "device" is memory of this
//! process. Without a C++ compiler there is no machine, and [`MACHINE`] is false.

#[cfg(not(df11_no_machine))]
mod device;
mod fake;
#[cfg(not(df11_no_machine))]
mod flat;
#[cfg(not(df11_no_machine))]
mod guarded;
#[cfg(not(df11_no_machine))]
mod machine;

#[cfg(not(df11_no_machine))]
pub use device::{Outcome, Uploaded, decode, gather, plain};
pub use fake::Fake;
#[cfg(not(df11_no_machine))]
pub use flat::{OnDevice, flatten};
#[cfg(not(df11_no_machine))]
pub use guarded::Guarded;
#[cfg(not(df11_no_machine))]
pub use machine::{Count, Counts, Fault, MISTAKES, Order, PATTERNS, Vendor, mistake, pattern};

/// Whether there is a machine: a C++ compiler was found, and fibers have code for this processor.
pub const MACHINE: bool = cfg!(not(df11_no_machine));

/// The path of a `libcuda.so.1` whose device is the machine. Load it before the binding looks for
/// the real one. `None` if it was not built.
pub const FAKE_CUDA: Option<&str> = option_env!("DF11_FAKE_CUDA");

/// The path of a `libnvrtc.so.13` that compiles nothing. The played `libcuda.so.1` accepts what it
/// gives as compiled code. `None` as above.
pub const FAKE_NVRTC: Option<&str> = option_env!("DF11_FAKE_NVRTC");

/// The path of a `libamdhip64.so` with several devices, which are the machine with wavefronts of 32
/// or of 64. `None` as above.
pub const FAKE_HIP: Option<&str> = option_env!("DF11_FAKE_HIP");
