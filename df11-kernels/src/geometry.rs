//! The size of a launch.

use df11_core::Unit;
use df11_core::limits::{BLOCK_CHUNKS, MAX_BLOCK_WEIGHTS};

use crate::tables::TABLE_WORDS;

/// Threads of a thread block: one per two chunks.
pub const BLOCK_THREADS: u32 = BLOCK_CHUNKS as u32 / 2;
/// Threads of a thread block of the plain kernel: one per chunk.
pub const PLAIN_THREADS: u32 = BLOCK_CHUNKS as u32;
/// Where the stage begins in shared memory: after the tables, one word per warp for counts, and one
/// for first exponents (`SHARED_STAGE`).
pub(crate) const STAGE_OFFSET: u32 = 10_496;
/// What the stage holds besides the exponents of a block: up to 127 bytes before them, and a last
/// word that is written whole (`STAGE_SLACK`).
pub(crate) const STAGE_SLACK: u32 = 136;

// Every GPU gives 48 KiB by default. Any unit fits, 1-bit codes included.
const _: () = assert!(STAGE_OFFSET + MAX_BLOCK_WEIGHTS as u32 + STAGE_SLACK <= 48 * 1024);
const _: () = assert!(STAGE_OFFSET >= 4 * TABLE_WORDS as u32 + 2 * 64 && STAGE_OFFSET.is_multiple_of(128));

/// The number of weights in the fullest block of a unit.
pub fn fullest_block(unit: &Unit<'_>) -> u32 {
    let held = |block| unit.block(block).weights.end - unit.block(block).weights.start;
    // Proof of the cast: validation bounds the weights of a block by its bits, 32768.
    (0..unit.blocks()).map(held).max().unwrap_or(0) as u32
}

/// Shared memory that a unit needs for the exponents of its fullest block. A launch takes the
/// largest of its units' stages.
///
/// # Panics
/// If `fullest_block` is more than the 32,768 weights that a block can hold (`MAX_BLOCK_WEIGHTS`).
pub fn stage_bytes(fullest_block: u32) -> u32 {
    assert!(
        fullest_block as usize <= MAX_BLOCK_WEIGHTS,
        "{fullest_block} weights in a block, which can hold {MAX_BLOCK_WEIGHTS}"
    );
    (fullest_block + STAGE_SLACK).next_multiple_of(16)
}

/// A launch of the decoding kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The number of thread blocks, of `BLOCK_THREADS` threads each.
    pub grid: u32,
    /// Bytes of dynamic shared memory per thread block.
    pub shared_bytes: u32,
}

impl Geometry {
    /// The launch that decodes `blocks` blocks on a device that holds `resident` thread blocks of
    /// `shared_bytes(stage)` at a time. It starts no more thread blocks than that; each takes
    /// several blocks in turn.
    pub fn new(blocks: u32, stage_bytes: u32, resident: u32) -> Self {
        Self { grid: blocks.min(resident.max(1)), shared_bytes: Self::shared_bytes(stage_bytes) }
    }

    /// Bytes of dynamic shared memory of a thread block with such a stage. Never less than a block
    /// without weights needs, because its thread 0 still writes a word. Never more than `u32::MAX`,
    /// which no driver gives.
    pub fn shared_bytes(stage_bytes: u32) -> u32 {
        STAGE_OFFSET.saturating_add(stage_bytes.max(STAGE_SLACK))
    }
}
