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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no driver.
    #[error("no {}: {looked_for} not found", .words.driver)]
    DriverNotFound {
        /// What the driver is called.
        words: &'static Words,
        /// The libraries looked for.
        looked_for: String,
    },
    /// There is a library of that name which is not the driver, or is too old.
    #[error("{library} has no {function}: {} is needed", .words.oldest)]
    DriverTooOld {
        /// What the driver is called.
        words: &'static Words,
        /// The library.
        library: String,
        /// What it lacks.
        function: &'static str,
    },
    /// There is no compiler at run time.
    #[error("no {}: {looked_for} not found; {}", .words.compiler[0], .words.compiler[1])]
    CompilerNotFound {
        /// What it is called.
        words: &'static Words,
        /// The libraries looked for.
        looked_for: String,
    },
    /// The driver has no device of this number.
    #[error("no {} device {ordinal}: the {} finds {found}", .words.devices[0], .words.devices[1])]
    NoDevice {
        /// What the devices are called.
        words: &'static Words,
        /// The number.
        ordinal: usize,
        /// Devices that there are.
        found: usize,
    },
    /// The kernels do not run on the device.
    #[error("{name} has {reason}")]
    Misfit {
        /// Its name.
        name: String,
        /// What it is, and what it should be.
        reason: String,
    },
    /// A call of the driver failed.
    #[error("{call} failed: {error}")]
    Driver {
        /// The call.
        call: &'static str,
        /// The driver's name for what happened.
        error: String,
    },
    /// The kernels did not compile: a defect of ours, or of the compiler.
    #[error("the kernels do not compile: {log}")]
    Compiler {
        /// What it wrote.
        log: String,
    },
    /// A batch does not fit one launch.
    #[error(transparent)]
    Jobs(#[from] TooManyJobs),
    /// The kernel found what validation cannot: see `df11_kernels::fault`.
    #[error(
        "job {job}: the stream contradicts its index (status {status}); decode it with the plain decoder to find the place"
    )]
    Faults {
        /// The job's place in its batch.
        job: usize,
        /// Its status word.
        status: u32,
    },
    /// The unit itself is wrong, as core says.
    #[error(transparent)]
    Unit(#[from] df11_core::Error),
}
