use df11_core::{Error, bf16};

use super::job::Job;
use super::lane::{GROUP, Lane, MAX_GROUPS};
use super::tables::Tables;
use crate::table::{BITS, TABLE_BITS};

/// Fewest groups of a round: the rounds in which a lane comes to its end.
const MIN_GROUPS: usize = 4;

/// What a level brings.
pub(crate) trait Kernel: Copy {
    /// Whether its stores can bypass the cache.
    const STREAMS: bool;

    /// A round: so many times a group of each lane.
    #[inline(always)]
    fn look_up<const LANES: usize>(self, tables: &Tables<'_>, lanes: &mut [Lane<'_>; LANES], groups: usize) {
        for _ in 0..groups {
            groups_in_turns(tables, lanes);
        }
    }

    /// `weights[i]` from `sign_mantissa[i]` and the i-th exponent from the end. All have the same length.
    ///
    /// `streams`: whole lines of `weights` may bypass the cache.
    fn merge(self, exponents: &[u8], sign_mantissa: &[u8], weights: &mut [bf16], streams: bool);
}

/// Decodes what one 8-byte load of each lane holds.
///
/// Lanes take turns at every look-up: a processor's schedulers hold about 100 instructions that wait, and one lane's look-ups behind the other's would
/// fill them with what waits for long.
#[inline(always)]
fn groups_in_turns<const LANES: usize>(tables: &Tables<'_>, lanes: &mut [Lane<'_>; LANES]) {
    let (entries, counts) = tables.table.rows();
    let mut windows: [u64; LANES] = core::array::from_fn(|lane| lanes[lane].window());
    let mut free: [usize; LANES] = core::array::from_fn(|lane| lanes[lane].free);
    let mut last = [0; LANES];
    for _ in 0..GROUP {
        for (lane, state) in lanes.iter_mut().enumerate() {
            let index = (windows[lane] >> (u64::BITS - TABLE_BITS)) as usize;
            let entry = entries[index];
            if let Some((_, store)) = state.exponents.get_mut(..free[lane]).and_then(<[u8]>::split_last_chunk_mut) {
                *store = entry.to_le_bytes();
            }
            windows[lane] <<= entry & BITS;
            free[lane] -= counts[index] as usize;
            last[lane] = entry;
        }
    }
    for (lane, state) in lanes.iter_mut().enumerate() {
        state.bit += windows[lane].trailing_zeros() as usize;
        state.free = free[lane];
        if last[lane] == 0 {
            state.one_slowly(tables);
        }
    }
}

/// Decodes jobs, as many side by side as there are lanes.
#[inline(always)]
pub(crate) fn run<'a, K: Kernel, const LANES: usize>(
    kernel: K,
    tables: &'a Tables<'_>,
    jobs: &mut dyn Iterator<Item = Job<'a>>,
    streams: bool,
) -> Result<(), Error> {
    let streams = streams && K::STREAMS;
    let mut lanes: [Lane<'a>; LANES] = core::array::from_fn(|_| Lane::idle());
    let mut active = 0;
    for lane in &mut lanes {
        active += usize::from(begin_next(lane, tables, jobs, streams)?);
    }
    while active > 0 {
        let nearest = lanes.iter().filter(|lane| !lane.is_idle()).map(Lane::left).min().unwrap_or(0);
        let groups = (tables.table.look_ups_for(nearest) / GROUP + 1).clamp(MIN_GROUPS, MAX_GROUPS);
        kernel.look_up(tables, &mut lanes, groups);
        for lane in &mut lanes {
            if lane.is_idle() {
                lane.rest();
                continue;
            }
            lane.take(tables, streams, |exponents, sign_mantissa, weights| {
                kernel.merge(exponents, sign_mantissa, weights, streams)
            })?;
            if lane.is_idle() && !begin_next(lane, tables, jobs, streams)? {
                active -= 1;
            }
        }
    }
    Ok(())
}

/// Gives a lane the next job that has weights; `false` if there is none.
fn begin_next<'a>(
    lane: &mut Lane<'a>,
    tables: &'a Tables<'_>,
    jobs: &mut dyn Iterator<Item = Job<'a>>,
    streams: bool,
) -> Result<bool, Error> {
    for job in jobs {
        if job.left > 0 {
            lane.begin(job, tables, streams);
            return Ok(true);
        }
        job.check_end(0, tables.unit)?;
    }
    lane.rest();
    Ok(false)
}
