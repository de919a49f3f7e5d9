use std::fmt;

use df11_kernels::TooManyJobs;

/// What can go wrong between a unit and its weights on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no driver.
    DriverNotFound {
        /// The libraries looked for.
        looked_for: String,
    },
    /// There is a library of that name which is not the driver, or older than CUDA 12.0.
    DriverTooOld {
        /// The library.
        library: String,
        /// What it lacks.
        function: &'static str,
    },
    /// There is no NVRTC, which is wanted only to compile for the very device.
    CompilerNotFound {
        /// The libraries looked for.
        looked_for: String,
    },
    /// The driver has no device of this number.
    NoDevice {
        /// The number.
        ordinal: usize,
        /// Devices that there are.
        found: usize,
    },
    /// The device is older than the kernels.
    DeviceTooOld {
        /// Its name.
        name: String,
        /// Its compute capability.
        capability: (i32, i32),
    },
    /// A call of the driver failed.
    Driver {
        /// The call.
        call: &'static str,
        /// The driver's name for what happened.
        error: String,
    },
    /// The kernels did not compile: a defect of ours, or of the compiler.
    Compiler {
        /// What it wrote.
        log: String,
    },
    /// A batch does not fit one launch.
    Jobs(TooManyJobs),
    /// The kernel found what validation cannot: see `df11_kernels::fault`.
    Faults {
        /// The job's place in its batch.
        job: usize,
        /// Its status word.
        status: u32,
    },
    /// The unit itself is wrong, as core says.
    Unit(df11_core::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DriverNotFound { looked_for } => write!(f, "no NVIDIA driver: {looked_for} not found"),
            Self::DriverTooOld { library, function } => {
                write!(f, "{library} has no {function}: a driver for CUDA 12.0 or later is wanted")
            }
            Self::CompilerNotFound { looked_for } => {
                write!(f, "no NVRTC: {looked_for} not found; the kernels come compiled, load those")
            }
            Self::NoDevice { ordinal, found } => write!(f, "no CUDA device {ordinal}: the driver finds {found}"),
            Self::DeviceTooOld { name, capability: (major, minor) } => {
                write!(f, "{name} has compute capability {major}.{minor}, the kernels want 7.5 or later")
            }
            Self::Driver { call, error } => write!(f, "{call} failed: {error}"),
            Self::Compiler { log } => write!(f, "the kernels do not compile: {log}"),
            Self::Jobs(error) => error.fmt(f),
            Self::Faults { job, status } => {
                write!(
                    f,
                    "job {job}: the stream contradicts its index (status {status}); decode it with the plain decoder to learn where"
                )
            }
            Self::Unit(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<df11_core::Error> for Error {
    fn from(error: df11_core::Error) -> Self {
        Self::Unit(error)
    }
}

impl From<TooManyJobs> for Error {
    fn from(error: TooManyJobs) -> Self {
        Self::Jobs(error)
    }
}
