//! The fast and the plain kernel bring back what core's plain decoder brings back: every named case, warps of 32 and of 64 lanes, random order of threads,
//! poisoned memory, guard pages.
#![cfg_attr(df11_no_machine, allow(unused))]

#[path = "../../../tests/support/cases.rs"]
mod cases;
#[path = "../../../tests/support/random.rs"]
mod random;

mod unit;

use unit::Parts;

/// Says aloud that nothing is tested here.
fn skipped() -> bool {
    if !df11_gpu_shim::MACHINE {
        println!("skipped: kernels on the processor (no C++ compiler, or no fibers for this target)");
    }
    !df11_gpu_shim::MACHINE
}

#[cfg(not(df11_no_machine))]
mod on_the_machine {
    use df11_core::bf16;
    use df11_gpu_shim::{Order, Uploaded, decode, plain};

    use super::*;

    fn all(unit: &Uploaded) -> (&Uploaded, std::ops::Range<u64>, std::ops::Range<usize>) {
        (unit, 0..u64::from(unit.unit().weights), 0..unit.unit().blocks as usize)
    }

    fn assert_same(what: &str, expected: &[u16], found: &[bf16]) {
        assert_eq!(expected.len(), found.len(), "{what}");
        if let Some(at) = (0..found.len()).find(|&at| expected[at] != found[at].to_bits()) {
            panic!(
                "{what}: weight {at} of {}: expected {:#06x}, found {:#06x}",
                found.len(),
                expected[at],
                found[at].to_bits()
            );
        }
    }

    #[test]
    fn every_case_survives_the_fast_kernel() {
        if skipped() {
            return;
        }
        for (number, case) in cases::short().iter().enumerate() {
            let parts = Parts::new(&case.weights);
            let unit = parts.unit();
            for warp in [32, 64] {
                // one address in three on a multiple of 16, as allocations are; the others anywhere
                let align = [16, 1, 2][number % 3];
                let uploaded = Uploaded::new(&unit, align);
                let order = Order { warp, seed: number as u64, count: false };
                let outcome = decode(&[all(&uploaded)], 3, align.max(2), order)
                    .unwrap_or_else(|fault| panic!("{}: {}", case.name, fault.0));
                assert_eq!(outcome.status, [0], "{} warp {warp} align {align}", case.name);
                assert_same(&format!("{} warp {warp} align {align}", case.name), &case.weights, &outcome.weights[0]);
            }
        }
    }

    #[test]
    fn every_case_survives_the_plain_kernel() {
        if skipped() {
            return;
        }
        for (number, case) in cases::short().iter().enumerate() {
            let parts = Parts::new(&case.weights);
            let uploaded = Uploaded::new(&parts.unit(), 4);
            let order = Order { warp: [32, 64][number % 2], seed: number as u64, count: false };
            let outcome = plain(&uploaded, order).unwrap_or_else(|fault| panic!("{}: {}", case.name, fault.0));
            assert_same(&case.name, &case.weights, &outcome.weights[0]);
        }
    }
}
