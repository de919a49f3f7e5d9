//! Packing 64 codes at a time.
//!
//! ```text
//! 64 weights -> 64 exponents, 64 signs and mantissas                 byte permutations
//! exponent - base -> length, code (two bytes)                        byte permutations of 64-entry tables                  (1)
//! codes of 2, 4, 8 neighbours -> one                                 variable shifts in lanes of 16, 32, 64 bits           (2)
//! 8 lanes -> appended in pairs                                       the only part that is not parallel
//! lengths -> running sums -> where each code ends, mod 64
//!     a code that ends fewer bits behind a chunk's first than it is long: the next code is the chunk's first               (3)
//!     compress these ends: the gaps
//! ```
//!
//! 1. Codes outside the 64 exponents, or of more than 16 bits, or neighbours of more than 16 together: all 64 are put singly.
//! 2. A lane's codes are right-aligned: the first one is shifted by the length of the second.
//! 3. All modulo 256, which 64 divides: bytes are enough.

use core::arch::x86_64::*;

use df11_core::bf16_word;

use super::{EVEN, Indices};
use crate::encode::{GAPS_AT_ONCE, Shard, Words};

/// Weights of a step.
const STEP: usize = 64;
/// Most bits of a code, or of two neighbours, in a step.
const PAIR_BITS: u32 = 16;
/// Most bits that are appended at once.
const MOST_BITS: u32 = 56;

const _: () = assert!(GAPS_AT_ONCE >= STEP, "no more chunks begin in a step than codes");

/// Lengths and codes of 64 exponents from `base` on.
struct Tables {
    base: u8,
    lengths: [u8; STEP],
    low: [u8; STEP],
    high: [u8; STEP],
}

impl Tables {
    fn new(words: &Words) -> Self {
        // The 64 exponents that hold the most of the code space, and so of the weights.
        let share = |exponent: usize| match words.of_exponent(exponent).1 {
            0 => 0,
            length => 1u64 << (32 - length),
        };
        let base = (0..=256 - STEP).max_by_key(|&base| (base..base + STEP).map(share).sum::<u64>()).unwrap_or(0);
        let mut tables = Self { base: base as u8, lengths: [0; STEP], low: [0; STEP], high: [0; STEP] };
        for index in 0..STEP {
            let (code, length) = words.of_exponent(base + index);
            // A length beyond PAIR_BITS makes any pair too long.
            tables.lengths[index] = length as u8;
            [tables.low[index], tables.high[index]] = (code as u16).to_le_bytes();
        }
        tables
    }
}

