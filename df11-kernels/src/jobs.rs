//! The parameters of a launch, as `kernel/job.cuh` declares them.

use core::fmt;
use core::ops::Range;

use df11_core::Unit;

/// Most jobs of one launch. They are its parameters, of which every driver takes 4 KiB.
pub const LAUNCH_JOBS: usize = 40;

/// Bits of a job's status word, which is 0 if all is well.
pub mod fault {
    /// The stream contradicts gaps or output positions, or holds no code.
    pub const STREAM: u32 = 1;
    /// Output positions fall, pass the end, give a block more weights than the launch was prepared
    /// for, or give the window to other blocks than the job's.
    pub const POSITIONS: u32 = 2;
    /// A row to gather is not in the matrix.
    pub const ROW: u32 = 4;
}

/// Where a unit is in device memory. Each address is that of a byte-for-byte copy of the array of
/// that name.
///
/// Any address works. It is fast if `stream` and `sign_mantissa` are multiples of 8 and, for a
/// window whose first weight has a number that is a multiple of 8, if its output is at a multiple
/// of 16. Allocations have such addresses.
#[derive(Clone, Copy, Debug)]
pub struct DeviceUnit {
    /// `encoded_exponent`.
    pub stream: u64,
    /// `sign_mantissa`.
    pub sign_mantissa: u64,
    /// `gaps`.
    pub gaps: u64,
    /// `output_positions`.
    pub positions: u64,
    /// The words of `Tables`, at a multiple of 16.
    pub tables: u64,
    /// The number of bytes of the stream.
    pub stream_bytes: u32,
    /// The number of weights of the unit.
    pub weights: u32,
    /// The number of blocks of the unit.
    pub blocks: u32,
}

impl DeviceUnit {
    /// A unit whose arrays are at these addresses.
    pub fn new(unit: &Unit<'_>, stream: u64, sign_mantissa: u64, gaps: u64, positions: u64, tables: u64) -> Self {
        // Proof of the casts: validation bounds the stream by 2^31 bytes and the weights by 2^32 -
        // 1.
        let (stream_bytes, weights) = (unit.view().encoded_exponent.len() as u32, unit.weights() as u32);
        Self { stream, sign_mantissa, gaps, positions, tables, stream_bytes, weights, blocks: unit.blocks() as u32 }
    }
}

/// A window of a unit's weights, and where it goes. Blocks and weights never fall, and are those of
/// the unit.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Job {
    stream: u64,
    sign_mantissa: u64,
    gaps: u64,
    positions: u64,
    tables: u64,
    out: u64,
    status: u64,
    stream_bytes: u32,
    weights: u32,
    blocks: u32,
    first: u32,
    end: u32,
    first_block: u32,
    end_block: u32,
    launch_block: u32,
}

impl Job {
    /// Fills the unused places of a launch.
    const NONE: Self = Self {
        stream: 0,
        sign_mantissa: 0,
        gaps: 0,
        positions: 0,
        tables: 0,
        out: 0,
        status: 0,
        stream_bytes: 0,
        weights: 0,
        blocks: 0,
        first: 0,
        end: 0,
        first_block: 0,
        end_block: 0,
        launch_block: 0,
    };

    /// Decodes all weights of `unit` to the BF16 words at `out` (a multiple of 2). Reports faults
    /// to the u32 at `status` (a multiple of 4), which the caller has set to 0.
    ///
    /// # Panics
    /// If `unit` has weights and no blocks. `DeviceUnit::new` makes none like that.
    pub fn all(unit: &DeviceUnit, out: u64, status: u64) -> Self {
        Self::window(unit, 0..u64::from(unit.weights), 0..unit.blocks as usize, out, status)
    }

    /// Decodes only `weights`, whose codes start in `blocks`. `Unit::blocks_of` gives and checks
    /// these blocks. If the codes start in others, the status becomes `fault::POSITIONS`.
    ///
    /// # Panics
    /// If `weights` or `blocks` are outside the unit or end before they start; if there are weights
    /// and no blocks.
    pub fn window(unit: &DeviceUnit, weights: Range<u64>, blocks: Range<usize>, out: u64, status: u64) -> Self {
        assert!(
            weights.start <= weights.end && weights.end <= u64::from(unit.weights),
            "weights {weights:?} of a unit of {}",
            unit.weights
        );
        assert!(
            blocks.start <= blocks.end && blocks.end <= unit.blocks as usize,
            "blocks {blocks:?} of a unit of {}",
            unit.blocks
        );
        assert!(weights.is_empty() || !blocks.is_empty(), "weights {weights:?} of no block");
        let blocks = if weights.is_empty() { 0..0 } else { blocks };
        let DeviceUnit {
            stream,
            sign_mantissa,
            gaps,
            positions,
            tables,
            stream_bytes,
            weights: of_unit,
            blocks: unit_blocks,
        } = *unit;
        Self {
            stream,
            sign_mantissa,
            gaps,
            positions,
            tables,
            out,
            status,
            stream_bytes,
            weights: of_unit,
            blocks: unit_blocks,
            first: weights.start as u32,
            end: weights.end as u32,
            first_block: blocks.start as u32,
            end_block: blocks.end as u32,
            launch_block: 0,
        }
    }

    /// The number of thread blocks that the job can keep busy: 0 without weights.
    pub fn blocks(&self) -> u32 {
        self.end_block - self.first_block
    }
}

/// The jobs of one launch, in the order of their blocks.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Jobs {
    jobs: [Job; LAUNCH_JOBS],
}

/// More jobs than a launch carries, or none. A launch takes 1 to `LAUNCH_JOBS` jobs, each with a
/// window of at least one weight, and fewer than 2^32 blocks in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyJobs {
    /// The number of jobs asked for that have a block to decode.
    pub found: usize,
}

impl fmt::Display for TooManyJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a launch takes 1 to {LAUNCH_JOBS} jobs with weights, found {}: split the batch", self.found)
    }
}

impl core::error::Error for TooManyJobs {}

impl Jobs {
    /// Returns the jobs, their number, and the number of their blocks.
    ///
    /// # Errors
    /// `TooManyJobs`. It counts the jobs that have blocks; the others are left out.
    pub fn new(jobs: &[Job]) -> Result<(Self, u32, u32), TooManyJobs> {
        let found = jobs.iter().filter(|job| job.blocks() > 0).count();
        if !(1..=LAUNCH_JOBS).contains(&found) {
            return Err(TooManyJobs { found });
        }
        let mut all = Self { jobs: [Job::NONE; LAUNCH_JOBS] };
        let mut blocks = 0u32;
        for (place, job) in all.jobs.iter_mut().zip(jobs.iter().filter(|job| job.blocks() > 0)) {
            *place = Job { launch_block: blocks, ..*job };
            blocks = blocks.checked_add(job.blocks()).ok_or(TooManyJobs { found })?;
        }
        Ok((all, found as u32, blocks))
    }
}
