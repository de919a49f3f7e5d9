//! The text of the kernel: a file of `vendor/`, then the files of `kernel/`. Each file uses those
//! before it.

macro_rules! source {
    ($vendor:literal) => {
        concat!(
            include_str!(concat!("vendor/", $vendor)),
            include_str!("kernel/job.cuh"),
            include_str!("kernel/lane.cuh"),
            include_str!("kernel/decode.cuh"),
            include_str!("kernel/launch.cuh"),
            include_str!("kernel/plain.cuh"),
            include_str!("kernel/flat.cuh"),
            include_str!("kernel/product.cuh"),
        )
    };
}

/// For NVRTC and nvcc, compute capability 7.5 and later.
pub const CUDA: &str = source!("cuda.h");
/// For hiprtc and hipcc. `-DDF11_WARP=32` or `64` gives the wavefront size of the device.
pub const HIP: &str = source!("hip.h");

/// The CUDA source as PTX of ISA 8.0 for compute capability 7.5. Every driver of CUDA 12 and later
/// compiles it for its device. `ci/gpu/compile_cuda.sh` makes it, and compares it with the source.
pub const PTX_75: &str = include_str!("../ptx/compute_75.ptx");
/// The same for compute capability 8.0 and later.
pub const PTX_80: &str = include_str!("../ptx/compute_80.ptx");

/// The HIP source, compiled.
#[derive(Clone, Copy, Debug)]
pub struct CodeObject {
    /// The instruction set.
    pub target: &'static str,
    /// The number of lanes of a wavefront.
    pub wavefront: u32,
    /// An ELF file. It runs whatever features of the instruction set are switched on.
    pub image: &'static [u8],
}

/// Readers of an ELF file use its tables in place, so the file is aligned as if it were mapped.
#[repr(C, align(4096))]
struct Mapped<T: ?Sized>(T);

macro_rules! code_object {
    ($target:literal, $wavefront:literal) => {{
        const FILE: &Mapped<[u8]> = &Mapped(*include_bytes!(concat!("../hsaco/", $target, ".hsaco")));
        CodeObject { target: $target, wavefront: $wavefront, image: &FILE.0 }
    }};
}

/// Code objects of version 4, which ROCm 5.0 and later load. `ci/gpu/compile_hip.sh` makes them,
/// and compares them with the source.
pub const CODE_OBJECTS: [CodeObject; 4] =
    [code_object!("gfx90a", 64), code_object!("gfx942", 64), code_object!("gfx1030", 32), code_object!("gfx1100", 32)];

/// Entry point: `(Jobs jobs, u32 job_count, u32 blocks, u32 stage_bytes)`.
pub const DECODE: &str = "df11_decode";
/// Entry point: `(Job unit, u64 rows, u32 row_count, u32 row_weights, u32 stage_bytes)`.
pub const GATHER: &str = "df11_gather";
/// Entry point: `(u64 luts, u64 stream, u64 sign_mantissa, u64 positions, u64 gaps, u64 out`,
/// `u32 tables, u32 stream_bytes, u32 weights)`. Takes one thread block per block, and
/// `2052 + 2 * weights of the fullest block` bytes of shared memory.
///
/// It is a reference for measurements: it has no status and checks nothing. It writes the weights
/// of any unit that the plain decoder accepts. For any other unit it touches no other memory, but
/// its weights mean nothing.
pub const PLAIN: &str = "df11_plain";

#[cfg(test)]
mod tests {
    use std::format;
    use std::vec::Vec;

    use super::*;
    use crate::geometry::{STAGE_OFFSET, STAGE_SLACK};
    use crate::jobs::{Job, Jobs, LAUNCH_JOBS, fault};
    use crate::{
        BLOCK_THREADS, FLAT_COUNT, FLAT_EXPAND, FLAT_THREADS, FLAT_WRITE, Flatten, PRODUCT_THREADS, PRODUCTS, Product,
        TABLE_WORDS,
    };

    /// The number that the source defines under this name.
    fn defined(name: &str) -> u32 {
        let line = CUDA.lines().find_map(|line| line.strip_prefix(&format!("#define {name} "))).expect(name);
        line.split([' ', 'u']).next().and_then(|number| number.parse().ok()).expect(line)
    }

    #[test]
    fn both_sides_say_the_same_numbers() {
        assert_eq!(
            [defined("STATUS_STREAM"), defined("STATUS_POSITIONS"), defined("STATUS_ROW")],
            [fault::STREAM, fault::POSITIONS, fault::ROW]
        );
        assert_eq!(defined("LAUNCH_JOBS") as usize, LAUNCH_JOBS);
        assert_eq!(defined("BLOCK_THREADS"), BLOCK_THREADS);
        assert_eq!(defined("BLOCK_CHUNKS") as usize, df11_core::limits::BLOCK_CHUNKS);
        assert_eq!(defined("BLOCK_GAP_BYTES") as usize, df11_core::limits::BLOCK_GAP_BYTES);
        assert_eq!([defined("SHARED_STAGE"), defined("STAGE_SLACK")], [STAGE_OFFSET, STAGE_SLACK]);
        assert_eq!((defined("TABLE_ENTRIES") + 2 * defined("LONG_CODES") + 4) as usize, TABLE_WORDS);
    }

    #[test]
    fn both_sides_say_the_same_numbers_of_products() {
        let here = [FLAT_THREADS, PRODUCT_THREADS, df11_core::limits::GROUP as u32, df11_core::limits::ESCAPE.into()];
        assert_eq!(["ROW_BLOCK_THREADS", "PRODUCT_THREADS", "GROUP", "ESCAPE"].map(defined), here);
        assert_eq!(
            [defined("ROW_LANES"), defined("CHUNK_VALUES")],
            [crate::flat::ROW_LANES, crate::flat::CHUNK_VALUES]
        );
        assert_eq!((size_of::<Product>(), size_of::<Flatten>()), (120, 80));
        // `PRODUCT(name, row, rows, vectors, ...`: the vectors that a kernel takes end its name.
        for name in PRODUCTS {
            let vectors = name.rsplit('_').next().unwrap();
            let row = if name.contains("flat") { "FlatRow" } else { "WordRow" };
            assert!(CUDA.contains(&format!("PRODUCT({name}, {row}, 1, {vectors}, ")), "{name}");
        }
    }

    #[test]
    fn a_launch_fits_the_parameters_of_every_driver() {
        assert_eq!(size_of::<Job>(), 88);
        assert!(size_of::<Jobs>() + 3 * size_of::<u32>() <= 4096);
    }

    #[test]
    fn the_source_needs_no_header() {
        let includes = |source: &str| source.lines().filter(|line| line.starts_with("#include")).count();
        assert_eq!([includes(CUDA), includes(HIP)], [0, 0]);
        let names = [DECODE, GATHER, PLAIN, FLAT_COUNT, FLAT_WRITE, FLAT_EXPAND];
        let entries: Vec<&str> = names.into_iter().filter(|name| CUDA.contains(&format!(", {name})("))).collect();
        assert_eq!(entries, names);
    }
}
