//! Each function of `sys` as a method whose failure is an `Error` with the function's name.
#![allow(clippy::missing_safety_doc, clippy::missing_errors_doc, reason = "said once, at the type")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::null;

use crate::error::Error;
use crate::sys::{
    ATTRIBUTE_MULTIPROCESSORS, ATTRIBUTE_WAVEFRONT, Compiler, EVENT_DISABLE_TIMING, PROPERTIES, PROPERTIES_BYTES,
    Properties, Runtime, STREAM_NON_BLOCKING, SUCCESS, hipError_t, hipEvent_t, hipFunction_t, hipModule_t, hipStream_t,
    hiprtcProgram, hiprtcResult,
};

/// The HIP runtime. What is asked of it is for the thread's current device: `Device::bind`.
///
/// # Errors
/// Every method: `Driver`, with the name of the function.
///
/// # Safety
/// What HIP asks of its function: handles and addresses are alive and of the current device, memory is as large as `bytes` says, and nobody else uses it until the
/// stream has done the work.
#[derive(Debug)]
pub struct Hip {
    pub(crate) runtime: Runtime,
    pub(crate) properties: (&'static str, Properties),
}

macro_rules! call {
    ($self:ident.$function:ident($($argument:expr),*)) => {
        // SAFETY: a function of this name and type; what it is given, the method answers for or its caller.
        $self.check(stringify!($function), unsafe { ($self.runtime.$function)($($argument),*) })
    };
}

impl Hip {
    fn check(&self, call: &'static str, error: hipError_t) -> Result<(), Error> {
        if error == SUCCESS {
            return Ok(());
        }
        // SAFETY: takes any number, gives a text that stays, or null.
        let error = unsafe { text((self.runtime.hipGetErrorName)(error), error) };
        Err(Error::Driver { call, error })
    }

    pub(crate) fn init(&self) -> Result<(), Error> {
        call!(self.hipInit(0))
    }

    pub(crate) fn device_count(&self) -> Result<usize, Error> {
        let mut count = 0;
        call!(self.hipGetDeviceCount(&mut count))?;
        Ok(count.max(0) as usize)
    }

    pub(crate) fn device(&self, ordinal: usize) -> Result<c_int, Error> {
        let mut device = 0;
        call!(self.hipDeviceGet(&mut device, ordinal as c_int))?;
        Ok(device)
    }

    pub(crate) fn device_name(&self, device: c_int) -> Result<String, Error> {
        let mut name = [0u8; 256];
        call!(self.hipDeviceGetName(name.as_mut_ptr().cast(), name.len() as c_int, device))?;
        Ok(until_zero(&name))
    }

    fn attribute(&self, attribute: c_int, device: c_int) -> Result<c_int, Error> {
        let mut value = 0;
        call!(self.hipDeviceGetAttribute(&mut value, attribute, device))?;
        Ok(value)
    }

    pub(crate) fn multiprocessors(&self, device: c_int) -> Result<u32, Error> {
        Ok(self.attribute(ATTRIBUTE_MULTIPROCESSORS, device)?.max(1) as u32)
    }

    pub(crate) fn wavefront(&self, device: c_int) -> Result<u32, Error> {
        Ok(self.attribute(ATTRIBUTE_WAVEFRONT, device)?.max(0) as u32)
    }

    /// The instruction set of a device, `gfx90a:sramecc+:xnack-`; nothing where the runtime does not say.
    pub(crate) fn target(&self, device: c_int) -> Result<String, Error> {
        // Words, since the structure begins at a multiple of 8.
        let mut properties = [0u64; PROPERTIES_BYTES / 8];
        let (call, function) = self.properties;
        // SAFETY: there is more room than any version of the structure fills.
        self.check(call, unsafe { function(properties.as_mut_ptr().cast(), device) })?;
        Ok(target_in(&properties.map(u64::to_ne_bytes).concat()))
    }

    pub(crate) fn set_device(&self, device: c_int) -> Result<(), Error> {
        call!(self.hipSetDevice(device))
    }

    /// Waits for all that the device has to do.
    pub fn synchronize(&self) -> Result<(), Error> {
        call!(self.hipDeviceSynchronize())
    }

    /// So many bytes of the device.
    pub fn malloc(&self, bytes: usize) -> Result<u64, Error> {
        let mut address = 0;
        call!(self.hipMalloc(&mut address, bytes))?;
        Ok(address)
    }

    /// Gives them back, once the device is idle.
    pub unsafe fn free(&self, address: u64) -> Result<(), Error> {
        call!(self.hipFree(address))
    }

