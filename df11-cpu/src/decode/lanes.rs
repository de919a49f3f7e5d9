use df11_core::{Error, bf16};

use super::job::Job;
use super::lane::Lane;
use super::round::Round;
use super::sizes::GROUP;
use super::tables::Tables;
use crate::table::{BITS, TABLE_BITS};

/// What a level implements to decode.
pub(crate) trait Kernel: Copy {
    /// Whether the level's stores can bypass the cache.
    const STREAMS: bool;

    /// Decodes a round: the round's number of groups, each of all lanes.
    #[inline(always)]
    fn look_up<const LANES: usize>(self, round: Round<'_, '_, '_, LANES>) {
        let (tables, lanes, groups) = round.into_parts();
        for _ in 0..groups {
            groups_in_turns(tables, lanes);
        }
    }

    /// Writes `weights[i]` from `sign_mantissa[i]` and the i-th exponent from the end. All slices
    /// have the same length.
    ///
    /// If `streams` is set, whole cache lines of `weights` may bypass the cache.
    fn merge(self, exponents: &[u8], sign_mantissa: &[u8], weights: &mut [bf16], streams: bool);
}

/// Decodes what one 8-byte load of each lane holds.
///
/// Why lanes take turns at every look-up: a processor's schedulers hold about 100 waiting
/// instructions. If one lane's look-ups followed the other's, slow ones would fill them.
#[inline(always)]
fn groups_in_turns<const LANES: usize>(tables: &Tables<'_>, lanes: &mut [Lane<'_>; LANES]) {
    let (entries, counts) = tables.table.rows();
    let mut windows: [u64; LANES] = core::array::from_fn(|lane| lanes[lane].input.window());
    let mut free: [usize; LANES] = core::array::from_fn(|lane| lanes[lane].exponents.free());
    let mut last = [0; LANES];
    for _ in 0..GROUP {
        for (lane, state) in lanes.iter_mut().enumerate() {
            let index = (windows[lane] >> (u64::BITS - TABLE_BITS)) as usize;
            let entry = entries[index];
            state.exponents.store(free[lane], entry);
            windows[lane] <<= entry & BITS;
            free[lane] -= counts[index] as usize;
            last[lane] = entry;
        }
    }
    for (lane, state) in lanes.iter_mut().enumerate() {
        state.input.step(windows[lane].trailing_zeros() as usize);
        state.exponents.set_free(free[lane]);
        if last[lane] == 0 {
            state.one_slowly(tables);
        }
    }
}

/// Decodes jobs, one per lane at a time.
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
        kernel.look_up(Round::new(tables, &mut lanes)?);
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

/// Gives a lane the next job. Returns `false` if there is none.
fn begin_next<'a>(
    lane: &mut Lane<'a>,
    tables: &'a Tables<'_>,
    jobs: &mut dyn Iterator<Item = Job<'a>>,
    streams: bool,
) -> Result<bool, Error> {
    let Some(job) = jobs.next() else {
        lane.rest();
        return Ok(false);
    };
    lane.begin(job, tables, streams)?;
    Ok(true)
}
