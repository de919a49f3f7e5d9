//! One of several streams that are decoded side by side: where it reads, what it has decoded, where that goes.
//!
//! ```text
//! exponents:   0 ... | next entry's 8 bytes | 5th 4th 3rd 2nd 1st |
//!                                           ^ free               ^ TOP        decoded downwards
//! ```

use df11_core::{Error, bf16};

use super::job::Job;
use super::tables::Tables;
use crate::memory::prefetch;
use crate::table::{MAX_ENTRY_CODES, TABLE_BITS};

/// Look-ups from one 8-byte load.
pub(crate) const GROUP: usize = 5;
/// Most groups of a round.
pub(crate) const MAX_GROUPS: usize = 32;
/// Most codes of a group: those of its look-ups and one decoded slowly.
const GROUP_CODES: usize = GROUP * MAX_ENTRY_CODES + 1;
/// Weights of a cache line: rounds end at one, and so do the stores that bypass the cache.
pub(crate) const LINE: usize = 32;

/// Bytes below the last exponent: what the store of an entry touches, and what a vector may load.
const BELOW: usize = 64;
/// Where exponents begin, downwards: room for a round's, and for fewer than a line's from the one before.
const TOP: usize = BELOW + MAX_GROUPS * GROUP_CODES + LINE;

/// Most bits that a group steps over.
const GROUP_BITS: usize = GROUP * TABLE_BITS as usize + 32;
/// Bytes behind the bit that a round begins at, at most, which it may read.
pub(crate) const ROUND_REACH: usize = (MAX_GROUPS * GROUP_BITS).div_ceil(8) + 16;

const _: () = assert!(
    GROUP * TABLE_BITS as usize + 8 <= 64,
    "a group's look-ups find their bits in one load, the marker below them"
);

/// Weights for which memory is asked ahead: those of a round.
const AHEAD_WEIGHTS: usize = 640;
/// Bytes of stream asked for ahead, and as many as a round reads.
const AHEAD_BYTES: usize = 512;
const ROUND_BYTES: usize = 192;

/// A stream on its way through a job.
pub(crate) struct Lane<'a> {
    /// The stream from the byte where the job begins, and `ROUND_REACH` bytes at least behind `bound`.
    pub input: &'a [u8],
    /// The next bit of `input`.
    pub bit: usize,
    /// One behind where the next exponent goes.
    pub free: usize,
    /// Exponents, the last one decoded first, from `free` to `TOP`.
    pub exponents: [u8; TOP],
    /// Where the job's codes end at the latest: no round begins behind it.
    bound: usize,
    job: Job<'a>,
    /// The stream goes on with bits that no code begins with.
    pub stuck: bool,
}

/// Enough zeros for lanes without a job to read.
static IDLE: [u8; ROUND_REACH] = [0; ROUND_REACH];

impl<'a> Lane<'a> {
    /// A lane without a job.
    pub fn idle() -> Self {
        Self { input: &IDLE, bit: 0, free: TOP, exponents: [0; TOP], bound: 0, job: Job::none(), stuck: false }
    }

    /// Takes a job.
    pub fn begin(&mut self, job: Job<'a>, tables: &'a Tables<'_>, streams: bool) {
        let (input, bit) = tables.input_at(job.first_bit);
        (self.input, self.bit, self.bound) = (input, bit, bit + job.bits);
        (self.job, self.free, self.stuck) = (job, TOP, false);
        self.job.prefetch(AHEAD_WEIGHTS, streams);
        (0..AHEAD_BYTES).step_by(64).for_each(|byte| prefetch(self.input, byte));
    }

    /// Forgets its job.
    pub fn rest(&mut self) {
        (self.input, self.bit, self.bound) = (&IDLE, 0, 0);
        (self.job, self.free, self.stuck) = (Job::none(), TOP, false);
    }

    /// Whether it has no job.
    pub fn is_idle(&self) -> bool {
        self.job.left == 0
    }

    /// Weights of the job still to be decoded.
    pub fn left(&self) -> usize {
        self.job.left - (TOP - self.free)
    }

    /// The next bits, and below them, where no look-up of a group reaches, a bit that tells how far they are shifted later.
    #[inline(always)]
    pub fn window(&self) -> u64 {
        let load = self.input.get(self.bit / 8..).and_then(<[u8]>::first_chunk);
        load.map_or(0, |&load| u64::from_be_bytes(load)) << (self.bit % 8) | 1
    }

    /// Decodes one code of any length.
    #[cold]
    #[inline(never)]
    pub fn one_slowly(&mut self, tables: &Tables<'_>) {
        match tables.unit.lookup().find((self.window() >> 32) as u32) {
            Some((exponent, length)) => {
                self.free -= 1;
                self.exponents[self.free] = exponent;
                self.bit += length as usize;
            }
            None => self.stuck = true,
        }
    }

    /// Takes what a round decoded, up to the end of a line of the output. At the job's end, takes all, and checks that its codes end where they should.
    #[inline(always)]
    pub fn take(
        &mut self,
        tables: &Tables<'_>,
        streams: bool,
        merge: impl FnOnce(&[u8], &[u8], &mut [bf16]),
    ) -> Result<(), Error> {
        let held = TOP - self.free;
        if held >= self.job.left {
            let (surplus, taken) = self.exponents[self.free..].split_at(held - self.job.left);
            self.job.take(taken, merge);
            let lengths = tables.unit.code().lengths();
            let surplus_bits: usize = surplus.iter().map(|&exponent| usize::from(lengths[usize::from(exponent)])).sum();
            let bits = (self.bit - surplus_bits) as u64 - self.job.first_bit % 8;
            return self.job.check_end(bits, tables.unit);
        }
        if self.stuck {
            return Err(self.job.no_such_code(held));
        }
        if self.bit > self.bound {
            return Err(self.job.runs_on(held));
        }
        let carry = self.job.beyond_line(held);
        self.job.take(&self.exponents[self.free + carry..], merge);
        self.job.prefetch(AHEAD_WEIGHTS, streams);
        (0..ROUND_BYTES).step_by(64).for_each(|byte| prefetch(self.input, self.bit / 8 + AHEAD_BYTES + byte));
        // A whole line, of which `carry` count: of a size that is known, a copy is one vector, and else a call.
        let end = self.free + carry;
        self.exponents.copy_within(end - LINE..end, TOP - LINE);
        self.free = TOP - carry;
        Ok(())
    }
}