    /// So many bytes of page-locked memory.
    pub fn malloc_host(&self, bytes: usize) -> Result<*mut c_void, Error> {
        let mut address = std::ptr::null_mut();
        call!(self.hipHostMalloc(&mut address, bytes, 0))?;
        Ok(address)
    }

    /// Gives them back, once the device is idle.
    pub unsafe fn free_host(&self, address: *mut c_void) -> Result<(), Error> {
        call!(self.hipHostFree(address))
    }

    /// Copies to the device, on `stream`.
    pub unsafe fn memcpy_htod_async(&self, to: u64, from: &[u8], stream: hipStream_t) -> Result<(), Error> {
        call!(self.hipMemcpyHtoDAsync(to, from.as_ptr().cast(), from.len(), stream))
    }

    /// Copies from the device, and returns when that is done.
    pub unsafe fn memcpy_dtoh(&self, to: &mut [u8], from: u64) -> Result<(), Error> {
        call!(self.hipMemcpyDtoH(to.as_mut_ptr().cast(), from, to.len()))
    }

    /// Copies from the device, on `stream`.
    pub unsafe fn memcpy_dtoh_async(&self, to: &mut [u8], from: u64, stream: hipStream_t) -> Result<(), Error> {
        call!(self.hipMemcpyDtoHAsync(to.as_mut_ptr().cast(), from, to.len(), stream))
    }

    /// Sets bytes of the device, on `stream`.
    pub unsafe fn memset_d8_async(&self, to: u64, value: u8, bytes: usize, stream: hipStream_t) -> Result<(), Error> {
        call!(self.hipMemsetD8Async(to, value, bytes, stream))
    }

    pub(crate) fn stream_create(&self) -> Result<hipStream_t, Error> {
        let mut stream = std::ptr::null_mut();
        call!(self.hipStreamCreateWithFlags(&mut stream, STREAM_NON_BLOCKING))?;
        Ok(stream)
    }

    pub(crate) unsafe fn stream_destroy(&self, stream: hipStream_t) -> Result<(), Error> {
        call!(self.hipStreamDestroy(stream))
    }

    /// Waits for all that is in `stream`.
    pub unsafe fn stream_synchronize(&self, stream: hipStream_t) -> Result<(), Error> {
        call!(self.hipStreamSynchronize(stream))
    }

    pub(crate) unsafe fn stream_wait_event(&self, stream: hipStream_t, event: hipEvent_t) -> Result<(), Error> {
        call!(self.hipStreamWaitEvent(stream, event, 0))
    }

    pub(crate) fn event_create(&self) -> Result<hipEvent_t, Error> {
        let mut event = std::ptr::null_mut();
        call!(self.hipEventCreateWithFlags(&mut event, EVENT_DISABLE_TIMING))?;
        Ok(event)
    }

    pub(crate) unsafe fn event_destroy(&self, event: hipEvent_t) -> Result<(), Error> {
        call!(self.hipEventDestroy(event))
    }

    pub(crate) unsafe fn event_record(&self, event: hipEvent_t, stream: hipStream_t) -> Result<(), Error> {
        call!(self.hipEventRecord(event, stream))
    }

    pub(crate) unsafe fn module_load(&self, image: &[u8]) -> Result<hipModule_t, Error> {
        let mut module = std::ptr::null_mut();
        call!(self.hipModuleLoadData(&mut module, image.as_ptr().cast()))?;
        Ok(module)
    }

    pub(crate) unsafe fn module_unload(&self, module: hipModule_t) -> Result<(), Error> {
        call!(self.hipModuleUnload(module))
    }

    pub(crate) unsafe fn module_function(&self, module: hipModule_t, name: &CStr) -> Result<hipFunction_t, Error> {
        let mut function = std::ptr::null_mut();
        call!(self.hipModuleGetFunction(&mut function, module, name.as_ptr()))?;
        Ok(function)
    }

    /// Thread blocks that a multiprocessor holds at a time.
    pub(crate) unsafe fn occupancy(&self, function: hipFunction_t, threads: u32, shared: u32) -> Result<u32, Error> {
        let mut blocks = 0;
        call!(self.hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(
            &mut blocks,
            function,
            threads as c_int,
            shared as usize
        ))?;
        Ok(blocks.max(1) as u32)
    }

