//! Weights to parts: the bytes of `df11_core::encode`, for every level and any number of threads.
//!
//! ```text
//! plan:    each shard of the weights: histogram                     in parallel
//!          sum of the histograms -> code; each shard's histogram and the code -> the bit at which it starts
//! encode:  each shard: pack its codes from its start bit on,        in parallel, each into bytes of its own
//!          note gaps and output positions, split off sign and mantissa
//!          seams: the byte in which one shard ends and the next begins is put together
//! ```

mod parts;
mod shard;
mod sink;

use df11_core::{
    Code, Error, Histogram, PartsMut, bf16, fullest_block, limits::PUBLISHED_MAX_BLOCK_WEIGHTS, write_luts,
};

use crate::level::Level;
use crate::threads;
pub use parts::Parts;
pub(crate) use shard::{GAPS_AT_ONCE, Shard, Words, chunks_to_block};

/// Weights that one thread encodes at a time.
const SHARD_WEIGHTS: usize = 1 << 18;

/// Signs and mantissas from this size on bypass the cache, where a level can.
const STREAMED_BYTES: usize = 16 << 20;

/// Encodes units at one level.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    level: Level,
}

/// A plan of `df11_core`, which it derefs to, and how its stream divides between threads.
#[derive(Clone, Debug)]
pub struct Plan {
    plan: df11_core::Plan,
    /// Bits of each shard of `SHARD_WEIGHTS` weights.
    shard_bits: Vec<u64>,
}

impl core::ops::Deref for Plan {
    type Target = df11_core::Plan;

    fn deref(&self) -> &df11_core::Plan {
        &self.plan
    }
}

