//! The backends end to end, a line a vendor: on a GPU where `DF11_REQUIRE` names the vendor's
//! backend, else on a driver's library whose devices are played on the processor. There every call
//! is made to fail in turn.
//!
//! - [`device`]: what any device must do.
//! - [`played`]: what only a played one can be made to do;
//! - [`survivors`]: what an object does after an error;
//! - [`cuda`], [`hip`]: what is the vendor's alone.

#[path = "../../../../tests/support/cases.rs"]
#[allow(dead_code)]
mod cases;
#[path = "../../../../df11-kernels/shim/tests/lies/mod.rs"]
mod lies;
#[path = "../../../../df11-cuda/examples/cuda_on_your_stream.rs"]
#[allow(dead_code, reason = "its main")]
mod on_your_stream;
#[path = "../../../../tests/support/products.rs"]
#[allow(dead_code)]
mod products;
#[path = "../../../../tests/support/random.rs"]
#[allow(dead_code)]
mod random;
#[path = "../../../../df11-kernels/shim/tests/unit/mod.rs"]
mod unit;

mod cuda;
mod device;
mod graph;
mod hip;
mod library;
mod played;
mod rig;
mod subject;
mod survivors;

use df11_gpu::Device;

use subject::Subject;

fn required<S: Subject>() -> bool {
    std::env::var("DF11_REQUIRE").is_ok_and(|names| names.split(',').any(|name| name == S::BACKEND))
}

/// One test for all of a vendor that can be played, since its library has one state.
fn end_to_end<S: Subject>() {
    if !required::<S>() {
        return played::all::<S>();
    }
    for ordinal in 0..Device::<S>::count().expect("a driver") {
        device::all::<S>(ordinal, &cases::short());
    }
}

/// Thirty million weights, apart so that tools that are slow can leave them out.
fn large_units<S: Subject>() {
    if !required::<S>() {
        return println!("skipped: large units on a device (name {} in DF11_REQUIRE where there is one)", S::BACKEND);
    }
    device::every_case_survives(&rig::Rig::<S>::open(0), &cases::full()[cases::short().len()..]);
}

#[test]
fn cuda_end_to_end() {
    end_to_end::<df11_cuda::Cuda>();
}

#[test]
fn cuda_large_units_survive() {
    large_units::<df11_cuda::Cuda>();
}

#[test]
fn hip_end_to_end() {
    end_to_end::<df11_hip::Hip>();
}

#[test]
fn hip_large_units_survive() {
    large_units::<df11_hip::Hip>();
}
