//! Launches of the kernels of the flat form, and of products.

use df11_kernels::{
    DeviceFlat, FLAT_COUNT, FLAT_EXPAND, FLAT_THREADS, FLAT_WRITE, Flatten, PRODUCT_THREADS, PRODUCTS, Product,
    flat_geometry,
};

use crate::driver::Driver;
use crate::error::Error;
use crate::functions::RawStream;
use crate::kernels::{Kernel, Kernels, Module, pointer};

/// The kernels of a module.
#[derive(Debug)]
pub(crate) struct FlatKernels {
    count: Kernel,
    write: Kernel,
    expand: Kernel,
    products: Vec<Kernel>,
}

impl FlatKernels {
    pub fn of<D: Driver>(module: &Module<D>) -> Result<Self, Error> {
        let kernel = |name| module.kernel(name, FLAT_THREADS);
        let products = PRODUCTS.iter().map(|name| module.kernel(name, PRODUCT_THREADS)).collect::<Result<_, _>>()?;
        Ok(Self { count: kernel(FLAT_COUNT)?, write: kernel(FLAT_WRITE)?, expand: kernel(FLAT_EXPAND)?, products })
    }
}

impl<D: Driver> Kernels<D> {
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
        let (module, kernels) = self.flat();
        let kernel = &kernels.products[product.kernel()];
        let geometry = product.geometry(module.resident(kernel, product.shared_bytes())?);
        // SAFETY: the parameter is that of the entry point; the rest is the caller's promise.
        unsafe { module.launch(kernel, geometry, stream, &mut [pointer(&mut product)]) }
    }

    /// Counts the escapes of each row of `flatten`, on `stream`. Returns at once.
    ///
    /// # Safety
    /// As `product`, for what is written.
    pub unsafe fn count_escapes(&self, stream: RawStream, flatten: Flatten) -> Result<(), Error> {
        let (module, kernels) = self.flat();
        // SAFETY: as above.
        unsafe { launch_flatten(module, &kernels.count, stream, flatten) }
    }

    /// Writes a flat matrix but for its header and row starts, on `stream`. Returns at once.
    ///
    /// # Safety
    /// As `product`, for what is written; and the row starts are the sums of what `count_escapes`
    /// has counted of the same words.
    pub unsafe fn write_flat(&self, stream: RawStream, flatten: Flatten) -> Result<(), Error> {
        let (module, kernels) = self.flat();
        // SAFETY: as above.
        unsafe { launch_flatten(module, &kernels.write, stream, flatten) }
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
        let (module, kernels) = self.flat();
        let (geometry, mut end) = (flat_geometry(matrix.row_count()), first.saturating_add(count));
        let mut parameters = [pointer(&mut matrix), pointer(&mut out), pointer(&mut first), pointer(&mut end)];
        // SAFETY: as above.
        unsafe { module.launch(&kernels.expand, geometry, stream, &mut parameters) }
    }
}

/// # Safety
/// As `Kernels::product`; `kernel` takes one `Flatten`.
unsafe fn launch_flatten<D: Driver>(
    module: &Module<D>,
    kernel: &Kernel,
    stream: RawStream,
    mut flatten: Flatten,
) -> Result<(), Error> {
    let geometry = flat_geometry(flatten.row_count());
    // SAFETY: the caller's.
    unsafe { module.launch(kernel, geometry, stream, &mut [pointer(&mut flatten)]) }
}
