//! Decoding on a GPU beside the published kernel and a copy, in one run: `gpu device` says which
//! GPU it is; `gpu bench RECORD.tsv [DECODE.PTX]` checks and measures, the published kernel too if
//! its PTX is given. README.md says how to read it.
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
#[path = "../../df11-kernels/shim/tests/unit/mod.rs"]
mod unit;

mod contestants;
mod data;
mod report;

use std::process::ExitCode;
use std::sync::Arc;

use df11_cuda::cudarc::driver::{CudaContext, sys};
use df11_cuda::{Device, device_of};

use contestants::Contest;
use report::Report;

type Failure = Box<dyn std::error::Error>;

/// How much is measured.
struct Scale {
    /// Sizes of a tensor, in weights.
    sizes: &'static [usize],
    /// Weights of a sample. A smaller tensor is copied until it has as many, each copy in its own
    /// memory.
    sample: usize,
    /// The number of samples; their median counts.
    samples: usize,
}

const MI: usize = 1 << 20;
/// 40 tensors of 4 Mi weights, as many as one launch takes: 540 MB, which no GPU's cache holds.
const ON_A_DEVICE: Scale =
    Scale { sizes: &[4 * MI, 16 * MI, 64 * MI, 256 * MI, 512 * MI], sample: 160 * MI, samples: 51 };
/// Enough to run every line.
const PLAYED: Scale = Scale { sizes: &[MI / 16, MI / 8], sample: 3 * MI / 16, samples: 2 };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["device"] => {
            Device::open(0).map_err(Failure::from).and_then(|device| described(&device)).map(|text| println!("{text}"))
        }
        ["bench", record] => bench(record, None),
        ["bench", record, ptx] => bench(record, Some(ptx)),
        _ => Err("usage: gpu device | gpu bench RECORD.tsv [DECODE.PTX]".into()),
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

fn bench(record: &str, ptx: Option<&str>) -> Result<(), Failure> {
    // Current on this thread from here on: the calls of cudarc want it.
    let context = CudaContext::new(0)?;
    let device: Arc<Device> = device_of(&context)?;
    let played = is_played(&device);
    let scale = if played { PLAYED } else { ON_A_DEVICE };
    let mut report = Report::new(described(&device)?);
    let contest = Contest::new(&device, ptx)?;
    for &weights in scale.sizes {
        report.add(contest.size(weights, scale.sample, scale.samples)?);
    }
    let (table, tsv, verdict) = (report.to_string(), report.tsv(), report.never_slower_than_published());
    if played {
        let lines = table.lines().count();
        println!(
            "EMULATED: the weights are checked; the times mean nothing: {lines} lines of a table are thrown away, nothing is recorded."
        );
        return Ok(());
    }
    println!("{table}");
    if ptx.is_none() {
        println!("skipped: the published kernel (no PTX given)");
    }
    std::fs::write(record, tsv)?;
    verdict
}
