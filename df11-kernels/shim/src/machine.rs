//! `machine::launch` of `cpp/machine.h`, in Rust.

use std::ffi::c_void;

use df11_kernels::{BLOCK_THREADS, PLAIN_THREADS, PRODUCT_THREADS};

/// The header that the kernels are compiled through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// `vendor/host.h`: every access is checked and, if asked for, counted.
    Host,
    /// `vendor/hip.h`, with AMD's instructions played: neither checked nor counted.
    Hip,
}

/// How a launch is run.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Which header the kernels are compiled through.
    pub vendor: Vendor,
    /// Lanes of a warp: 32 or 64.
    pub warp: u32,
    /// Decides which thread runs when, and what shared memory holds at first.
    pub seed: u64,
    /// Whether to count.
    pub count: bool,
}

/// The counts at one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The site's name in the source.
    pub name: String,
    /// What is done there: `shared_load`, `shared_store`, `global_load`, `global_store`, `region`.
    pub kind: &'static str,
    /// Warp instructions. For a region, how often a warp runs it.
    pub warp_instructions: u64,
    /// Wavefronts.
    pub wavefronts: u64,
    /// Sectors of 32 bytes.
    pub sectors: u64,
}

/// The counts of a launch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The counts by site. Empty if not counted.
    pub sites: Vec<Count>,
    /// The number of barriers of all thread blocks.
    pub barriers: u64,
    /// The number of warp operations that move values.
    pub shuffles: u64,
}

/// The launch broke a rule of `cpp/machine.h`. A GPU would not have reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

/// The kernels, numbered as in `cpp/kernels.cpp`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kernel {
    Decode = 0,
    Gather = 1,
    Plain = 2,
    FlatExpand = 3,
    FlatCount = 4,
    FlatWrite = 5,
    /// The first of `PRODUCTS`, which follow one another.
    Products = 6,
}

type Entry = unsafe extern "C" fn(*const c_void);

#[repr(C)]
struct RawCount {
    name: [u8; 32],
    space: u32,
    reserved: u32,
    warp_instructions: u64,
    wavefronts: u64,
    sectors: u64,
}

#[repr(C)]
struct RawLaunch {
    kernel: Option<Entry>,
    arguments: *const c_void,
    grid: u32,
    threads: u32,
    shared_bytes: u32,
    warp: u32,
    seed: u64,
    counts: *mut RawCount,
    most_counts: u32,
    found_counts: u32,
    barriers: u64,
    shuffles: u64,
    message: [u8; 256],
}

unsafe extern "C" {
    fn df11_shim_kernel_32(number: u32) -> Option<Entry>;
    fn df11_shim_kernel_64(number: u32) -> Option<Entry>;
    fn df11_shim_kernel_hip_32(number: u32) -> Option<Entry>;
    fn df11_shim_kernel_hip_64(number: u32) -> Option<Entry>;
    fn df11_shim_fault(number: u32) -> Option<Entry>;
    fn df11_shim_pattern(number: u32) -> Option<Entry>;
    fn df11_shim_launch(launch: *mut RawLaunch) -> bool;
}

const KINDS: [&str; 5] = ["shared_load", "shared_store", "global_load", "global_store", "region"];
const MOST_SITES: usize = 128;
/// Most shared memory of a launch (`played_lds` in `cpp/hip_on_host.h`).
const MOST_SHARED_BYTES: u32 = 64 << 10;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or(&[])).into_owned()
}

/// Kernels with one mistake each, by number from 0, and what the machine must say of each.
pub const MISTAKES: [&str; 7] = [
    "with no barrier between",
    "not every thread comes to the same place",
    "threads wait at different barriers",
    "are at different operations",
    "of 256, at past",
    "of 256, at askew",
    "a loop without end",
];

/// Runs the kernel with mistake `number`.
///
/// # Errors
/// `Fault`, as it should.
pub fn mistake(number: u32, seed: u64) -> Result<Counts, Fault> {
    // SAFETY: the function reads nothing but its number.
    let entry = unsafe { df11_shim_fault(number) };
    run(entry, &(), BLOCK_THREADS, 1, 256, Order { vendor: Vendor::Host, warp: 32, seed, count: false })
}

