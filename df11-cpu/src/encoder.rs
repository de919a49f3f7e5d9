//! Encodes units: the public interface.

use df11_core::{
    Code, Error, Histogram, PartSizes, PartsMut, Unit, Work, bf16, check_matrices, split_positions, write_luts,
};

use crate::encode::{Cutter, Parts, Shard, Words, every_block_launches};
use crate::level::Level;
use crate::threads;

/// Weights that one thread encodes at a time.
const SHARD_WEIGHTS: usize = 1 << 18;

/// Signs and mantissas of at least this size bypass the cache, where a level can.
const STREAMED_BYTES: usize = 16 << 20;

/// Weights of a shard, and how often they have each exponent.
type Counted<'a> = (&'a [bf16], [u32; 256]);

/// Encodes units at one level.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    level: Level,
    work: Work,
}

/// A plan of `df11_core`, and how its stream is divided between threads.
#[derive(Clone, Debug)]
pub struct Plan {
    plan: df11_core::Plan,
    /// Bits of each shard of `SHARD_WEIGHTS` weights.
    shard_bits: Vec<u64>,
}

impl Plan {
    /// The code of each exponent.
    pub fn code(&self) -> &Code {
        self.plan.code()
    }

    /// The number of weights.
    pub fn weights(&self) -> u64 {
        self.plan.weights()
    }

    /// The exact size of each part.
    pub fn sizes(&self) -> PartSizes {
        self.plan.sizes()
    }

    /// The plan of `df11_core`, with everything it knows.
    pub fn as_core(&self) -> &df11_core::Plan {
        &self.plan
    }
}

impl Encoder {
    /// An encoder at a level. `work` says which threads it uses.
    pub fn new(level: Level, work: Work) -> Self {
        Self { level, work }
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
        self.plan_by(weights, |histogram, shards| {
            df11_core::Plan::from_histogram(histogram, |code| {
                let bits = shards.iter().map(|(_, counts)| bits(counts, code));
                every_block_launches(self.work, code, weights, SHARD_WEIGHTS, bits)
            })
        })
    }

    /// Plans the unit of these weights in the code of the published compressor, as
    /// `df11_core::Plan::published` does.
    ///
    /// # Errors
    /// As `df11_core::Plan::published`.
    pub fn plan_published(&self, weights: &[bf16]) -> Result<Plan, Error> {
        let last = *weights.last().ok_or(Error::NoWeights)?;
        self.plan_by(weights, |histogram, _| df11_core::Plan::published_from_histogram(histogram, last))
    }

    fn plan_by(
        &self,
        weights: &[bf16],
        plan: impl FnOnce(&Histogram, &[Counted<'_>]) -> Result<df11_core::Plan, Error>,
    ) -> Result<Plan, Error> {
        let mut shards: Vec<_> = weights.chunks(SHARD_WEIGHTS).map(|weights| (weights, [0u32; 256])).collect();
        threads::for_each(self.work, &mut shards, |(weights, counts)| {
            *counts = self.level.histogram(weights);
            Ok(())
        })?;
        let mut total = [0u64; 256];
        for (_, counts) in &shards {
            total.iter_mut().zip(counts).for_each(|(total, &count)| *total += u64::from(count));
        }
        let plan = plan(&Histogram::from_counts(total), &shards)?;
        let shard_bits = shards.iter().map(|(_, counts)| bits(counts, plan.code())).collect();
        Ok(Plan { plan, shard_bits })
    }

    /// Encodes the weights that `plan` was made from. What it writes decodes to these weights.
    ///
    /// # Errors
    /// `BufferSize` if `weights` or a buffer has another size than planned. `WeightsNotPlanned` if
    /// the plan does not hold for `weights`: an exponent has no code, or the codes of a shard have
    /// another length than planned. The buffers then hold no unit.
    pub fn encode(&self, weights: &[bf16], plan: &Plan, parts: PartsMut<'_>) -> Result<(), Error> {
        parts.check(&plan.sizes())?;
        if weights.len() as u64 != plan.weights() {
            let expected = plan.sizes().sign_mantissa;
            return Err(Error::BufferSize { buffer: "weights", found: weights.len(), expected });
        }
        write_luts(&plan.plan, parts.luts)?;
        let words = Words::new(plan.code());
        let streams = weights.len() >= STREAMED_BYTES;
        let mut cutter = Cutter::new(
            weights,
            parts.sign_mantissa,
            &mut *parts.encoded_exponent,
            &mut *parts.gaps,
            parts.output_positions,
        );
        let mut shards: Vec<_> = plan.shard_bits.iter().map(|&bits| cutter.cut(SHARD_WEIGHTS, bits, streams)).collect();
        threads::for_each(self.work, &mut shards, |shard| {
            self.level.pack(&words, shard);
            shard.finish(&words, plan.plan.ending())
        })?;
        let seams: Vec<_> = shards.iter().map(Shard::seams).collect();
        drop(shards);
        for [stream, gaps] in seams {
            stream.close(parts.encoded_exponent);
            gaps.close(parts.gaps);
        }
        Ok(())
    }

    /// Encodes the weights that `plan` was made from into new buffers.
    ///
    /// # Errors
    /// As `encode`, and `OutOfMemory`.
    pub fn encode_to_parts(&self, weights: &[bf16], plan: &Plan) -> Result<Parts, Error> {
        let mut parts = Parts::of(&plan.sizes())?;
        self.encode(weights, plan, parts.as_mut())?;
        Ok(parts)
    }

    /// Plans and encodes weights into a unit that owns its arrays. `matrices` gives the number of
    /// weights of each matrix, in order; an empty slice means one matrix.
    ///
    /// # Errors
    /// As `plan`; `OutOfMemory`; `BufferSize` unless the matrices have as many
    /// weights as there are.
    pub fn unit(&self, weights: &[bf16], matrices: &[u64]) -> Result<Unit<'static>, Error> {
        check_matrices(weights, matrices)?;
        let parts = self.encode_to_parts(weights, &self.plan(weights)?)?;
        parts.into_arrays(split_positions(matrices.iter().copied())).validate()
    }
}

/// The bits of the codes of all exponents, `counts[e]` times exponent `e`.
fn bits(counts: &[u32; 256], code: &Code) -> u64 {
    counts.iter().zip(code.lengths()).map(|(&count, &length)| u64::from(count) * u64::from(length)).sum()
}
