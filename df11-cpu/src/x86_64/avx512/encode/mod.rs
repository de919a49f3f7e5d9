//! Packs 64 codes at a time.
//!
//! ```text
//! merge.rs
//! 64 weights -> 64 exponents, 64 signs and mantissas   byte permutations
//! exponent mod 64 -> length, code (two bytes)          permutations of 64-entry tables         (1)
//! codes of 2, 4, 8 neighbours -> one lane              shifts in lanes of 16, 32, 64 bits      (2)
//!
//! place.rs
//! lengths * 0x0101..01 -> where each code ends in its lane   running sums, one multiplication  (3)
//! ends of the 8 lanes -> where each lane starts              sums of what ends before it
//! lane << what is free after it in the 8 bytes from its start
//!     | what the lane before has in the same first byte      of one lane: 8 codes fill >= 8 bits
//!     -> stored there, high byte first, lane by lane         each overwrites the surplus before it
//! a code ends fewer bits after a chunk's first bit than it is long:
//!     the next code is the chunk's first
//!     compress these ends: the gaps
//! ```
//!
//! 1. If an exponent is not the one that the tables hold, or neighbours have more than 16 bits
//!    together, the 64 codes are merged one by one. If 8 codes have more than 56 bits, they are put
//!    one by one.
//! 2. The codes of a lane are right-aligned: the first is shifted by the length of the second.
//! 3. The sums stay below 256: a lane has at most 56 bits.
//!
//! A batch of steps goes through the first half, then through the second. Each half is short enough
//! for a processor to work on several steps at once. With both in one loop, a step took 36 cycles
//! instead of 31.

mod merge;
mod place;
mod steps;

use core::arch::x86_64::*;
use core::ops::Range;

use df11_core::bf16_word;

use crate::encode::{Shard, Words};
use merge::{Tables, merge_steps};
use place::put_steps;
use steps::{BATCH, LANES, Merged, STEP};

with_features!(
    /// Encodes a shard.
    ///
    /// # Safety
    /// The processor has the features.
    pub(super) unsafe fn pack(words: &Words, shard: &mut Shard<'_>) {
        let streams = shard.streams;
        let tables = Tables::new(words);
        let weights = shard.weights;
        assert!(weights.len() <= shard.sign_mantissa.len());
        // Put the first weights singly, so that signs and mantissas bypass the cache in whole
        // lines.
        let head = match streams {
            true => shard.sign_mantissa.as_ptr().align_offset(STEP).min(weights.len()),
            false => 0,
        };
        put_singly(words, shard, 0..head);
        let steps = weights[head..].as_chunks::<STEP>().0;
        let mut batch = [Merged { codes: [0; LANES], lengths: [0; STEP] }; BATCH];
        for (number, steps) in steps.chunks(BATCH).enumerate() {
            let at = head + number * BATCH * STEP;
            let sign_mantissa = &mut shard.sign_mantissa[at..][..steps.len() * STEP];
            let mut misfits = merge_steps(words, &tables, steps, sign_mantissa, &mut batch, streams);
            let mut done = 0;
            while done < steps.len() {
                let fit = (misfits.trailing_zeros() as usize).min(steps.len() - done);
                // SAFETY: these steps are before the next one that `merge_steps` called a misfit.
                let put = unsafe { put_steps(shard, at + done * STEP, &batch[done..done + fit]) };
                done += put;
                misfits >>= put;
                if done < steps.len() {
                    let misfit = at + done * STEP;
                    put_codes_singly(words, shard, misfit..misfit + STEP);
                    done += 1;
                    misfits >>= 1;
                }
            }
        }
        put_singly(words, shard, head + steps.len() * STEP..weights.len());
        if streams {
            _mm_sfence();
        }
    }
);

fn put_singly(words: &Words, shard: &mut Shard<'_>, range: Range<usize>) {
    for (byte, &weight) in shard.sign_mantissa[range.clone()].iter_mut().zip(&shard.weights[range.clone()]) {
        *byte = bf16_word::sign_mantissa(weight);
    }
    put_codes_singly(words, shard, range);
}

#[inline(never)]
fn put_codes_singly(words: &Words, shard: &mut Shard<'_>, range: Range<usize>) {
    range.for_each(|index| shard.put_one(words, index));
}