    pub(crate) unsafe fn launch(
        &self,
        function: hipFunction_t,
        (grid, threads, shared): (u32, u32, u32),
        stream: hipStream_t,
        parameters: &mut [*mut c_void],
    ) -> Result<(), Error> {
        let (parameters, none) = (parameters.as_mut_ptr(), std::ptr::null_mut());
        call!(self.hipModuleLaunchKernel(function, grid, 1, 1, threads, 1, 1, shared, stream, parameters, none))
    }
}

impl Compiler {
    fn check(&self, result: hiprtcResult) -> Result<(), Error> {
        if result == SUCCESS {
            return Ok(());
        }
        // SAFETY: takes any number, gives a text that stays, or null.
        Err(Error::Compiler { log: unsafe { text((self.hiprtcGetErrorString)(result), result) } })
    }

    /// The code object of a source.
    pub(crate) fn compile(&self, source: &CStr, options: &[CString]) -> Result<Vec<u8>, Error> {
        let mut program = std::ptr::null_mut();
        // SAFETY: the texts end with a byte of 0, and there are no headers.
        self.check(unsafe {
            (self.hiprtcCreateProgram)(&mut program, source.as_ptr(), c"df11.hip".as_ptr(), 0, null(), null())
        })?;
        let code = self.code(program, options);
        // SAFETY: made above, and used no more. A failure leaves nothing to do.
        let _ = unsafe { (self.hiprtcDestroyProgram)(&mut program) };
        code
    }

    fn code(&self, program: hiprtcProgram, options: &[CString]) -> Result<Vec<u8>, Error> {
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program was made, the options are texts that live.
        let compiled =
            self.check(unsafe { (self.hiprtcCompileProgram)(program, options.len() as c_int, options.as_ptr()) });
        if let Err(Error::Compiler { log: result }) = compiled {
            let log = self.fetch(program, self.hiprtcGetProgramLogSize, self.hiprtcGetProgramLog)?;
            return Err(Error::Compiler { log: format!("{result}: {}", until_zero(&log)) });
        }
        self.fetch(program, self.hiprtcGetCodeSize, self.hiprtcGetCode)
    }

    fn fetch(
        &self,
        program: hiprtcProgram,
        size: unsafe extern "C" fn(hiprtcProgram, *mut usize) -> hiprtcResult,
        get: unsafe extern "C" fn(hiprtcProgram, *mut c_char) -> hiprtcResult,
    ) -> Result<Vec<u8>, Error> {
        let mut bytes = 0;
        // SAFETY: the program was made and compiled.
        self.check(unsafe { size(program, &mut bytes) })?;
        let mut fetched = vec![0u8; bytes];
        // SAFETY: as many bytes as were asked for.
        self.check(unsafe { get(program, fetched.as_mut_ptr().cast()) })?;
        Ok(fetched)
    }
}

impl Hip {
    /// Of a runtime; else the name of the function that it lacks.
    ///
    /// # Safety
    /// As `Runtime::of`.
    pub(crate) unsafe fn of(library: &libloading::Library) -> Result<Self, &'static str> {
        // SAFETY: the caller's.
        let runtime = unsafe { Runtime::of(library) }?;
        // SAFETY: under both names there are functions of this type.
        let found = PROPERTIES.into_iter().find_map(|name| Some((name, *unsafe { library.get(name) }.ok()?)));
        Ok(Self { runtime, properties: found.ok_or(PROPERTIES[1])? })
    }
}

/// The instruction set in a `hipDeviceProp_t` of whatever version: the one text behind the device's name that begins as such names do. The name comes first, in 256
/// bytes, in all versions; what stands where behind it changed with ROCm 6.
fn target_in(properties: &[u8]) -> String {
    const NAME_BYTES: usize = 256;
    let behind = properties.get(NAME_BYTES..).unwrap_or_default();
    let begins = |window: &[u8]| window.starts_with(b"gfx") && window[3].is_ascii_hexdigit();
    behind.windows(4).position(begins).map(|at| until_zero(&behind[at..])).unwrap_or_default()
}

fn until_zero(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

/// # Safety
/// `name` is null or a text that ends with a byte of 0.
unsafe fn text(name: *const c_char, number: c_int) -> String {
    if name.is_null() {
        return number.to_string();
    }
    // SAFETY: the caller's.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_set_is_found_wherever_it_stands() {
        // Offsets of `gcnArchName` in ROCm 5 and 6; the last, as if the structure ended there.
        for at in [396, 1160, PROPERTIES_BYTES - 24] {
            let mut properties = vec![0; PROPERTIES_BYTES];
            properties[..20].copy_from_slice(b"gfx000 is not a name");
            properties[at..][..22].copy_from_slice(b"gfx90a:sramecc+:xnack-");
            assert_eq!(target_in(&properties), "gfx90a:sramecc+:xnack-");
        }
        assert_eq!(target_in(&[0; PROPERTIES_BYTES]), "");
    }
}