/// Accesses of one warp, and what they cost by the rules of `cpp/machine.h`: wavefronts and, for
/// global memory, sectors.
pub const PATTERNS: [(&str, u64, u64); 12] = [
    ("a row of shared words", 1, 0),
    ("one shared word for all lanes", 1, 0),
    ("every second shared word", 2, 0),
    ("32 words of one bank", 32, 0),
    ("a row of shared bytes", 1, 0),
    ("a row of 8 shared bytes a lane", 2, 0),
    ("a row of 16 shared bytes a lane", 4, 0),
    ("every second word of a row by half of the lanes", 1, 0),
    ("a line of global memory", 1, 4),
    ("the same from its second word on", 2, 5),
    ("two bytes of every second line", 32, 32),
    ("a row of 16 global bytes a lane", 4, 16),
];

/// Counts the pattern of this number.
///
/// # Errors
/// `Fault`.
pub fn pattern(number: u32) -> Result<Counts, Fault> {
    const SHARED_BYTES: u32 = 8192;
    // SAFETY: the function reads nothing but its number.
    let entry = unsafe { df11_shim_pattern(number) };
    run(entry, &(), 32, 1, SHARED_BYTES, Order { vendor: Vendor::Host, warp: 32, seed: 1, count: true })
}

/// Runs a kernel. `arguments` is its structure in `cpp/kernels.cpp`, with addresses in this
/// process's memory.
pub(crate) fn launch<T>(
    kernel: Kernel,
    arguments: &T,
    grid: u32,
    shared_bytes: u32,
    order: Order,
) -> Result<Counts, Fault> {
    let threads = if matches!(kernel, Kernel::Plain) { PLAIN_THREADS } else { BLOCK_THREADS };
    launch_number(kernel as u32, arguments, threads, grid, shared_bytes, order)
}

/// As `launch`, for the product of this number among `PRODUCTS`.
pub(crate) fn launch_product<T>(
    product: usize,
    arguments: &T,
    grid: u32,
    shared_bytes: u32,
    order: Order,
) -> Result<Counts, Fault> {
    launch_number(Kernel::Products as u32 + product as u32, arguments, PRODUCT_THREADS, grid, shared_bytes, order)
}

fn launch_number<T>(
    number: u32,
    arguments: &T,
    threads: u32,
    grid: u32,
    shared_bytes: u32,
    order: Order,
) -> Result<Counts, Fault> {
    // SAFETY: the functions read nothing but their number.
    let entry = unsafe {
        match (order.vendor, order.warp) {
            (Vendor::Host, 32) => df11_shim_kernel_32(number),
            (Vendor::Host, 64) => df11_shim_kernel_64(number),
            (Vendor::Hip, 32) => df11_shim_kernel_hip_32(number),
            (Vendor::Hip, 64) => df11_shim_kernel_hip_64(number),
            (_, warp) => return Err(Fault(format!("warps of {warp} lanes, only 32 and 64 are built"))),
        }
    };
    run(entry, arguments, threads, grid, shared_bytes, order)
}

fn run<T>(
    entry: Option<Entry>,
    arguments: &T,
    threads: u32,
    grid: u32,
    shared_bytes: u32,
    order: Order,
) -> Result<Counts, Fault> {
    if shared_bytes > MOST_SHARED_BYTES {
        return Err(Fault(format!("{shared_bytes} bytes of shared memory asked for, there are {MOST_SHARED_BYTES}")));
    }
    let mut raw: Vec<RawCount> = Vec::with_capacity(if order.count { MOST_SITES } else { 0 });
    let mut launch = RawLaunch {
        kernel: entry,
        arguments: std::ptr::from_ref(arguments).cast(),
        grid,
        threads,
        shared_bytes,
        warp: order.warp,
        seed: order.seed,
        counts: if order.count { raw.as_mut_ptr() } else { std::ptr::null_mut() },
        most_counts: MOST_SITES as u32,
        found_counts: 0,
        barriers: 0,
        shuffles: 0,
        message: [0; 256],
    };
    // SAFETY: the kernel's arguments have the type that its number stands for (the callers in device.rs and
    // flat.rs see to it; mistakes and patterns read no arguments). What they point to is memory
    // that the callers borrow. `counts` has room for `most_counts`.
    let ended_well = unsafe { df11_shim_launch(&mut launch) };
    if !ended_well {
        return Err(Fault(text(&launch.message)));
    }
    // SAFETY: the launch wrote `found_counts` counts, no more than there is room for.
    unsafe { raw.set_len(if order.count { launch.found_counts as usize } else { 0 }) };
    let sites = raw.iter().map(|count| Count {
        name: text(&count.name),
        kind: KINDS[count.space as usize],
        warp_instructions: count.warp_instructions,
        wavefronts: count.wavefronts,
        sectors: count.sectors,
    });
    Ok(Counts { sites: sites.collect(), barriers: launch.barriers, shuffles: launch.shuffles })
}
