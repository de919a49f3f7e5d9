//! What a test says where kernels cannot run on the processor.

/// Says aloud that nothing is tested here.
pub fn skipped() -> bool {
    if !df11_gpu_shim::MACHINE {
        println!("skipped: kernels on the processor (no C++ compiler, or no fibers for this target)");
    }
    !df11_gpu_shim::MACHINE
}
