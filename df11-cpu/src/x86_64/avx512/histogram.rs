//! Counting exponents, 512 at a time, by their bits.
//!
//! ```text
//! x = exponent - base, most of them 0 to 15                          base: where 16 exponents hold most of a sample
//! four planes: bit i of x of each weight                             64 weights a mask, 8 masks a vector
//! for each value v of 16: the weights with all four bits as in v     one ternary logic operation
//!     count of v += ones in it                                       one population count
//! exponents outside are counted one by one, and taken off the value that their lower bits were counted as
//! ```

use core::arch::x86_64::*;

use df11_core::{bf16, bf16_word};

use super::EVEN;

/// Values of four bits.
const VALUES: usize = 16;
/// Weights of a mask.
const MASK: usize = 64;
/// Masks of a batch; the planes of a batch are 2 KiB.
const MASKS: usize = 64;
const BATCH: usize = MASK * MASKS;

/// Counts exponents.
///
/// # Safety
/// The processor has the features.
#[target_feature(
    enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx512vpopcntdq,bmi1,bmi2,lzcnt,movbe,popcnt"
)]
pub(super) unsafe fn histogram(weights: &[bf16]) -> [u32; 256] {
    let mut counts = [0u32; 256];
    let (batches, rest) = weights.as_chunks::<BATCH>();
    let (sample, batches) = match batches.split_first() {
        Some((sample, batches)) => (&sample[..], batches),
        None => (rest, batches),
    };
    count_singly(sample, &mut counts);
    if sample.len() < BATCH {
        return counts;
    }
    let base = (0..=256 - VALUES).max_by_key(|&base| counts[base..][..VALUES].iter().sum::<u32>()).unwrap_or(0);
    // SAFETY: 64 aligned bytes are one vector.
    let even = unsafe { _mm512_load_si512(EVEN.0.as_ptr().cast()) };
    let mut ones = [_mm512_setzero_si512(); VALUES];
    for batch in batches {
        let mut planes = [[0u64; MASKS]; 4];
        for (index, weights) in batch.as_chunks::<MASK>().0.iter().enumerate() {
            // SAFETY: a mask's weights are two vectors.
            let exponents = unsafe {
                let first = _mm512_loadu_si512(weights.as_ptr().cast());
                let second = _mm512_loadu_si512(weights.as_ptr().add(MASK / 2).cast());
                _mm512_permutex2var_epi8(_mm512_srli_epi16::<7>(first), even, _mm512_srli_epi16::<7>(second))
            };
            let x = _mm512_sub_epi8(exponents, _mm512_set1_epi8(base as i8));
            for (bit, plane) in planes.iter_mut().enumerate() {
                plane[index] = _mm512_test_epi8_mask(x, _mm512_set1_epi8(1 << bit));
            }
            let mut outside = _mm512_test_epi8_mask(x, _mm512_set1_epi8(0xF0u8 as i8));
            while outside != 0 {
                let exponent = usize::from(bf16_word::exponent(weights[outside.trailing_zeros() as usize]));
                counts[exponent] += 1;
                let taken_for = base + (exponent.wrapping_sub(base) & (VALUES - 1));
                counts[taken_for] = counts[taken_for].wrapping_sub(1);
                outside &= outside - 1;
            }
        }
        for at in (0..MASKS).step_by(8) {
            // SAFETY: 8 masks are one vector.
            let [a, b, c, d] =
                [0, 1, 2, 3].map(|bit: usize| unsafe { _mm512_loadu_si512(planes[bit][at..].as_ptr().cast()) });
            let d_c =
                [_mm512_or_si512(d, c), _mm512_andnot_si512(d, c), _mm512_andnot_si512(c, d), _mm512_and_si512(d, c)];
            for (high, &x) in d_c.iter().enumerate() {
                // The first is the values without d and c: wanted where x is 0.
                let found = match high {
                    0 => [
                        _mm512_ternarylogic_epi64::<0x01>(x, b, a),
                        _mm512_ternarylogic_epi64::<0x02>(x, b, a),
                        _mm512_ternarylogic_epi64::<0x04>(x, b, a),
                        _mm512_ternarylogic_epi64::<0x08>(x, b, a),
                    ],
                    _ => [
                        _mm512_ternarylogic_epi64::<0x10>(x, b, a),
                        _mm512_ternarylogic_epi64::<0x20>(x, b, a),
                        _mm512_ternarylogic_epi64::<0x40>(x, b, a),
                        _mm512_ternarylogic_epi64::<0x80>(x, b, a),
                    ],
                };
                for (low, &found) in found.iter().enumerate() {
                    let ones = &mut ones[high * 4 + low];
                    *ones = _mm512_add_epi64(*ones, _mm512_popcnt_epi64(found));
                }
            }
        }
    }
    for (count, &ones) in counts[base..].iter_mut().zip(&ones) {
        *count = count.wrapping_add(_mm512_reduce_add_epi64(ones) as u32);
    }
    count_singly(rest, &mut counts);
    counts
}

fn count_singly(weights: &[bf16], counts: &mut [u32; 256]) {
    let some = crate::portable::histogram(weights);
    counts.iter_mut().zip(some).for_each(|(count, more)| *count = count.wrapping_add(more));
}
