use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use df11_core::{Unit, bf16};
use df11_kernels::{Job, Layout};

use crate::device::Device;
use crate::error::Error;
use crate::kernels::Kernels;
use crate::memory::{DeviceMemory, PinnedUnit, Stream};

/// Decodes units of host memory into host memory: copies, launches, waits. Whoever uses the weights on the device launches `Kernels` itself.
#[derive(Debug)]
pub struct Decoder {
    kernels: Arc<Kernels>,
    // One call at a time: calls share the stream.
    stream: Mutex<Stream>,
}

impl Decoder {
    /// On the device of this number.
    ///
    /// # Errors
    /// As `Device::open`.
    pub fn open(ordinal: usize) -> Result<Self, Error> {
        let device = Device::open(ordinal)?;
        Ok(Self { kernels: Arc::new(Kernels::load(&device)?), stream: Mutex::new(Stream::new(&device)?) })
    }

    /// The kernels that it launches.
    pub fn kernels(&self) -> &Arc<Kernels> {
        &self.kernels
    }

    /// Copies a unit to the device, to be decoded from there as often as wanted.
    ///
    /// # Errors
    /// `Driver`.
    pub fn load<'d, 'u>(&'d self, unit: &'u Unit<'u>) -> Result<LoadedUnit<'d, 'u>, Error> {
        let device = self.kernels.device();
        let pinned = PinnedUnit::new(device, unit)?;
        let memory = DeviceMemory::new(device, pinned.layout().bytes())?;
        let stream = self.stream();
        // SAFETY: the memory is as large as the unit, and both live until the stream has been waited for.
        let copied = unsafe { pinned.copy(memory.address(), stream.raw()) };
        stream.wait().and(copied)?;
        Ok(LoadedUnit { decoder: self, unit, layout: *pinned.layout(), memory })
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes all weights of a unit.
    ///
    /// # Errors
    /// `Driver`; `Unit` where core finds the unit wrong, `BufferSize` among it.
    pub fn decode(&self, unit: &Unit<'_>, weights: &mut [bf16]) -> Result<(), Error> {
        let expected = unit.view().sign_mantissa.len();
        if weights.len() != expected {
            return Err(df11_core::Error::BufferSize { buffer: "weights", found: weights.len(), expected }.into());
        }
        self.decode_range(unit, 0, weights)
    }

    /// Decodes the weights from `first` on, as many as `weights` has elements.
    ///
    /// # Errors
    /// `Driver`; `Unit` where core finds the unit wrong, `RangePastEnd` among it.
    pub fn decode_range(&self, unit: &Unit<'_>, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
        unit.blocks_of(first, weights.len())?;
        if weights.is_empty() {
            return Ok(());
        }
        self.load(unit)?.decode_range(first, weights)
    }
}

/// A unit in the memory of a decoder's device.
#[derive(Debug)]
pub struct LoadedUnit<'d, 'u> {
    decoder: &'d Decoder,
    unit: &'u Unit<'u>,
    layout: Layout,
    memory: DeviceMemory,
}

impl LoadedUnit<'_, '_> {
    /// Decodes the weights from `first` on, as many as `weights` has elements.
    ///
    /// # Errors
    /// As `Decoder::decode_range`.
    pub fn decode_range(&self, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
        let blocks = self.unit.blocks_of(first, weights.len())?;
        if weights.is_empty() {
            return Ok(());
        }
        let kernels = self.decoder.kernels();
        let output = DeviceMemory::new(kernels.device(), size_of_val(weights))?;
        let status = DeviceMemory::new(kernels.device(), size_of::<u32>())?;
        let window = first..first + weights.len() as u64;
        let unit = self.layout.at(self.memory.address());
        let job = Job::window(&unit, window, blocks, output.address(), status.address());
        let stream = self.decoder.stream();
        let mut work = || {
            status.clear(&stream)?;
            // SAFETY: memory, output and status are as large as needed, and live until the stream has been waited for, below.
            unsafe { kernels.decode(stream.raw(), &[job], self.layout.stage_bytes()) }?;
            stream.wait()?;
            let mut word = [0; 4];
            status.read(&mut word)?;
            match u32::from_le_bytes(word) {
                0 => output.read(bytemuck::cast_slice_mut(weights)),
                status => Err(fault(self.unit, first, weights, status)),
            }
        };
        let done = work();
        // Whatever failed: nothing is freed under a kernel that runs.
        stream.wait().and(done)
    }
}

/// What the plain decoder says of a unit that the kernel found wrong.
fn fault(unit: &Unit<'_>, first: u64, weights: &mut [bf16], status: u32) -> Error {
    match df11_core::decode_range(unit, first, weights) {
        Err(error) => Error::Unit(error),
        Ok(()) => Error::Faults { job: 0, status },
    }
}