impl Encoder {
    /// An encoder at a level.
    pub fn new(level: Level) -> Self {
        Self { level }
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Plans the unit of these weights, as `df11_core::Plan::new` does.
    ///
    /// # Errors
    /// `NoWeights`, `TooManyWeights`, `StreamTooLong`.
    pub fn plan(&self, weights: &[bf16]) -> Result<Plan, Error> {
        self.plan_by(weights, |histogram| {
            df11_core::Plan::from_histogram(histogram, |code| {
                fullest_block(code, weights) <= PUBLISHED_MAX_BLOCK_WEIGHTS
            })
        })
    }

    /// Plans the unit of these weights in the code of the published compressor, as `df11_core::Plan::published` does.
    ///
    /// # Errors
    /// As that.
    pub fn plan_published(&self, weights: &[bf16]) -> Result<Plan, Error> {
        let last = *weights.last().ok_or(Error::NoWeights)?;
        self.plan_by(weights, |histogram| df11_core::Plan::published_from_histogram(histogram, last))
    }

    fn plan_by(
        &self,
        weights: &[bf16],
        plan: impl FnOnce(&Histogram) -> Result<df11_core::Plan, Error>,
    ) -> Result<Plan, Error> {
        let mut shards: Vec<_> = weights.chunks(SHARD_WEIGHTS).map(|weights| (weights, [0u32; 256])).collect();
        threads::for_each(&mut shards, |(weights, counts)| {
            *counts = self.level.histogram(weights);
            Ok(())
        })?;
        let mut total = [0u64; 256];
        for (_, counts) in &shards {
            total.iter_mut().zip(counts).for_each(|(total, &count)| *total += u64::from(count));
        }
        let plan = plan(&Histogram::from_counts(total))?;
        let shard_bits = shards.iter().map(|(_, counts)| bits(counts, plan.code())).collect();
        Ok(Plan { plan, shard_bits })
    }

    /// Encodes the weights that `plan` was made of. What it writes decodes to these weights.
    ///
    /// # Errors
    /// `BufferSize` if `weights` or a buffer has another size than planned. `WeightsNotPlanned` if the
    /// plan does not hold for `weights`: an exponent has no code, or the codes of a shard have another
    /// length than planned. The buffers then hold no unit.
    pub fn encode(&self, weights: &[bf16], plan: &Plan, parts: PartsMut<'_>) -> Result<(), Error> {
        parts.check(&plan.sizes())?;
        if weights.len() as u64 != plan.weights() {
            let expected = plan.sizes().sign_mantissa;
            return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
        }
        write_luts(plan, parts.luts)?;
        let words = Words::new(plan.code());
        let streams = weights.len() >= STREAMED_BYTES;
        let mut cutter = shard::Cutter::new(
            weights,
            parts.sign_mantissa,
            &mut *parts.encoded_exponent,
            &mut *parts.gaps,
            parts.output_positions,
        );
        let mut shards: Vec<_> = plan.shard_bits.iter().map(|&bits| cutter.cut(SHARD_WEIGHTS, bits, streams)).collect();
        threads::for_each(&mut shards, |shard| {
            self.level.pack(&words, shard);
            shard.finish(&words, plan.ending())
        })?;
        let seams: Vec<_> = shards.iter().map(Shard::seams).collect();
        drop(shards);
        for [stream, gaps] in seams {
            stream.close(parts.encoded_exponent);
            gaps.close(parts.gaps);
        }
        Ok(())
    }

    /// Encodes the weights that `plan` was made of into buffers of its own.
    ///
    /// # Errors
    /// As `encode`, and `OutOfMemory`.
    pub fn encode_to_parts(&self, weights: &[bf16], plan: &Plan) -> Result<Parts, Error> {
        let mut parts = Parts::for_plan(plan)?;
        self.encode(weights, plan, parts.as_mut())?;
        Ok(parts)
    }
}

/// Bits of the codes of so many exponents.
fn bits(counts: &[u32; 256], code: &Code) -> u64 {
    counts.iter().zip(code.lengths()).map(|(&count, &length)| u64::from(count) * u64::from(length)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ops::Range;
    use df11_core::limits::{BLOCK_BITS, CHUNK_BITS, GAP_BITS};

    const UNTOUCHED: u8 = 0xA5;
    const COUNT: usize = 3000;

    fn of_exponent(exponent: u16) -> bf16 {
        bf16::from_bits(exponent << 7)
    }

    /// Bits of the codes of `weights`.
    fn written(words: &Words, weights: &[bf16]) -> u64 {
        weights.iter().map(|&weight| u64::from(words.of(weight).1)).sum()
    }

    /// Writes a shard that was cut for `bits` of a stream, the second of three, and looks at what is around.
    fn write_shard(level: Level, words: &Words, weights: &[bf16], bits: Range<u64>) {
        let all = [weights; 3].concat();
        let mut sign_mantissa = vec![UNTOUCHED; all.len()];
        // More than any of the weights fill.
        let [mut stream, mut gaps, mut positions] = [20_000, 2000, 80].map(|bytes| vec![UNTOUCHED; bytes]);
        let mut cutter = shard::Cutter::new(&all, &mut sign_mantissa, &mut stream, &mut gaps, &mut positions);
        cutter.cut(weights.len(), bits.start, false);
        let mut shard = cutter.cut(weights.len(), bits.end - bits.start, false);
        level.pack(words, &mut shard);
        let planned = shard.finish(words, None);
        // Cut for `bits`, so that codes of another length in all are found out.
        assert!(planned.is_err() || written(words, weights) == bits.end - bits.start, "{level}, {bits:?}");
        let gap_byte = |bit: u64| (bit / CHUNK_BITS + 1) as usize * GAP_BITS / 8;
        let position = |bit: u64| (bit / BLOCK_BITS + 1) as usize * size_of::<u32>();
        // Cutting the first shard writes the first gap, with zeros behind it, and the first position.
        let around = [
            (&sign_mantissa, 0, weights.len()..2 * weights.len()),
            (&stream, 0, bits.start as usize / 8..bits.end as usize / 8),
            (&gaps, size_of::<u64>(), gap_byte(bits.start)..gap_byte(bits.end)),
            (&positions, size_of::<u32>(), position(bits.start)..position(bits.end)),
        ];
        for (number, (part, skipped, own)) in around.into_iter().enumerate() {
            let mut others = part[..own.start].iter().skip(skipped).chain(&part[own.end..]);
            assert!(others.all(|&byte| byte == UNTOUCHED), "{level}, part {number}, {bits:?}: {own:?}");
        }
    }

    /// Shards are cut by the plan; weights other than those planned may have codes of any length in it, or none. What is around is other threads'.
    #[test]
    fn whatever_its_weights_a_shard_writes_between_its_neighbours() {
        let counts =
            [(120, 2000), (121, 1000), (122, 500), (123, 250), (124, 125), (125, 62), (126, 31), (127, 30), (250, 3)];
        let planned: Vec<_> = counts.iter().flat_map(|&(exponent, count)| vec![of_exponent(exponent); count]).collect();
        let plan = df11_core::Plan::new(&planned).expect("a plan");
        let words = Words::new(plan.code());
        // The shortest code, that of which 8 fill 56 bits, the longest, and none.
        let kinds = [120, 126, 250, 0];
        assert_eq!(kinds.map(|exponent| plan.code().lengths()[usize::from(exponent)]), [1, 7, 25, 0]);
        let mixed: Vec<_> = (0..COUNT).map(|index| planned[index * 1009 % planned.len()]).collect();
        let alike = kinds.map(|exponent| vec![of_exponent(exponent); COUNT]);
        let half: Vec<_> =
            (0..COUNT).map(|index| if index / 45 % 2 == 0 { mixed[index] } else { bf16::ZERO }).collect();
        for level in Level::available() {
            for weights in alike.iter().chain([&mixed, &half]) {
                for bits in (0..70).chain((70..1500).step_by(8)).chain((1500..60_000).step_by(601)) {
                    write_shard(level, &words, weights, 1003..1003 + bits);
                }
            }
        }
    }
}
