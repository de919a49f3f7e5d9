use df11_core::{Error, bf16};

use super::job::Job;
use super::lane::{GROUP, Lane, MAX_GROUPS};
use super::tables::Tables;

/// Fewest groups of a round: the rounds in which a lane comes to its end.
const MIN_GROUPS: usize = 4;

/// What a level brings.
pub(crate) trait Kernel: Copy {
    /// A round: so many groups, lane by lane.
    #[inline(always)]
    fn look_up<const LANES: usize>(self, tables: &Tables<'_>, lanes: &mut [Lane<'_>; LANES], groups: usize) {
        for _ in 0..groups {
            for lane in &mut *lanes {
                lane.group(&tables.table, tables);
            }
        }
    }

    /// `weights[i]` from `sign_mantissa[i]` and the i-th exponent from the end. All have the same length.
    ///
    /// `streams`: whole lines of `weights` may bypass the cache.
    fn merge(self, exponents: &[u8], sign_mantissa: &[u8], weights: &mut [bf16], streams: bool);
}

/// Decodes jobs, as many side by side as there are lanes.
#[inline(always)]
pub(crate) fn run<'a, K: Kernel, const LANES: usize>(
    kernel: K,
    tables: &'a Tables<'_>,
    jobs: &mut dyn Iterator<Item = Job<'a>>,
    streams: bool,
) -> Result<(), Error> {
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
