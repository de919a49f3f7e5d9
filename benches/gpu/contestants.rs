//! What is timed: each contestant decodes all tensors of a sample, on one stream.

use std::ffi::{CString, c_void};
use std::sync::Arc;

use df11_cuda::cudarc::driver::result;
use df11_cuda::cudarc::driver::sys::{CUevent, CUevent_flags, CUfunction, CUmodule};
use df11_cuda::{Device, DeviceMemory, Kernels, Stream};
use df11_kernels::{Job, LAUNCH_JOBS, PLAIN, PLAIN_THREADS, PTX_75, PTX_80};

use crate::Failure;
use crate::data::{Source, Tensor};

/// The entry point of the published kernel.
const PUBLISHED: &str = "decode";
/// Runs before the ones that count.
const WARM_UP: usize = 3;
/// What outputs hold before a kernel is checked: a word that is no weight of N(0, 0.02).
const POISON: u8 = 0xA5;

/// What one contestant took per tensor of this size.
pub struct Row {
    pub weights: usize,
    pub tensors: usize,
    pub contestant: Contestant,
    pub seconds: f64,
    /// Bytes read and written.
    pub bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// A copy of the BF16 bytes on the device.
    Copy,
    /// Ours, one launch per tensor.
    Ours,
    /// Ours, all tensors in one launch.
    Batch,
    /// Ours in the published form. It calibrates the cost model.
    Plain,
    Published,
}

/// A kernel with the published one's parameters: one thread per chunk, one thread block per block.
struct OneUnit {
    module: CUmodule,
    function: CUfunction,
    /// Whether the row of lengths counts as a table.
    counts_lengths: bool,
}

pub struct Contest {
    device: Arc<Device>,
    stream: Stream,
    ours: Kernels,
    plain: OneUnit,
    published: Option<OneUnit>,
    events: [CUevent; 2],
}

impl Contest {
    pub fn new(device: &Arc<Device>, ptx: Option<&str>) -> Result<Self, Failure> {
        let ours = Kernels::load(device)?;
        let own = if device.raw().capability() >= (8, 0) { PTX_80 } else { PTX_75 };
        let published = ptx.map(|path| OneUnit::load(&std::fs::read_to_string(path)?, PUBLISHED, true)).transpose()?;
        Ok(Self {
            device: device.clone(),
            stream: Stream::new(device)?,
            ours,
            plain: OneUnit::load(own, PLAIN, false)?,
            published,
            events: [
                result::event::create(CUevent_flags::CU_EVENT_DEFAULT)?,
                result::event::create(CUevent_flags::CU_EVENT_DEFAULT)?,
            ],
        })
    }

    /// Runs all contestants on as many tensors of `weights` weights as a sample has, at least one.
    pub fn size(&self, weights: usize, sample: usize, samples: usize) -> Result<Vec<Row>, Failure> {
        let source = Source::gauss(weights);
        let tensors = source.upload(&self.device, (sample / weights).max(1), &self.stream)?;
        let copies: Vec<DeviceMemory> =
            tensors.iter().map(|_| DeviceMemory::new(&self.device, 2 * weights)).collect::<Result<_, _>>()?;
        let row = |contestant, bytes, seconds| Row { weights, tensors: tensors.len(), contestant, seconds, bytes };
        let decoded = source.coded_bytes() + 2 * weights;

        let copy = || {
            for (tensor, to) in tensors.iter().zip(&copies) {
                // SAFETY: both are as large, and live until the stream is waited for.
                unsafe {
                    result::memcpy_dtod_async(
                        to.address(),
                        tensor.out.address(),
                        2 * weights,
                        self.stream.raw().cast(),
                    )?
                };
            }
            Ok(())
        };
        let each = || tensors.iter().try_for_each(|tensor| self.decode(std::slice::from_ref(tensor)));
        let batch = || tensors.chunks(LAUNCH_JOBS).try_for_each(|tensors| self.decode(tensors));
        let plain = || tensors.iter().try_for_each(|tensor| self.plain.launch(tensor, &self.stream));
        let mut rows = vec![row(Contestant::Copy, 4 * weights, self.median(samples, tensors.len(), &copy)?)];
        let mut race = |contestant, work: &dyn Fn() -> Result<(), Failure>| -> Result<(), Failure> {
            self.check(&format!("{contestant:?}"), &tensors, &source.words, work)?;
            println!("{contestant:?}, {} tensors of {weights} weights: every weight is right", tensors.len());
            rows.push(row(contestant, decoded, self.median(samples, tensors.len(), work)?));
            Ok(())
        };
        race(Contestant::Ours, &each)?;
        if tensors.len() > 1 {
            race(Contestant::Batch, &batch)?;
        }
        race(Contestant::Plain, &plain)?;
        if let Some(published) = &self.published {
            race(Contestant::Published, &|| {
                tensors.iter().try_for_each(|tensor| published.launch(tensor, &self.stream))
            })?;
        }
        Ok(rows)
    }