/// Encodes a shard.
///
/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2")]
pub(super) unsafe fn pack(words: &Words, shard: &mut Shard<'_>, streams: bool) {
    let tables = Tables::new(words);
    let weights = shard.weights;
    assert!(weights.len() <= shard.sign_mantissa.len());
    // The first ones singly, so that signs and mantissas bypass the cache in whole lines.
    let head = match streams {
        true => shard.sign_mantissa.as_ptr().align_offset(STEP).min(weights.len()),
        false => 0,
    };
    (0..head).for_each(|index| shard.put_one(words, index));
    let (steps, rest) = weights[head..].as_chunks::<STEP>();
    let load = |bytes: &[u8; 64]| {
        // SAFETY: 64 bytes are one vector.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    };
    let (lengths, low, high) = (load(&tables.lengths), load(&tables.low), load(&tables.high));
    let (even, odd) = (load(&EVEN.0), load(&ODD.0));
    let (previous_lane, second_lane) = (load(&PREVIOUS_LANE.0), load(&SECOND_LANE.0));
    let base = _mm512_set1_epi8(tables.base as i8);
    let low_byte = _mm512_set1_epi16(0x00FF);

    for (number, step) in steps.iter().enumerate() {
        let at = head + number * STEP;
        // SAFETY: a step's weights are two vectors, its signs and mantissas one; `sign_mantissa` is as long as `weights` at least.
        let exponents = unsafe {
            let first = _mm512_loadu_si512(step.as_ptr().cast());
            let second = _mm512_loadu_si512(step.as_ptr().add(STEP / 2).cast());
            let (low, high) =
                (_mm512_permutex2var_epi8(first, even, second), _mm512_permutex2var_epi8(first, odd, second));
            // Where the mask is set from the second, else from the first.
            let sign_mantissa = _mm512_ternarylogic_epi64::<0xD8>(low, high, _mm512_set1_epi8(0x80u8 as i8));
            let to = shard.sign_mantissa.as_mut_ptr().add(at);
            match streams {
                true => _mm512_stream_si512(to.cast(), sign_mantissa),
                false => _mm512_storeu_si512(to.cast(), sign_mantissa),
            }
            let doubled = _mm512_add_epi8(high, high);
            _mm512_ternarylogic_epi64::<0xD8>(doubled, _mm512_srli_epi16::<7>(low), _mm512_set1_epi8(1))
        };
        let x = _mm512_sub_epi8(exponents, base);
        let inside = _mm512_cmplt_epu8_mask(x, _mm512_set1_epi8(STEP as i8));
        let too_long = _mm512_set1_epi8(2 * PAIR_BITS as i8);
        let length = _mm512_mask_permutexvar_epi8(too_long, inside, x, lengths);
        let pair_bits = _mm512_maddubs_epi16(length, _mm512_set1_epi8(1));
        if _mm512_cmpgt_epu16_mask(pair_bits, _mm512_set1_epi16(PAIR_BITS as i16)) != 0 {
            for index in at..at + STEP {
                shard.put_one(words, index);
            }
            continue;
        }

        let (code_low, code_high) = (_mm512_permutexvar_epi8(x, low), _mm512_permutexvar_epi8(x, high));
        // Where the mask is set from the second, else from the first.
        let first = _mm512_ternarylogic_epi64::<0xD8>(_mm512_slli_epi16::<8>(code_high), code_low, low_byte);
        let second = _mm512_ternarylogic_epi64::<0xD8>(code_high, _mm512_srli_epi16::<8>(code_low), low_byte);
        let pair = _mm512_or_si512(_mm512_sllv_epi16(first, _mm512_srli_epi16::<8>(length)), second);
        let first = _mm512_and_si512(pair, _mm512_set1_epi32(0xFFFF));
        let quad = _mm512_or_si512(
            _mm512_sllv_epi32(first, _mm512_srli_epi32::<16>(pair_bits)),
            _mm512_srli_epi32::<16>(pair),
        );
        let quad_bits = _mm512_madd_epi16(pair_bits, _mm512_set1_epi16(1));
        let first = _mm512_and_si512(quad, _mm512_set1_epi64(0xFFFF_FFFF));
        let oct_second_bits = _mm512_srli_epi64::<32>(quad_bits);
        let oct = _mm512_or_si512(_mm512_sllv_epi64(first, oct_second_bits), _mm512_srli_epi64::<32>(quad));
        let oct_bits = _mm512_add_epi32(oct_second_bits, quad_bits);

        // Running sums of the lengths: within 16 bytes, then over the vector.
        let sum = _mm512_add_epi8(length, _mm512_bslli_epi128::<1>(length));
        let sum = _mm512_add_epi8(sum, _mm512_bslli_epi128::<2>(sum));
        let sum = _mm512_add_epi8(sum, _mm512_bslli_epi128::<4>(sum));
        let sum = _mm512_add_epi8(sum, _mm512_bslli_epi128::<8>(sum));
        let sum = _mm512_add_epi8(sum, _mm512_maskz_permutexvar_epi8(!0 << 16, previous_lane, sum));
        let sum = _mm512_add_epi8(sum, _mm512_maskz_permutexvar_epi8(!0 << 32, second_lane, sum));
        let end = _mm512_add_epi8(sum, _mm512_set1_epi8(shard.bit_of_chunk() as i8));
        let end = _mm512_and_si512(end, _mm512_set1_epi8(63));
        let starts = _mm512_cmplt_epu8_mask(end, length);
        // SAFETY: the room has 64 bytes.
        unsafe {
            _mm512_storeu_si512(shard.gap_room().as_mut_ptr().cast(), _mm512_maskz_compress_epi8(starts, end));
        }
        let (count, to_block) = (starts.count_ones() as usize, shard.chunks_to_block());
        shard.chunks_start(count);
        if count >= to_block {
            let starter = _pdep_u64(1 << (to_block - 1), starts).trailing_zeros() as usize;
            shard.block_starts(at + starter + 1);
        }

        let (mut values, mut bits) = ([0u64; 8], [0u64; 8]);
        // SAFETY: 8 words are one vector.
        unsafe {
            _mm512_storeu_si512(values.as_mut_ptr().cast(), oct);
            _mm512_storeu_si512(bits.as_mut_ptr().cast(), oct_bits);
        }
        for lane in (0..8).step_by(2) {
            let (first, first_bits) = (values[lane], bits[lane] as u32);
            let (second, second_bits) = (values[lane + 1], bits[lane + 1] as u32);
            if first_bits + second_bits <= MOST_BITS {
                shard.put(first << second_bits | second, first_bits + second_bits);
            } else {
                for (value, bits) in [(first, first_bits), (second, second_bits)] {
                    // At most 64 bits, as halves.
                    let half = bits / 2;
                    shard.put(value >> half, bits - half);
                    shard.put(value & ((1 << half) - 1), half);
                }
            }
        }
    }
    (weights.len() - rest.len()..weights.len()).for_each(|index| shard.put_one(words, index));
    for singly in [0..head, weights.len() - rest.len()..weights.len()] {
        for (byte, &weight) in shard.sign_mantissa[singly.clone()].iter_mut().zip(&weights[singly]) {
            *byte = bf16_word::sign_mantissa(weight);
        }
    }
    if streams {
        _mm_sfence();
    }
}

/// The higher byte of each word of two vectors.
static ODD: Indices = Indices::of(1, 1, 2);
/// The last byte of the 16 before.
static PREVIOUS_LANE: Indices = Indices::of(256 - 1, 16, 16);
/// The last byte of the 16 before those.
static SECOND_LANE: Indices = Indices::of(256 - 17, 16, 16);
