//! Each function of `sys` as a method whose failure is an `Error` with the function's name.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use cudarc::driver::sys::{CUcontext, CUdevice, CUevent, CUfunction, CUmodule, CUstream};

use crate::error::Error;
use crate::sys::{
    ATTRIBUTE_CAPABILITY_MAJOR, ATTRIBUTE_CAPABILITY_MINOR, ATTRIBUTE_MULTIPROCESSORS, Driver, EVENT_DISABLE_TIMING,
    STREAM_NON_BLOCKING, SUCCESS,
};

/// The driver. What is asked of it is for the thread's current context: `Device::bind`.
///
/// # Errors
/// Every method: `Driver`, with the name of the function.
///
/// # Safety
/// What CUDA asks of its function: handles and addresses are alive and of the current context, memory is as large as `bytes` says, and nobody else uses it until the
/// stream has done the work.
#[derive(Debug)]
pub(crate) struct Cuda {
    pub(crate) driver: Driver,
}

macro_rules! call {
    ($self:ident.$function:ident($($argument:expr),*)) => {
        // SAFETY: a function of this name and type; what it is given, the method answers for or its caller.
        $self.check(stringify!($function), unsafe { ($self.driver.$function)($($argument),*) })
    };
}

impl Cuda {
    fn check(&self, function: &'static str, error: c_int) -> Result<(), Error> {
        if error == SUCCESS {
            return Ok(());
        }
        let mut name: *const c_char = null();
        // SAFETY: takes any number, and gives a text that stays, or null.
        let known = unsafe { (self.driver.cuGetErrorName)(error, &mut name) } == SUCCESS && !name.is_null();
        // SAFETY: as above.
        let name = known.then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned());
        let error = name.unwrap_or_else(|| error.to_string());
        // Functions are called by the names of their documentation.
        Err(Error::Driver { call: function.trim_end_matches("_v2"), error })
    }

    pub fn init(&self) -> Result<(), Error> {
        call!(self.cuInit(0))
    }

    pub fn device_count(&self) -> Result<usize, Error> {
        let mut count = 0;
        call!(self.cuDeviceGetCount(&mut count))?;
        Ok(count.max(0) as usize)
    }

    pub fn device(&self, ordinal: usize) -> Result<CUdevice, Error> {
        let mut device = 0;
        call!(self.cuDeviceGet(&mut device, ordinal as c_int))?;
        Ok(device)
    }

    pub fn device_name(&self, device: CUdevice) -> Result<String, Error> {
        let mut name = [0u8; 256];
        call!(self.cuDeviceGetName(name.as_mut_ptr().cast(), name.len() as c_int, device))?;
        Ok(String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned())
    }

    fn attribute(&self, attribute: c_int, device: CUdevice) -> Result<c_int, Error> {
        let mut value = 0;
        call!(self.cuDeviceGetAttribute(&mut value, attribute, device))?;
        Ok(value)
    }

    /// Major and minor.
    pub fn capability(&self, device: CUdevice) -> Result<(i32, i32), Error> {
        Ok((self.attribute(ATTRIBUTE_CAPABILITY_MAJOR, device)?, self.attribute(ATTRIBUTE_CAPABILITY_MINOR, device)?))
    }

    pub fn multiprocessors(&self, device: CUdevice) -> Result<u32, Error> {
        Ok(self.attribute(ATTRIBUTE_MULTIPROCESSORS, device)?.max(1) as u32)
    }

    pub fn primary_context_retain(&self, device: CUdevice) -> Result<CUcontext, Error> {
        let mut context = null_mut();
        call!(self.cuDevicePrimaryCtxRetain(&mut context, device))?;
        Ok(context)
    }

    pub unsafe fn primary_context_release(&self, device: CUdevice) -> Result<(), Error> {
        call!(self.cuDevicePrimaryCtxRelease_v2(device))
    }

    pub unsafe fn set_current(&self, context: CUcontext) -> Result<(), Error> {
        call!(self.cuCtxSetCurrent(context))
    }

    /// Waits for all that the device has to do.
    pub fn synchronize(&self) -> Result<(), Error> {
        call!(self.cuCtxSynchronize())
    }

    /// So many bytes of the device.
    pub fn malloc(&self, bytes: usize) -> Result<u64, Error> {
        let mut address = 0;
        call!(self.cuMemAlloc_v2(&mut address, bytes))?;
        Ok(address)
    }

    /// Gives them back, once the device is idle.
    pub unsafe fn free(&self, address: u64) -> Result<(), Error> {
        call!(self.cuMemFree_v2(address))
    }

    /// So many bytes of page-locked memory.
    pub fn malloc_host(&self, bytes: usize) -> Result<*mut c_void, Error> {
        let mut address = null_mut();
        call!(self.cuMemHostAlloc(&mut address, bytes, 0))?;
        Ok(address)
    }

    /// Gives them back, once the device is idle.
    pub unsafe fn free_host(&self, address: *mut c_void) -> Result<(), Error> {
        call!(self.cuMemFreeHost(address))
    }

    /// Copies to the device, on `stream`.
    pub unsafe fn memcpy_htod_async(&self, to: u64, from: &[u8], stream: CUstream) -> Result<(), Error> {
        call!(self.cuMemcpyHtoDAsync_v2(to, from.as_ptr().cast(), from.len(), stream))
    }

    /// Copies from the device, and returns when that is done.
    pub unsafe fn memcpy_dtoh(&self, to: &mut [u8], from: u64) -> Result<(), Error> {
        call!(self.cuMemcpyDtoH_v2(to.as_mut_ptr().cast(), from, to.len()))
    }

    /// Sets bytes of the device, on `stream`.
    pub unsafe fn memset_d8_async(&self, to: u64, value: u8, bytes: usize, stream: CUstream) -> Result<(), Error> {
        call!(self.cuMemsetD8Async(to, value, bytes, stream))
    }

    pub fn stream_create(&self) -> Result<CUstream, Error> {
        let mut stream = null_mut();
        call!(self.cuStreamCreate(&mut stream, STREAM_NON_BLOCKING))?;
        Ok(stream)
    }

    pub unsafe fn stream_destroy(&self, stream: CUstream) -> Result<(), Error> {
        call!(self.cuStreamDestroy_v2(stream))
    }

    /// Waits for all that is in `stream`.
    pub unsafe fn stream_synchronize(&self, stream: CUstream) -> Result<(), Error> {
        call!(self.cuStreamSynchronize(stream))
    }

    pub unsafe fn stream_wait_event(&self, stream: CUstream, event: CUevent) -> Result<(), Error> {
        call!(self.cuStreamWaitEvent(stream, event, 0))
    }

    pub fn event_create(&self) -> Result<CUevent, Error> {
        let mut event = null_mut();
        call!(self.cuEventCreate(&mut event, EVENT_DISABLE_TIMING))?;
        Ok(event)
    }

    pub unsafe fn event_destroy(&self, event: CUevent) -> Result<(), Error> {
        call!(self.cuEventDestroy_v2(event))
    }

    pub unsafe fn event_record(&self, event: CUevent, stream: CUstream) -> Result<(), Error> {
        call!(self.cuEventRecord(event, stream))
    }

    pub unsafe fn module_load(&self, image: &[u8]) -> Result<CUmodule, Error> {
        let mut module = null_mut();
        call!(self.cuModuleLoadData(&mut module, image.as_ptr().cast()))?;
        Ok(module)
    }

    pub unsafe fn module_unload(&self, module: CUmodule) -> Result<(), Error> {
        call!(self.cuModuleUnload(module))
    }

    pub unsafe fn module_function(&self, module: CUmodule, name: &CStr) -> Result<CUfunction, Error> {
        let mut function = null_mut();
        call!(self.cuModuleGetFunction(&mut function, module, name.as_ptr()))?;
        Ok(function)
    }

    /// Thread blocks that a multiprocessor holds at a time.
    pub unsafe fn occupancy(&self, function: CUfunction, threads: u32, shared: u32) -> Result<u32, Error> {
        let mut blocks = 0;
        call!(self.cuOccupancyMaxActiveBlocksPerMultiprocessor(
            &mut blocks,
            function,
            threads as c_int,
            shared as usize
        ))?;
        Ok(blocks.max(1) as u32)
    }

    pub unsafe fn launch(
        &self,
        function: CUfunction,
        (grid, threads, shared): (u32, u32, u32),
        stream: CUstream,
        parameters: &mut [*mut c_void],
    ) -> Result<(), Error> {
        let (parameters, none) = (parameters.as_mut_ptr(), null_mut());
        call!(self.cuLaunchKernel(function, grid, 1, 1, threads, 1, 1, shared, stream, parameters, none))
    }
}
