//! The backend end to end: on a GPU where `DF11_REQUIRE` names `hip`, else on a runtime's library whose devices, of both wavefront sizes, are played on the processor.
//! There every call is made to fail in turn.
//!
//! - [`device`]: what any device must do.
//! - [`played`]: what only a played one can be made to do;
//! - [`survivors`]: what an object does after an error.

#[path = "../../../tests/support/cases.rs"]
#[allow(dead_code)]
mod cases;
#[path = "../../../df11-kernels/shim/tests/lies/mod.rs"]
mod lies;
#[path = "../../../tests/support/random.rs"]
#[allow(dead_code)]
mod random;
#[path = "../../../df11-kernels/shim/tests/unit/mod.rs"]
mod unit;

mod device;
mod played;
mod survivors;

use df11_hip::Device;

fn required() -> bool {
    std::env::var("DF11_REQUIRE").is_ok_and(|names| names.split(',').any(|name| name == "hip"))
}

/// One test for all that can be played, since the library has one state.
#[test]
fn the_backend_end_to_end() {
    if !required() {
        return played::all();
    }
    for ordinal in 0..Device::count().expect("a runtime") {
        device::all(ordinal, &cases::short());
        device::kernels_compiled_at_run_time(ordinal);
    }
}

/// Thirty million weights, apart so that tools that are slow can leave them out.
#[test]
fn large_units_survive_on_a_device() {
    if !required() {
        return println!("skipped: large units on a device (name hip in DF11_REQUIRE where there is one)");
    }
    let short = cases::short().len();
    device::every_case_survives(0, &cases::full()[short..]);
}
