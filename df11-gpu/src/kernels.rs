use std::sync::Arc;

use df11_kernels::{
    BLOCK_THREADS, DECODE, DeviceFlat, FLAT_COUNT, FLAT_EXPAND, FLAT_THREADS, FLAT_WRITE, Flatten, GATHER, Job, Jobs,
    PRODUCT_THREADS, PRODUCTS, Product, flat_geometry,
};

use crate::compiler::Compiler;
use crate::device::Device;
use crate::driver::{Driver, Image};
use crate::error::Error;
use crate::functions::RawStream;
use crate::module::{Kernel, Module, pointer};

/// The kernels, loaded on a device.
#[derive(Debug)]
pub struct Kernels<D: Driver> {
    module: Module<D>,
    decode: Kernel,
    gather: Kernel,
    flat: FlatKernels,
}

/// The kernels of the flat form, and of products.
#[derive(Debug)]
struct FlatKernels {
    count: Kernel,
    write: Kernel,
    expand: Kernel,
    products: Vec<Kernel>,
}

impl FlatKernels {
    fn of<D: Driver>(module: &Module<D>) -> Result<Self, Error> {
        let kernel = |name| module.kernel(name, FLAT_THREADS);
        let products = PRODUCTS.iter().map(|name| module.kernel(name, PRODUCT_THREADS)).collect::<Result<_, _>>()?;
        Ok(Self { count: kernel(FLAT_COUNT)?, write: kernel(FLAT_WRITE)?, expand: kernel(FLAT_EXPAND)?, products })
    }
}

/// Rows of a matrix, to be gathered.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Device address of their numbers, u32 each.
    pub numbers: u64,
    /// How many.
    pub count: u32,
    /// Weights of a row.
    pub weights: u32,
}

impl<D: Driver> Kernels<D> {
    /// The kernels as they come, where they come for such a device; else as `compile` makes them.
    ///
    /// # Errors
    /// `Driver`, and as `compile`.
    pub fn load(device: &Arc<Device<D>>) -> Result<Self, Error> {
        D::image(device.raw()).map_or_else(|| Self::compile(device), |image| Self::of_image(device, image))
    }

    /// The kernels, compiled for the very device.
    ///
    /// # Errors
    /// `CompilerNotFound`, `Compiler`, `Driver`.
    pub fn compile(device: &Arc<Device<D>>) -> Result<Self, Error> {
        let code = Compiler::find::<D>()?.compile(D::SOURCE, &D::options(device.raw()))?;
        Self::of_image(device, code.into())
    }

    fn of_image(device: &Arc<Device<D>>, image: Image) -> Result<Self, Error> {
        let module = Module::load(device, image)?;
        let (decode, gather) = (module.kernel(DECODE, BLOCK_THREADS)?, module.kernel(GATHER, BLOCK_THREADS)?);
        let flat = FlatKernels::of(&module)?;
        Ok(Self { module, decode, gather, flat })
    }

    /// The device.
    pub fn device(&self) -> &Arc<Device<D>> {
        self.module.device()
    }

    /// Decodes a batch in one launch on `stream`. Returns at once. Afterwards each job's status is
    /// 0, or says what is wrong, and then its weights mean nothing.
    ///
    /// `stage_bytes` is the largest `Layout::stage_bytes` of the jobs' units.
    ///
    /// # Errors
    /// `Jobs` (see `df11_kernels::LAUNCH_JOBS`), `Driver`.
    ///
    /// # Safety
    /// Until the launch has run:
    /// - `self` and `stream` live, and `stream` is a stream of the device;
    /// - every address in `jobs` is of device memory as large as the unit and the window say, and a
    ///   multiple of what `DeviceUnit` and `Job` say;
    /// - outputs and status words are written by nobody else, and overlap neither each other nor
    ///   anything that the launch reads, units and tables: the kernel reads as early and as often
    ///   as it likes.
    pub unsafe fn decode(&self, stream: RawStream, jobs: &[Job], stage_bytes: u32) -> Result<(), Error> {
        let (mut jobs, mut count, mut blocks) = Jobs::new(jobs)?;
        let mut stage = stage_bytes;
        let mut parameters = [pointer(&mut jobs), pointer(&mut count), pointer(&mut blocks), pointer(&mut stage)];
        // SAFETY: the parameters are those of the entry point; the rest is the caller's promise.
        unsafe { self.module.launch_blocks(&self.decode, blocks, stage_bytes, stream, &mut parameters) }
    }