    fn decode(&self, tensors: &[Tensor]) -> Result<(), Failure> {
        let job = |tensor: &Tensor| Job::all(&tensor.unit, tensor.out.address(), tensor.status.address());
        let jobs: Vec<Job> = tensors.iter().map(job).collect();
        let stage_bytes = tensors.iter().map(|tensor| tensor.stage_bytes).max().unwrap_or(0);
        // SAFETY: the tensors live until the stream is waited for.
        Ok(unsafe { self.ours.decode(self.stream.raw(), &jobs, stage_bytes) }?)
    }

    /// Checks that every weight of every tensor is right.
    fn check(
        &self,
        what: &str,
        tensors: &[Tensor],
        words: &[u16],
        work: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let stream = self.stream.raw().cast();
        for tensor in tensors {
            // SAFETY: ours, and as large.
            unsafe {
                result::memset_d8_async(tensor.out.address(), POISON, tensor.out.bytes(), stream)?;
                result::memset_d8_async(tensor.status.address(), 0, tensor.status.bytes(), stream)?;
            }
        }
        work()?;
        let (mut found, mut status) = (vec![0u16; words.len()], [0u32]);
        for (number, tensor) in tensors.iter().enumerate() {
            // SAFETY: they are as large, and live until the stream is waited for.
            unsafe {
                result::memcpy_dtoh_async(&mut found, tensor.out.address(), stream)?;
                result::memcpy_dtoh_async(&mut status, tensor.status.address(), stream)?;
            }
            self.stream.wait()?;
            if let Some(at) = (0..words.len()).find(|&at| found[at] != words[at]) {
                let (found, expected) = (found[at], words[at]);
                return Err(format!("{what}: tensor {number}: weight {at} is {found:#06x}, not {expected:#06x}").into());
            }
            if status != [0] {
                return Err(format!("{what}: tensor {number}: status {}", status[0]).into());
            }
        }
        Ok(())
    }

    /// Seconds per tensor: the median of `samples` times that `work` goes through all of them.
    fn median(&self, samples: usize, tensors: usize, work: &dyn Fn() -> Result<(), Failure>) -> Result<f64, Failure> {
        let [begin, end] = self.events;
        let mut times = Vec::new();
        for sample in 0..WARM_UP + samples {
            // SAFETY: the events live, the stream is of the same device.
            unsafe { result::event::record(begin, self.stream.raw().cast()) }?;
            work()?;
            // SAFETY: as above.
            unsafe { result::event::record(end, self.stream.raw().cast()) }?;
            self.stream.wait()?;
            if sample >= WARM_UP {
                // SAFETY: both were recorded, and have happened.
                times.push(unsafe { result::event::elapsed(begin, end) }?);
            }
        }
        times.sort_by(f32::total_cmp);
        Ok(f64::from(times[times.len() / 2]) / 1e3 / tensors as f64)
    }
}

impl Drop for Contest {
    fn drop(&mut self) {
        let modules = [Some(&self.plain), self.published.as_ref()];
        for event in self.events {
            // SAFETY: made once, and nothing runs.
            let _ = unsafe { result::event::destroy(event) };
        }
        for kernel in modules.into_iter().flatten() {
            // SAFETY: as above.
            let _ = unsafe { result::module::unload(kernel.module) };
        }
    }
}

impl OneUnit {
    fn load(ptx: &str, entry: &str, counts_lengths: bool) -> Result<Self, Failure> {
        let (ptx, entry) = (CString::new(ptx)?, CString::new(entry)?);
        // SAFETY: PTX that ends with a byte of 0.
        let module = unsafe { result::module::load_data(ptx.as_ptr().cast()) }?;
        // SAFETY: the module is loaded.
        let function = unsafe { result::module::get_function(module, entry) }?;
        Ok(Self { module, function, counts_lengths })
    }

    fn launch(&self, tensor: &Tensor, stream: &Stream) -> Result<(), Failure> {
        let unit = &tensor.unit;
        let mut addresses =
            [tensor.luts.address(), unit.stream, unit.sign_mantissa, unit.positions, unit.gaps, tensor.out.address()];
        let mut numbers = [tensor.rows_of_luts - u32::from(!self.counts_lengths), unit.stream_bytes, unit.weights];
        let mut parameters: Vec<*mut c_void> =
            addresses.iter_mut().map(pointer).chain(numbers.iter_mut().map(pointer)).collect();
        // One word per thread for the scan, one more, and two bytes per weight.
        let shared = 4 * PLAIN_THREADS + 4 + 2 * tensor.fullest;
        let (grid, threads) = ((unit.blocks, 1, 1), (PLAIN_THREADS, 1, 1));
        // SAFETY: the parameters are those of the entry point, and the tensor lives until the
        // stream is waited for.
        Ok(unsafe {
            result::launch_kernel(self.function, grid, threads, shared, stream.raw().cast(), &mut parameters)
        }?)
    }
}

fn pointer<T>(value: &mut T) -> *mut c_void {
    std::ptr::from_mut(value).cast()
}
