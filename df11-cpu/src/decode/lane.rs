//! A lane is one of several streams decoded side by side. It knows where it reads, what it has
//! decoded, and where that goes.

use df11_core::limits::MAX_CODE_BITS;
use df11_core::{Error, bf16};

use super::exponents::Exponents;
use super::input::Input;
use super::job::Job;
use super::tables::Tables;

/// Weights to prefetch ahead: as many as a round decodes.
const AHEAD_WEIGHTS: usize = 640;
/// Bytes of stream to prefetch ahead, and bytes that a round reads.
const AHEAD_BYTES: usize = 512;
const ROUND_BYTES: usize = 192;

/// A stream on its way through a job.
pub(crate) struct Lane<'a> {
    pub input: Input<'a>,
    pub exponents: Exponents,
    job: Job<'a>,
    /// The next bits of the stream begin no code.
    stuck: bool,
}

impl<'a> Lane<'a> {
    /// A lane without a job.
    pub fn idle() -> Self {
        Self { input: Input::idle(), exponents: Exponents::new(), job: Job::none(), stuck: false }
    }

    /// Begins a job.
    ///
    /// # Errors
    /// The block of the job has no weights, or the stream ends before the block does.
    pub fn begin(&mut self, job: Job<'a>, tables: &'a Tables<'_>, streams: bool) -> Result<(), Error> {
        // `run` never asks a lane with nothing to decode whether its job has ended.
        if job.left == 0 {
            return Err(job.contradicts());
        }
        self.input = Input::new(tables.stream(), job.first_bit, job.bits).ok_or_else(|| job.runs_on(0))?;
        (self.job, self.stuck) = (job, false);
        self.exponents.clear();
        self.job.prefetch(AHEAD_WEIGHTS, streams);
        (0..AHEAD_BYTES).step_by(64).for_each(|byte| self.input.prefetch(byte));
        Ok(())
    }

    /// Drops the job.
    pub fn rest(&mut self) {
        (self.input, self.job, self.stuck) = (Input::idle(), Job::none(), false);
        self.exponents.clear();
    }

    /// Whether the lane has no job.
    pub fn is_idle(&self) -> bool {
        self.job.left == 0
    }

    /// Weights of the job not yet decoded.
    pub fn left(&self) -> usize {
        self.job.left - self.exponents.held()
    }

    /// Decodes one code of any length.
    #[cold]
    #[inline(never)]
    pub fn one_slowly(&mut self, tables: &Tables<'_>) {
        if let Some(exponent) = self.step_over_code(tables) {
            self.exponents.push(exponent);
        }
    }

    /// Steps over one code, at most `MAX_CODE_BITS` bits, and returns its exponent if there is one.
    #[inline(always)]
    pub fn step_over_code(&mut self, tables: &Tables<'_>) -> Option<u8> {
        let Some((exponent, length)) = tables.unit().lookup().find((self.input.window() >> 32) as u32) else {
            self.stuck = true;
            return None;
        };
        self.input.step(length.min(MAX_CODE_BITS) as usize);
        Some(exponent)
    }

    /// The error that codes go on where they should have ended.
    #[cold]
    pub fn runs_on(&self) -> Error {
        self.job.runs_on(self.exponents.held())
    }

    /// Takes what a round decoded, up to the end of a cache line of output. At the end of the job
    /// it takes everything, and checks that the codes end where they should.
    #[inline(always)]
    pub fn take(
        &mut self,
        tables: &Tables<'_>,
        streams: bool,
        merge: impl FnOnce(&[u8], &[u8], &mut [bf16]),
    ) -> Result<(), Error> {
        let held = self.exponents.held();
        if held >= self.job.left {
            let (surplus, taken) = self.exponents.all().split_at(held - self.job.left);
            let lengths = tables.code().lengths();
            let bits =
                |exponents: &[u8]| exponents.iter().map(|&e| usize::from(lengths[usize::from(e)])).sum::<usize>();
            let end = self.input.stepped() - bits(surplus);
            let last = bits(taken.get(..1).unwrap_or_default());
            self.job.take(taken, merge);
            return self.job.check_end(end, last);
        }
        if self.stuck {
            return Err(self.job.no_such_code(held));
        }
        let carry = self.job.beyond_line(held);
        self.job.take(&self.exponents.all()[carry..], merge);
        self.job.prefetch(AHEAD_WEIGHTS, streams);
        (0..ROUND_BYTES).step_by(64).for_each(|byte| self.input.prefetch(AHEAD_BYTES + byte));
        self.exponents.keep(carry);
        Ok(())
    }
}
