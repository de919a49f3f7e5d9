use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use df11_core::{SortedRows, Unit, bf16};
use df11_kernels::{DeviceUnit, Job, Layout};

use crate::device::Device;
use crate::driver::Driver;
use crate::error::Error;
use crate::functions::RawStream;
use crate::kernels::{Kernels, Rows};
use crate::memory::{DeviceMemory, PinnedUnit};
use crate::stream::Stream;

/// Most blocks of rows that are decoded by one launch: see `SortedRows::groups`. A device decodes
/// that many side by side, and they take some 1.5 MB of scratch.
const GROUP_BLOCKS: usize = 64;

/// Bytes that are copied to the device at a time.
const UPLOADED: usize = 64 << 20;

/// Decodes units of host memory into host memory: copies, launches, waits. Whoever uses the weights
/// on the device launches `Kernels` itself. Clones share all.
#[derive(Clone, Debug)]
pub struct Decoder<D: Driver> {
    kernels: Arc<Kernels<D>>,
    // One call at a time: calls share the stream.
    stream: Arc<Mutex<Stream<D>>>,
}

impl<D: Driver> Decoder<D> {
    /// On the device of this number.
    ///
    /// # Errors
    /// As `Device::open`.
    pub fn open(ordinal: usize) -> Result<Self, Error> {
        Self::of(Kernels::load(&Device::open(ordinal)?)?)
    }

    /// With these kernels, on their device.
    pub fn of(kernels: Kernels<D>) -> Result<Self, Error> {
        let stream = Arc::new(Mutex::new(Stream::new(kernels.device())?));
        Ok(Self { kernels: Arc::new(kernels), stream })
    }

    /// The kernels that it launches.
    pub fn kernels(&self) -> &Arc<Kernels<D>> {
        &self.kernels
    }

    /// Copies a unit to the device, to be decoded from there as often as wanted.
    pub fn load<'u>(&self, unit: Unit<'u>) -> Result<LoadedUnit<'u, D>, Error> {
        let pinned = PinnedUnit::new(self.kernels.device(), &unit)?;
        let memory = DeviceMemory::new(self.kernels.device(), pinned.layout().bytes())?;
        let stream = self.stream();
        // SAFETY: the memory is as large as the unit, and both live until the stream has been
        // waited for.
        let copied = unsafe { pinned.copy(memory.address(), stream.raw()) };
        stream.wait().and(copied)?;
        Ok(LoadedUnit { decoder: self.clone(), unit, layout: *pinned.layout(), memory })
    }

    fn stream(&self) -> MutexGuard<'_, Stream<D>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has work launched on the stream, and waits for it, whatever comes of it. So what the work
    /// uses may be freed after it.
    pub(crate) fn wait_for(&self, launch: impl FnOnce(RawStream) -> Result<(), Error>) -> Result<(), Error> {
        let stream = self.stream();
        let launched = launch(stream.raw());
        stream.wait().and(launched)
    }

    /// New memory of the device that holds a copy of `bytes`.
    pub(crate) fn upload(&self, bytes: &[u8]) -> Result<DeviceMemory<D>, Error> {
        let memory = DeviceMemory::new(self.kernels.device(), bytes.len())?;
        self.upload_to(&memory, 0, bytes)?;
        Ok(memory)
    }

    /// Copies `bytes` to the memory, after its first `at` bytes.
    pub(crate) fn upload_to(&self, memory: &DeviceMemory<D>, at: usize, bytes: &[u8]) -> Result<(), Error> {
        for (number, part) in bytes.chunks(UPLOADED).enumerate() {
            let part = part.to_vec();
            // SAFETY: the memory lives until the stream has been waited for, and so does the part:
            // else it is never freed.
            let copied = self.wait_for(|stream| unsafe { memory.write_at(at + number * UPLOADED, &part, stream) });
            if copied.is_err() && !self.kernels.device().is_settled() {
                std::mem::forget(part);
            }
            copied?;
        }
        Ok(())
    }

    /// Has work launched, on a stream, that decodes to an output as large as `weights` and reports
    /// to a status word; waits for it, and copies the output if the status, which is returned, is
    /// 0.
    fn run(
        &self,
        weights: &mut [bf16],
        launch: &dyn Fn(RawStream, u64, u64) -> Result<(), Error>,
    ) -> Result<u32, Error> {
        let output = DeviceMemory::new(self.kernels.device(), size_of_val(weights))?;
        let status = DeviceMemory::new(self.kernels.device(), size_of::<u32>())?;
        let stream = self.stream();
        let mut work = || {
            // SAFETY: both live until the stream has been waited for, below.
            unsafe { status.clear(stream.raw()) }?;
            launch(stream.raw(), output.address(), status.address())?;
            stream.wait()?;
            let mut word = [0; 4];
            status.read(&mut word)?;
            let word = u32::from_le_bytes(word);
            if word == 0 {
                output.read(bytemuck::cast_slice_mut(weights))?;
            }
            Ok(word)
        };
        let done = work();
        // Whatever failed: nothing is freed under a kernel that runs.
        stream.wait().and(done)
    }
}

