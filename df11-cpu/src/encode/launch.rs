//! Whether the published kernel can be launched for every block: none holds too many weights. Only
//! a code that gives an exponent 1 bit can fill a block with too many.
//!
//! ```text
//! shard:   its first bit is known from the histograms of those before it        all in parallel
//!          skip to the next block, then count block by block, over the shard's end for the last
//! ```

use df11_core::limits::{BLOCK_BITS, PUBLISHED_MAX_BLOCK_WEIGHTS};
use df11_core::{Code, Work, bf16, bf16_word};

use crate::threads;

/// Codes whose lengths are added up before their end is compared with that of the block.
const STEP: usize = 8;

/// Whether no block holds more than `PUBLISHED_MAX_BLOCK_WEIGHTS` weights: what
/// `df11_core::fullest_block` tells, in parallel, up to the first block that is too full. `bits`
/// gives the bits of the codes of each `shard` weights.
pub(crate) fn every_block_launches(
    work: Work,
    code: &Code,
    weights: &[bf16],
    shard: usize,
    bits: impl Iterator<Item = u64>,
) -> bool {
    let mut next = 0;
    let start = |bits| {
        next += bits;
        next - bits
    };
    let mut shards: Vec<_> = (0..weights.len()).step_by(shard).zip(bits.map(start)).collect();
    // The first shard with such a block ends the search.
    threads::for_each(work, &mut shards, |&mut (first, bit)| {
        blocks_launch(code.lengths(), bit, &weights[first..], shard).then_some(()).ok_or(())
    })
    .is_ok()
}

/// Whether the blocks launch of which the first code is one of the `own` codes after that of
/// `weights[0]`, which starts at `bit`. Counts the block that begins at bit 0, too.
fn blocks_launch(lengths: &[u8; 256], bit: u64, weights: &[bf16], own: usize) -> bool {
    let (mut at, mut is_whole, mut bit) = (0, bit == 0, bit % BLOCK_BITS);
    while at <= own && at < weights.len() {
        let (count, end) = codes_of_block(lengths, bit, &weights[at..]);
        if is_whole && count as u64 > PUBLISHED_MAX_BLOCK_WEIGHTS {
            return false;
        }
        (at, is_whole, bit) = (at + count, true, end - BLOCK_BITS.min(end));
    }
    true
}

/// How many codes from that of `weights[0]` on, at `bit` of a block, start in this block, and the
/// bit at which they end.
fn codes_of_block(lengths: &[u8; 256], mut bit: u64, weights: &[bf16]) -> (usize, u64) {
    let length = |&weight: &bf16| u64::from(lengths[usize::from(bf16_word::exponent(weight))]);
    let mut count = 0;
    for step in weights.as_chunks::<STEP>().0 {
        let end = bit + step.iter().map(length).sum::<u64>();
        if end >= BLOCK_BITS {
            break;
        }
        (bit, count) = (end, count + STEP);
    }
    for weight in &weights[count..] {
        if bit >= BLOCK_BITS {
            break;
        }
        (bit, count) = (bit + length(weight), count + 1);
    }
    (count, bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use df11_core::{Plan, fullest_block};

    fn of_exponents(exponents: impl Iterator<Item = u16>) -> Vec<bf16> {
        exponents.map(|exponent| bf16::from_bits(exponent << 7)).collect()
    }

    /// Blocks as full as may be and one weight more, at every place: alone, across shards, at the
    /// end.
    #[test]
    fn a_block_that_is_too_full_is_found_wherever_it_is() {
        // Codes of 1, 2 and 2 bits.
        let planned = of_exponents((0..100).map(|at| [120, 120, 121, 122][at % 4]));
        let plan = Plan::new(&planned).unwrap();
        let code = plan.code();
        assert_eq!([120, 121, 122].map(|exponent| code.lengths()[exponent]), [1, 2, 2]);
        let most = PUBLISHED_MAX_BLOCK_WEIGHTS;
        let (mut found, mut late) = (0, 0);
        for surplus in [0, 1, 2000] {
            // So many codes of 1 bit among `most + surplus` fill a block exactly.
            let (all, ones) = (most + surplus, 2 * (most + surplus) - BLOCK_BITS);
            for before in [0, 1, 7, 3000, 16_383, 16_384, 16_385, 40_000, 70_001] {
                for after in [0, 5, 20_000] {
                    let full = (0..all).map(|at| if at < ones { 120 } else { 121 });
                    let exponents = (0..before).map(|_| 122).chain(full).chain((0..after).map(|_| 122));
                    let weights = of_exponents(exponents);
                    let expected = fullest_block(code, &weights) <= most;
                    late += usize::from(!expected && before > 0);
                    for shard in [1 << 10, 16_384, 30_000, 1 << 18] {
                        let bits = weights.chunks(shard).map(|weights| {
                            let length = |weight: &bf16| code.lengths()[usize::from(bf16_word::exponent(*weight))];
                            weights.iter().map(length).map(u64::from).sum()
                        });
                        for work in [Work::ThisThread, Work::Pool] {
                            let launches = every_block_launches(work, code, &weights, shard, bits.clone());
                            assert_eq!(launches, expected, "{surplus}, {before}, {after}, {shard}");
                        }
                        found += usize::from(!expected);
                    }
                }
            }
        }
        assert!(found > 0 && late > 0);
    }
}
