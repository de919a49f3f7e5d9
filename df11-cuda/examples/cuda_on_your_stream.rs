//! A unit on an NVIDIA GPU, decoded on a stream of your own into memory of your own: what a runtime
//! does that keeps weights on the device. The context, the stream and the memory are cudarc's here;
//! raw ones will do.
//!
//! ```text
//! cargo run -p df11-cuda --example cuda_on_your_stream
//! ```

use std::error::Error;
use std::process::ExitCode;

use df11_core::{Unit, bf16};
use df11_cuda::cudarc::driver::{CudaContext, DevicePtrMut};
use df11_cuda::{Decoder, Device, Job, Kernels, device_of};

/// Weights, 0.02 wide around 0.
const WEIGHTS: usize = 1 << 20;

fn main() -> ExitCode {
    // cudarc panics where there is no driver, so it is asked for here first.
    if let Err(error) = Device::count() {
        eprintln!("This example needs an NVIDIA GPU: {error}.");
        return ExitCode::FAILURE;
    }
    match decode_and_compare(0) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The example failed: {error}.");
            ExitCode::FAILURE
        }
    }
}

/// On the device of this number.
pub fn decode_and_compare(ordinal: usize) -> Result<(), Box<dyn Error>> {
    // A unit as it comes from a file, here encoded on the spot.
    let weights: Vec<bf16> = (0..WEIGHTS).map(|i| bf16::from_f32((i as f32).sin() * 0.02)).collect();
    let unit = Unit::encode(&weights, &[])?;

    // Your context and stream. The unit goes to the device once, and stays as long as `loaded`.
    let context = CudaContext::new(ordinal)?;
    let stream = context.new_stream()?;
    let decoder = Decoder::of(Kernels::load(&device_of(&context)?)?)?;
    let loaded = decoder.load(unit)?;

    // Your memory. The status says afterwards whether the weights are right.
    let mut output = stream.alloc_zeros::<u16>(WEIGHTS)?;
    let mut status = stream.alloc_zeros::<u32>(1)?;
    {
        let (out, _written) = output.device_ptr_mut(&stream);
        let (status, _reported) = status.device_ptr_mut(&stream);
        let job = Job::all(&loaded.on_device(), out, status);
        // SAFETY: unit, output and status are on this device, as large as the job says, and live
        // until the stream has been waited for, below. Nobody else uses them.
        unsafe { decoder.kernels().decode(stream.cu_stream().cast(), &[job], loaded.stage_bytes())? };
    }

    // Kernels that you put into the stream now find the weights there. Here they are compared.
    let (status, found) = (stream.clone_dtoh(&status)?, stream.clone_dtoh(&output)?);
    stream.synchronize()?;
    if status != [0] {
        return Err(format!("the kernel reports status {}", status[0]).into());
    }
    if let Some(at) = (0..WEIGHTS).find(|&at| found[at] != weights[at].to_bits()) {
        return Err(format!("weight {at} is {:#06x}, not {:#06x}", found[at], weights[at].to_bits()).into());
    }
    println!("{}: {WEIGHTS} weights decoded on a stream of the caller's, bit for bit", context.name()?);
    Ok(())
}
