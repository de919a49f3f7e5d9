//! Decoding on a GPU beside the published kernel and a copy, in one run: `gpu device` says which
//! GPU it is; `gpu decode RECORD.jsonl FILE...` checks and measures, the published kernel too if its
//! `decode.ptx` is given, and other builds of our kernel; `gpu once` is for a profiler. README.md
//! says how to read it.
//!
//! - [`data`]: tensors on the device, in so many copies that no cache helps.
//! - [`contestants`]: what is timed, and the check that it is right.
//! - [`report`]: the table and the record.

#[path = "../../tests/support/cases.rs"]
#[allow(dead_code)]
mod cases;
#[path = "../../tests/support/random.rs"]
#[allow(dead_code)]
mod random;

mod contestants;
mod data;
mod report;

use std::fs::File;
use std::process::ExitCode;
use std::sync::Arc;

use df11_cuda::cudarc::driver::{CudaContext, sys};
use df11_cuda::{Device, device_of};

use contestants::Contest;
use data::Kind;
use report::Report;

type Failure = Box<dyn std::error::Error>;

/// How much is measured.
struct Scale {
    /// Tensors, in weights. The one that tells most is first, so that a run cut short has it.
    sizes: &'static [(Kind, usize)],
    /// Weights of a sample. A smaller tensor is copied until it has as many, each copy in its own
    /// memory.
    sample: usize,
    /// The number of samples; their median counts.
    samples: usize,
}

const MI: usize = 1 << 20;
/// 40 tensors of 4 Mi weights, as many as one launch takes: 540 MB, which no GPU's cache holds.
const ON_A_DEVICE: Scale = Scale {
    sizes: &[
        (Kind::Gauss, 256 * MI),
        (Kind::RealLike, 256 * MI),
        (Kind::Gauss, 4 * MI),
        (Kind::Gauss, 16 * MI),
        (Kind::Gauss, 64 * MI),
        (Kind::Gauss, 512 * MI),
    ],
    sample: 160 * MI,
    samples: 51,
};
/// Enough to run every line.
const PLAYED: Scale =
    Scale { sizes: &[(Kind::Gauss, MI / 16), (Kind::RealLike, MI / 8)], sample: 3 * MI / 16, samples: 2 };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match &arguments[..] {
        ["device"] => {
            Device::open(0).map_err(Failure::from).and_then(|device| described(&device)).map(|text| println!("{text}"))
        }
        ["decode", record, files @ ..] => decode(record, files),
        ["once"] => once(),
        _ => Err("usage: gpu device | gpu decode RECORD.jsonl [decode.ptx] [VARIANT.cubin|.ptx]... | gpu once".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether this is a device of the played driver of `df11-gpu-shim`, by its name.
fn is_played(device: &Device) -> bool {
    device.name().ends_with("played on the processor")
}

fn described(device: &Device) -> Result<String, Failure> {
    let mut version = 0;
    // SAFETY: writes one number.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result()?;
    let (major, minor) = device.raw().capability();
    let (name, multiprocessors) = (device.name(), device.multiprocessors());
    Ok(format!(
        "{name}, compute capability {major}.{minor}, {multiprocessors} multiprocessors, driver of CUDA {}.{}",
        version / 1000,
        version % 1000 / 10
    ))
}

fn decode(record: &str, files: &[&str]) -> Result<(), Failure> {
    // Current on this thread from here on: the calls of cudarc want it.
    let context = CudaContext::new(0)?;
    let device: Arc<Device> = device_of(&context)?;
    let played = is_played(&device);
    let scale = if played { PLAYED } else { ON_A_DEVICE };
    let record = if played { None } else { Some(File::create(record)?) };
    let mut report = Report::new(described(&device)?, record);
    let contest = Contest::new(&device, files)?;
    for &(kind, weights) in scale.sizes {
        contest.size(kind, weights, &scale, &mut |row| report.add(row))?;
        println!("{weights} weights, {kind:?}: every weight of every kernel is right");
    }
    if played {
        println!("EMULATED: the weights are checked; the times mean nothing and are not recorded.");
        return Ok(());
    }
    println!("{report}");
    report.never_slower_than_published()
}

/// Decodes a tensor that fills the device a few times, for a profiler.
fn once() -> Result<(), Failure> {
    let context = CudaContext::new(0)?;
    Contest::new(&device_of(&context)?, &[])?.once(Kind::Gauss, 64 * MI)
}