    /// Gathers rows of a matrix into the output of `job`, one after the other, on `stream`. Returns
    /// at once. The window of the job is the matrix; its blocks are not used. A row that is not in
    /// the matrix sets `fault::ROW` in the status.
    ///
    /// Each row costs the blocks in which it is: rows that share one decode it again.
    ///
    /// # Safety
    /// As `decode`; `rows.numbers`, a multiple of 4, is of `rows.count` numbers, and the output of
    /// `rows.count * rows.weights` BF16 words.
    pub unsafe fn gather(&self, stream: RawStream, job: &Job, rows: Rows, stage_bytes: u32) -> Result<(), Error> {
        if rows.count == 0 || rows.weights == 0 {
            return Ok(());
        }
        let (mut job, Rows { mut numbers, mut count, mut weights }, mut stage) = (*job, rows, stage_bytes);
        let mut parameters =
            [pointer(&mut job), pointer(&mut numbers), pointer(&mut count), pointer(&mut weights), pointer(&mut stage)];
        // SAFETY: as above.
        unsafe { self.module.launch_blocks(&self.gather, rows.count, stage_bytes, stream, &mut parameters) }
    }

    /// Multiplies, on `stream`. Returns at once. The bits of y are those of FLAT.md, "Products",
    /// whatever the form of the weights and the number of vectors.
    ///
    /// # Safety
    /// Until the launch has run:
    /// - `self` and `stream` live, and `stream` is a stream of the device;
    /// - every address in `product` is of device memory as large as its sizes say, and a multiple of
    ///   what `Product` and its parts say;
    /// - y is written by nobody else, and overlaps nothing that the launch reads.
    pub unsafe fn product(&self, stream: RawStream, mut product: Product) -> Result<(), Error> {
        let kernel = &self.flat.products[product.kernel()];
        let geometry = product.geometry(self.module.resident(kernel, product.shared_bytes())?);
        // SAFETY: the parameter is that of the entry point; the rest is the caller's promise.
        unsafe { self.module.launch(kernel, geometry, stream, &mut [pointer(&mut product)]) }
    }

    /// Counts the escapes of each row of `flatten`, on `stream`. Returns at once.
    ///
    /// # Safety
    /// As `product`, for what is written.
    pub unsafe fn count_escapes(&self, stream: RawStream, mut flatten: Flatten) -> Result<(), Error> {
        let geometry = flat_geometry(flatten.row_count());
        // SAFETY: as above.
        unsafe { self.module.launch(&self.flat.count, geometry, stream, &mut [pointer(&mut flatten)]) }
    }

    /// Writes a flat matrix but for its header and row starts, on `stream`. Returns at once.
    ///
    /// # Safety
    /// As `product`, for what is written; and the row starts are the sums of what `count_escapes`
    /// has counted of the same words.
    pub unsafe fn write_flat(&self, stream: RawStream, mut flatten: Flatten) -> Result<(), Error> {
        let geometry = flat_geometry(flatten.row_count());
        // SAFETY: as above.
        unsafe { self.module.launch(&self.flat.write, geometry, stream, &mut [pointer(&mut flatten)]) }
    }

    /// Writes `count` weights from `first` on, counted from the first row of `matrix`, to the BF16
    /// words at `out`, on `stream`. Returns at once.
    ///
    /// # Safety
    /// As `product`, for what is written.
    pub unsafe fn expand(
        &self,
        stream: RawStream,
        mut matrix: DeviceFlat,
        mut out: u64,
        mut first: u64,
        count: u64,
    ) -> Result<(), Error> {
        let (geometry, mut end) = (flat_geometry(matrix.row_count()), first.saturating_add(count));
        let mut parameters = [pointer(&mut matrix), pointer(&mut out), pointer(&mut first), pointer(&mut end)];
        // SAFETY: as above.
        unsafe { self.module.launch(&self.flat.expand, geometry, stream, &mut parameters) }
    }
}
