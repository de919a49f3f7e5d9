//! The kernel's text: the files of `kernel/` behind one of `vendor/`, in the order in which they build on each other.

macro_rules! source {
    ($vendor:literal) => {
        concat!(
            include_str!(concat!("vendor/", $vendor)),
            include_str!("kernel/job.cuh"),
            include_str!("kernel/lane.cuh"),
            include_str!("kernel/decode.cuh"),
            include_str!("kernel/launch.cuh"),
            include_str!("kernel/plain.cuh"),
        )
    };
}

/// For NVRTC and nvcc, compute capability 7.5 and later.
pub const CUDA: &str = source!("cuda.h");
/// For hiprtc and hipcc; `-DDF11_WARP=32` or `64`, the wavefront size of the device.
pub const HIP: &str = source!("hip.h");

/// Entry point: `(Jobs jobs, u32 job_count, u32 blocks, u32 stage_bytes)`.
pub const DECODE: &str = "df11_decode";
/// Entry point: `(Job unit, u64 rows, u32 row_count, u32 row_weights, u32 stage_bytes)`.
pub const GATHER: &str = "df11_gather";
/// Entry point: `(u64 luts, u64 stream, u64 sign_mantissa, u64 positions, u64 gaps, u64 out, u32 tables, u32 stream_bytes, u32 weights)`; one thread
/// block a block, `2052 + 2 * weights of the fullest block` bytes of shared memory.
pub const PLAIN: &str = "df11_plain";
