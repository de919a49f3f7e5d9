//! What is timed: each contestant decodes all tensors of a sample, on one stream.

use std::ffi::{CString, c_void};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use df11_core::bf16;
use df11_cuda::cudarc::driver::result;
use df11_cuda::cudarc::driver::sys::{self, CUevent, CUevent_flags, CUfunction, CUmodule};
use df11_cuda::{Device, DeviceMemory, Kernels, Stream};
use df11_kernels::{BLOCK_THREADS, DECODE, Geometry, Job, Jobs, LAUNCH_JOBS, PLAIN, PLAIN_THREADS, PTX_75, PTX_80};

use crate::data::{Kind, Source, Tensor};
use crate::{Failure, Scale};

/// The entry point of the published kernel.
const PUBLISHED: &str = "decode";
/// Runs before the ones that count.
const WARM_UP: usize = 3;
/// What outputs hold before a kernel is checked: a word that is no weight of N(0, 0.02).
const POISON: u8 = 0xA5;

/// What one contestant took per tensor of this size.
#[derive(Clone, Debug)]
pub struct Row {
    pub kind: Kind,
    pub weights: usize,
    pub tensors: usize,
    pub contestant: Contestant,
    pub seconds: f64,
    /// Bytes read and written.
    pub bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Another build of our kernel, from the file of this name.
    Variant(String),
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copy => "copy",
            Self::Ours => "ours",
            Self::Batch => "ours, one launch",
            Self::Plain => "plain",
            Self::Published => "published",
            Self::Variant(name) => name,
        })
    }
}

/// Decodes the tensors of a sample once.
type Work<'a> = Box<dyn Fn() -> Result<(), Failure> + 'a>;

/// A build of our kernel that is not the library's: the same parameters, tables and launch.
struct Variant {
    name: String,
    module: CUmodule,
    function: CUfunction,
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
    variants: Vec<Variant>,
    events: [CUevent; 2],
}

impl Contest {
    /// `files`: the published kernel, `decode.ptx`, and variants of ours.
    pub fn new(device: &Arc<Device>, files: &[&str]) -> Result<Self, Failure> {
        let ours = Kernels::load(device)?;
        let own = if device.raw().capability() >= (8, 0) { PTX_80 } else { PTX_75 };
        let is_published = |path: &&&str| Path::new(path).file_name().is_some_and(|name| name == "decode.ptx");
        let published = files.iter().find(is_published);
        let published = published.map(|path| OneUnit::load(&std::fs::read(path)?, PUBLISHED, true)).transpose()?;
        let variants = files.iter().filter(|path| !is_published(path)).map(|path| Variant::load(path));
        Ok(Self {
            device: device.clone(),
            stream: Stream::new(device)?,
            ours,
            plain: OneUnit::load(own.as_bytes(), PLAIN, false)?,
            published,
            variants: variants.collect::<Result<_, _>>()?,
            events: [
                result::event::create(CUevent_flags::CU_EVENT_DEFAULT)?,
                result::event::create(CUevent_flags::CU_EVENT_DEFAULT)?,
            ],
        })
    }

    /// Runs all contestants on as many tensors of `weights` weights as a sample has, at least one.
    /// Gives each row to `take` as soon as it is measured.
    pub fn size(
        &self,
        kind: Kind,
        weights: usize,
        scale: &Scale,
        take: &mut dyn FnMut(Row) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let source = Source::new(kind, weights)?;
        let tensors = source.upload(&self.device, (scale.sample / weights).max(1), &self.stream)?;
        let number = tensors.len();
        let mut row =
            |contestant, bytes, seconds| take(Row { kind, weights, tensors: number, contestant, seconds, bytes });
        for (contestant, work) in self.contest(&tensors) {
            self.check(&contestant.to_string(), &tensors, &source.weights, &*work)?;
            let is_first = contestant == Contestant::Ours;
            row(contestant, source.coded_bytes() + 2 * weights, self.median(scale.samples, number, &*work)?)?;
            if is_first {
                row(Contestant::Copy, 4 * weights, self.copy(&tensors, weights, scale)?)?;
            }
        }
        Ok(())
    }

