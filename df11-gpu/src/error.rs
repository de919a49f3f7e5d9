use std::fmt;

use df11_kernels::TooManyJobs;

/// What errors call the parts of a vendor's driver.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// What is missing where there is no driver: "NVIDIA driver".
    pub driver: &'static str,
    /// The version that has all functions: "a driver for CUDA 12.0 or later".
    pub oldest: &'static str,
    /// Whose devices they are, and who finds them: "CUDA", "driver".
    pub devices: [&'static str; 2],
    /// The compiler at run time, and what there is without it.
    pub compiler: [&'static str; 2],
}

/// What can go wrong between a unit and its weights on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no driver.
    DriverNotFound {
        /// What the driver is called.
        words: &'static Words,
        /// The libraries looked for.
        looked_for: String,
    },
    /// There is a library of that name which is not the driver, or is too old.
    DriverTooOld {
        /// What the driver is called.
        words: &'static Words,
        /// The library.
        library: String,
        /// What it lacks.
        function: &'static str,
    },
    /// There is no compiler at run time.
    CompilerNotFound {
        /// What it is called.
        words: &'static Words,
        /// The libraries looked for.
        looked_for: String,
    },
    /// The driver has no device of this number.
    NoDevice {
        /// What the devices are called.
        words: &'static Words,
        /// The number.
        ordinal: usize,
        /// Devices that there are.
        found: usize,
    },
    /// The kernels do not run on the device.
    Misfit {
        /// Its name.
        name: String,
        /// What it is, and what it should be.
        reason: String,
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
            Self::DriverNotFound { words, looked_for } => write!(f, "no {}: {looked_for} not found", words.driver),
            Self::DriverTooOld { words, library, function } => {
                write!(f, "{library} has no {function}: {} is wanted", words.oldest)
            }
            Self::CompilerNotFound { words: Words { compiler: [compiler, without], .. }, looked_for } => {
                write!(f, "no {compiler}: {looked_for} not found; {without}")
            }
            Self::NoDevice { words: Words { devices: [devices, finder], .. }, ordinal, found } => {
                write!(f, "no {devices} device {ordinal}: the {finder} finds {found}")
            }
            Self::Misfit { name, reason } => write!(f, "{name} has {reason}"),
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
