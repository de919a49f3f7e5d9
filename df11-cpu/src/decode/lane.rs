//! One of several streams that are decoded side by side: where it reads, what it has decoded, where that goes.

use df11_core::{Error, bf16};

use super::job::Job;
use super::tables::Tables;
use crate::table::{self, EXPONENTS_SHIFT, MAX_ENTRY_CODES, TABLE_BITS, Table};

/// Look-ups from one 8-byte load.
pub(crate) const GROUP: usize = 5;
/// Most groups of a round.
pub(crate) const MAX_GROUPS: usize = 32;
/// Most codes of a group: those of its look-ups and one decoded slowly.
const GROUP_CODES: usize = GROUP * MAX_ENTRY_CODES + 1;
/// Bytes that the stores of a group may touch.
const GROUP_REACH: usize = 40;
/// Room for the exponents of a round.
const HELD: usize = MAX_GROUPS * GROUP_CODES + GROUP_REACH;

/// Most bits that a group steps over.
const GROUP_BITS: usize = GROUP * TABLE_BITS as usize + 32;
/// Bytes behind the bit that a round begins at, at most, which it may read.
pub(crate) const ROUND_REACH: usize = (MAX_GROUPS * GROUP_BITS).div_ceil(8) + 8;

const _: () = {
    assert!(GROUP * TABLE_BITS as usize + 7 <= 64, "the look-ups of a group find their bits in one load");
    assert!(GROUP_CODES <= 32 && 31 + 8 < GROUP_REACH, "stores of a group stay within its reach");
    assert!(GROUP * TABLE_BITS as usize <= 0xFF, "the bits of a group do not reach the number of its codes");
};

/// A stream on its way through a job.
pub(crate) struct Lane<'a> {
    /// The stream from the byte where the job begins, and `ROUND_REACH` bytes at least behind `bound`.
    input: &'a [u8],
    /// The next bit of `input`.
    bit: usize,
    /// Where the job's codes end at the latest: no round begins behind it.
    bound: usize,
    job: Job<'a>,
    /// Exponents decoded and not yet taken.
    held: usize,
    exponents: [u8; HELD],
    /// The stream goes on with bits that no code begins with.
    stuck: bool,
}

/// Enough zeros for lanes without a job to read.
static IDLE: [u8; ROUND_REACH] = [0; ROUND_REACH];

impl<'a> Lane<'a> {
    /// A lane without a job.
    pub fn idle() -> Self {
        Self { input: &IDLE, bit: 0, bound: 0, job: Job::none(), held: 0, exponents: [0; HELD], stuck: false }
    }

    /// Takes a job.
    pub fn begin(&mut self, job: Job<'a>, tables: &'a Tables<'_>) {
        let (input, bit) = tables.input_at(job.first_bit);
        (self.input, self.bit, self.bound) = (input, bit, bit + job.bits);
        (self.job, self.held, self.stuck) = (job, 0, false);
    }

    /// Forgets its job.
    pub fn rest(&mut self) {
        (self.input, self.bit, self.bound) = (&IDLE, 0, 0);
        (self.job, self.held, self.stuck) = (Job::none(), 0, false);
    }

    /// Weights of the job still to be decoded; 0 without a job.
    pub fn left(&self) -> usize {
        self.job.left
    }

    /// Decodes what one 8-byte load holds.
    #[inline(always)]
    pub fn group(&mut self, table: &Table, tables: &Tables<'_>) {
        let Some(load) = self.input.get(self.bit / 8..).and_then(<[u8]>::first_chunk) else { return };
        let mut window = u64::from_be_bytes(*load) << (self.bit % 8);
        let Some(reach) = self.exponents[self.held..].first_chunk_mut::<GROUP_REACH>() else { return };
        let (mut sum, mut entry) = (0u64, 0);
        for _ in 0..GROUP {
            entry = table.look_up(window);
            let at = table::codes(sum) & 31;
            reach[at..at + 8].copy_from_slice(&(entry >> EXPONENTS_SHIFT).to_le_bytes());
            window <<= entry & 63;
            sum = sum.wrapping_add(entry);
        }
        self.bit += table::bits(sum);
        self.held += table::codes(sum);
        if entry == 0 {
            self.one_slowly(tables);
        }
    }

    /// Decodes one code of any length.
    #[cold]
    #[inline(never)]
    fn one_slowly(&mut self, tables: &Tables<'_>) {
        let load = self.input.get(self.bit / 8..).and_then(<[u8]>::first_chunk);
        let window = load.map_or(0, |&load| u64::from_be_bytes(load) << (self.bit % 8));
        match tables.unit.lookup().find((window >> 32) as u32) {
            Some((exponent, length)) => {
                self.exponents[self.held] = exponent;
                self.held += 1;
                self.bit += length as usize;
            }
            None => self.stuck = true,
        }
    }

    /// Takes what a round decoded. At the job's end, checks that its codes end where they should.
    #[inline(always)]
    pub fn take(&mut self, tables: &Tables<'_>, merge: impl FnOnce(&[u8], &[u8], &mut [bf16])) -> Result<(), Error> {
        let (taken, surplus) = self.exponents[..self.held].split_at(self.held.min(self.job.left));
        self.job.take(taken, merge);
        if self.job.left == 0 {
            let lengths = tables.unit.code().lengths();
            let surplus_bits: usize = surplus.iter().map(|&exponent| usize::from(lengths[usize::from(exponent)])).sum();
            let bits = (self.bit - surplus_bits) as u64 - self.job.first_bit % 8;
            return self.job.check_end(bits, tables.unit);
        }
        self.held = 0;
        if self.stuck {
            return Err(self.job.no_such_code());
        }
        if self.bit > self.bound {
            return Err(self.job.runs_on());
        }
        Ok(())
    }
}