    /// What is raced: each decodes all tensors.
    fn contest<'a>(&'a self, tensors: &'a [Tensor]) -> Vec<(Contestant, Work<'a>)> {
        let each = |launch: &dyn Fn(&Tensor) -> Result<(), Failure>| tensors.iter().try_for_each(launch);
        let mut contest: Vec<(Contestant, Work<'a>)> = vec![
            (Contestant::Ours, Box::new(move || each(&|tensor| self.decode(std::slice::from_ref(tensor))))),
            (Contestant::Batch, Box::new(|| tensors.chunks(LAUNCH_JOBS).try_for_each(|tensors| self.decode(tensors)))),
            (Contestant::Plain, Box::new(move || each(&|tensor| self.plain.launch(tensor, &self.stream)))),
        ];
        if let Some(published) = &self.published {
            let work = move || each(&|tensor| published.launch(tensor, &self.stream));
            contest.push((Contestant::Published, Box::new(work)));
        }
        for variant in &self.variants {
            let work = move || each(&|tensor| variant.launch(tensor, &self.device, &self.stream));
            contest.push((Contestant::Variant(variant.name.clone()), Box::new(work)));
        }
        contest
    }

    /// Decodes one tensor a few times, for a profiler.
    pub fn once(&self, kind: Kind, weights: usize) -> Result<(), Failure> {
        let source = Source::new(kind, weights)?;
        let tensors = source.upload(&self.device, 1, &self.stream)?;
        (0..WARM_UP + 1).try_for_each(|_| self.decode(&tensors))?;
        Ok(self.stream.wait()?)
    }

    /// Seconds per tensor to copy its weights, which have been written.
    fn copy(&self, tensors: &[Tensor], weights: usize, scale: &Scale) -> Result<f64, Failure> {
        let copies: Vec<DeviceMemory> =
            tensors.iter().map(|_| DeviceMemory::new(&self.device, 2 * weights)).collect::<Result<_, _>>()?;
        self.median(scale.samples, tensors.len(), &|| {
            for (tensor, to) in tensors.iter().zip(&copies) {
                let (to, from, stream) = (to.address(), tensor.out.address(), self.stream.raw().cast());
                // SAFETY: both are as large, and live until the stream is waited for.
                unsafe { result::memcpy_dtod_async(to, from, 2 * weights, stream) }?;
            }
            Ok(())
        })
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
        weights: &[bf16],
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
        let (mut found, mut status) = (vec![bf16::ZERO; weights.len()], [0u32]);
        for (number, tensor) in tensors.iter().enumerate() {
            // SAFETY: they are as large, and live until the stream is waited for.
            unsafe {
                result::memcpy_dtoh_async(&mut found, tensor.out.address(), stream)?;
                result::memcpy_dtoh_async(&mut status, tensor.status.address(), stream)?;
            }
            self.stream.wait()?;
            if let Some(at) = (0..weights.len()).find(|&at| found[at].to_bits() != weights[at].to_bits()) {
                let (found, expected) = (found[at].to_bits(), weights[at].to_bits());
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
        let kernels = [Some(&self.plain), self.published.as_ref()].into_iter().flatten().map(|kernel| kernel.module);
        let modules: Vec<CUmodule> = kernels.chain(self.variants.iter().map(|variant| variant.module)).collect();
        for event in self.events {
            // SAFETY: made once, and nothing runs.
            let _ = unsafe { result::event::destroy(event) };
        }
        for module in modules {
            // SAFETY: as above.
            let _ = unsafe { result::module::unload(module) };
        }
    }
}

/// The kernel `entry` of an image, PTX or machine code.
fn load(image: &[u8], entry: &str) -> Result<(CUmodule, CUfunction), Failure> {
    let image = [image, &[0]].concat();
    // SAFETY: machine code, or PTX that ends with a byte of 0.
    let module = unsafe { result::module::load_data(image.as_ptr().cast()) }?;
    // SAFETY: the module is loaded.
    let function = unsafe { result::module::get_function(module, CString::new(entry)?) }?;
    Ok((module, function))
}

impl Variant {
    fn load(path: &str) -> Result<Self, Failure> {
        let (module, function) = load(&std::fs::read(path)?, DECODE).map_err(|error| format!("{path}: {error}"))?;
        let name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, module, function })
    }

    fn launch(&self, tensor: &Tensor, device: &Device, stream: &Stream) -> Result<(), Failure> {
        let job = Job::all(&tensor.unit, tensor.out.address(), tensor.status.address());
        let (mut jobs, mut count, mut blocks) = Jobs::new(&[job])?;
        let mut stage = tensor.stage_bytes;
        let shared = Geometry::shared_bytes(stage);
        let mut each = 0;
        // SAFETY: the function lives.
        unsafe {
            sys::cuOccupancyMaxActiveBlocksPerMultiprocessor(
                &mut each,
                self.function,
                BLOCK_THREADS as i32,
                shared as usize,
            )
        }
        .result()?;
        let grid = Geometry::new(blocks, stage, each.max(1) as u32 * device.multiprocessors()).grid;
        let mut parameters = [pointer(&mut jobs), pointer(&mut count), pointer(&mut blocks), pointer(&mut stage)];
        let (grid, threads) = ((grid, 1, 1), (BLOCK_THREADS, 1, 1));
        // SAFETY: the parameters are those of the entry point, and the tensor lives until the
        // stream is waited for.
        Ok(unsafe {
            result::launch_kernel(self.function, grid, threads, shared, stream.raw().cast(), &mut parameters)
        }?)
    }
}

impl OneUnit {
    fn load(image: &[u8], entry: &str, counts_lengths: bool) -> Result<Self, Failure> {
        let (module, function) = load(image, entry)?;
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