/// A unit in the memory of a device. It keeps what it needs of its decoder, and the unit, to let
/// the plain decoder say what is wrong with it.
#[derive(Debug)]
pub struct LoadedUnit<'u, D: Driver> {
    decoder: Decoder<D>,
    unit: Unit<'u>,
    layout: Layout,
    memory: DeviceMemory<D>,
}

impl<'u, D: Driver> LoadedUnit<'u, D> {
    /// The unit.
    pub fn unit(&self) -> &Unit<'u> {
        &self.unit
    }

    /// The unit on the device, for jobs of the caller's own: it is there as long as `self`.
    pub fn on_device(&self) -> DeviceUnit {
        self.layout.at(self.memory.address())
    }

    /// Shared memory that its launches need.
    pub fn stage_bytes(&self) -> u32 {
        self.layout.stage_bytes()
    }

    /// Decodes the weights from `first` on, as many as `weights` has elements.
    ///
    /// # Errors
    /// `Driver`; `Unit` where core finds the unit wrong, `RangePastEnd` among it.
    pub fn decode_range(&self, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
        let blocks = self.unit.blocks_of(first, weights.len())?;
        if weights.is_empty() {
            return Ok(());
        }
        let window = first..first + weights.len() as u64;
        let status = self.decoder.run(weights, &|stream, out, status| {
            let job = Job::window(&self.on_device(), window.clone(), blocks.clone(), out, status);
            // SAFETY: the unit, the output and the status live, and are as large as needed, until
            // `run` has waited for the stream.
            unsafe { self.decoder.kernels.decode(stream, &[job], self.stage_bytes()) }
        })?;
        if status == 0 {
            return Ok(());
        }
        // The plain decoder says what it is that the kernel found wrong.
        df11_core::decode_range(&self.unit, first, weights)?;
        Err(Error::Faults { job: 0, status })
    }

    /// Decodes `count` weights from `first` on to memory of the device, which has room for them.
    pub(crate) fn decode_to(&self, first: u64, count: u64, output: &DeviceMemory<D>) -> Result<(), Error> {
        let blocks = self.unit.blocks_of(first, count as usize)?;
        let status = self.decoder.upload(&[0; 4])?;
        let job = Job::window(&self.on_device(), first..first + count, blocks, output.address(), status.address());
        // SAFETY: as above.
        self.decoder.wait_for(|stream| unsafe { self.decoder.kernels.decode(stream, &[job], self.stage_bytes()) })?;
        let mut word = [0; 4];
        status.read(&mut word)?;
        self.check(u32::from_le_bytes(word), first, count)
    }

    /// What the plain decoder says of these weights, if the kernel has found something wrong.
    pub(crate) fn check(&self, status: u32, first: u64, count: u64) -> Result<(), Error> {
        if status == 0 {
            return Ok(());
        }
        df11_core::decode_range(&self.unit, first, &mut vec![bf16::ZERO; count as usize])?;
        Err(Error::Faults { job: 0, status })
    }

    /// The decoder that loaded it.
    pub(crate) fn decoder(&self) -> &Decoder<D> {
        &self.decoder
    }

    /// Decodes rows of a matrix, as `df11_core::Loaded` has it: by one launch of the gathering
    /// kernel, unless rows share most of their blocks.
    ///
    /// # Errors
    /// `Driver`; `Unit` where core finds the unit or the rows wrong.
    pub fn decode_rows(
        &self,
        matrix: Range<u64>,
        columns: usize,
        rows: &[u64],
        weights: &mut [bf16],
    ) -> Result<(), Error> {
        let mut sorted = SortedRows::new(&self.unit, matrix.clone(), columns, rows, weights)?;
        let groups = sorted.groups(GROUP_BLOCKS);
        let (together, one_by_one) =
            groups.map(|group| group.blocks()).fold((0, 0), |all, of| (all.0 + of.0, all.1 + of.1));
        if one_by_one >= 2 * together {
            return sorted.decode(GROUP_BLOCKS, |first, weights| self.decode_range(first, weights));
        }
        // Proof of the casts: weights have numbers of 32 bits, and so have rows, which are in the
        // unit. There are fewer than four rows a block.
        let numbers: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        let device = self.decoder.kernels.device();
        let asked = DeviceMemory::new(device, size_of_val(&numbers[..]))?;
        let rows_asked = Rows { numbers: asked.address(), count: numbers.len() as u32, weights: columns as u32 };
        let window = matrix.start..matrix.end.min(self.unit.weights());
        let done = self.decoder.run(weights, &|stream, out, status| {
            let job = Job::window(&self.on_device(), window.clone(), 0..self.unit.blocks(), out, status);
            // SAFETY: as in `decode_range`; the numbers live as long, on both sides.
            unsafe {
                asked.write(bytemuck::cast_slice(&numbers), stream)?;
                self.decoder.kernels.gather(stream, &job, rows_asked, self.stage_bytes())
            }
        });
        if !device.is_settled() {
            std::mem::forget(numbers);
        }
        let status = done?;
        if status == 0 {
            return Ok(());
        }
        let plainly = |first, row: &mut [bf16]| df11_core::decode_range(&self.unit, first, row);
        SortedRows::new(&self.unit, matrix, columns, rows, weights)?.decode(GROUP_BLOCKS, plainly)?;
        Err(Error::Faults { job: 0, status })
    }
}
