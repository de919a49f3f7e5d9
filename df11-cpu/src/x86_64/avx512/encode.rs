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

use core::ops::Range;

use df11_core::limits::CHUNK_BITS;
use df11_core::{bf16, bf16_word};

use super::{EVEN, Indices};
use crate::encode::{GAPS_AT_ONCE, Shard, Sink, Words, chunks_to_block};

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

/// Steps that are worked on together: each of three passes over them is short enough for a processor to be busy with several steps at once. In one pass
/// over all, a step took 120 cycles in place of 70.
const BATCH: usize = 16;

/// What the first pass finds of a step.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Step {
    /// Eight codes each.
    values: [u64; 8],
    /// Length of each code.
    lengths: [u8; STEP],
    /// Sums of the lengths up to and with each, modulo 256.
    ends: [u8; STEP],
    /// Bits of `values`.
    bits: [u8; 8],
    /// Where in its chunk the step begins: from the second pass.
    start: u8,
    /// Whether `values` can hold the codes.
    fits: bool,
}

/// Encodes a shard.
///
/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,movbe,popcnt")]
pub(super) unsafe fn pack(words: &Words, shard: &mut Shard<'_>) {
    let streams = shard.streams;
    let tables = Tables::new(words);
    let weights = shard.weights;
    assert!(weights.len() <= shard.sign_mantissa.len());
    // The first ones singly, so that signs and mantissas bypass the cache in whole lines.
    let head = match streams {
        true => shard.sign_mantissa.as_ptr().align_offset(STEP).min(weights.len()),
        false => 0,
    };
    put_singly(words, shard, 0..head);
    let (steps, rest) = weights[head..].as_chunks::<STEP>();
    let mut batch =
        [Step { values: [0; 8], lengths: [0; STEP], ends: [0; STEP], bits: [0; 8], start: 0, fits: true }; BATCH];
    for (number, steps) in steps.chunks(BATCH).enumerate() {
        let at = head + number * BATCH * STEP;
        let batch = &mut batch[..steps.len()];
        merge_codes(&tables, steps, &mut shard.sign_mantissa[at..][..steps.len() * STEP], batch, streams);
        let mut done = 0;
        while done < batch.len() {
            let fit = batch[done..].iter().take_while(|step| step.fits).count();
            put_steps(shard, at + done * STEP, &mut batch[done..done + fit]);
            done += fit;
            let misfit = at + done * STEP..at + (done + batch[done..].len().min(1)) * STEP;
            put_codes_singly(words, shard, misfit);
            done += 1;
        }
    }
    put_singly(words, shard, weights.len() - rest.len()..weights.len());
    if streams {
        _mm_sfence();
    }
}

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

/// The first pass: splits words, merges eight codes to one. With `streams`, `sign_mantissa` begins at a cache line, as `pack` sees to.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,movbe,popcnt")]
#[inline(never)]
fn merge_codes(tables: &Tables, steps: &[[bf16; STEP]], sign_mantissa: &mut [u8], batch: &mut [Step], streams: bool) {
    let load = |bytes: &[u8; 64]| {
        // SAFETY: 64 bytes are one vector.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    };
    let (lengths, low, high) = (load(&tables.lengths), load(&tables.low), load(&tables.high));
    let (even, odd) = (load(&EVEN.0), load(&ODD.0));
    let (previous_lane, second_lane) = (load(&PREVIOUS_LANE.0), load(&SECOND_LANE.0));
    let base = _mm512_set1_epi8(tables.base as i8);
    let low_byte = _mm512_set1_epi16(0x00FF);
    // Of the second where the mask is set, else of the first.
    const SELECT: i32 = 0xD8;

    for ((step, to), out) in steps.iter().zip(sign_mantissa.as_chunks_mut::<STEP>().0).zip(batch) {
        // SAFETY: a step's weights are two vectors, its signs and mantissas one.
        let exponents = unsafe {
            let first = _mm512_loadu_si512(step.as_ptr().cast());
            let second = _mm512_loadu_si512(step.as_ptr().add(STEP / 2).cast());
            let lower = _mm512_permutex2var_epi8(first, even, second);
            let upper = _mm512_permutex2var_epi8(first, odd, second);
            let sign_mantissa = _mm512_ternarylogic_epi64::<SELECT>(lower, upper, _mm512_set1_epi8(0x80u8 as i8));
            match streams {
                true => _mm512_stream_si512(to.as_mut_ptr().cast(), sign_mantissa),
                false => _mm512_storeu_si512(to.as_mut_ptr().cast(), sign_mantissa),
            }
            let doubled = _mm512_add_epi8(upper, upper);
            _mm512_ternarylogic_epi64::<SELECT>(doubled, _mm512_srli_epi16::<7>(lower), _mm512_set1_epi8(1))
        };
        let x = _mm512_sub_epi8(exponents, base);
        let inside = _mm512_cmplt_epu8_mask(x, _mm512_set1_epi8(STEP as i8));
        let too_long = _mm512_set1_epi8(2 * PAIR_BITS as i8);
        let length = _mm512_mask_permutexvar_epi8(too_long, inside, x, lengths);
        let pair_bits = _mm512_maddubs_epi16(length, _mm512_set1_epi8(1));
        out.fits = _mm512_cmpgt_epu16_mask(pair_bits, _mm512_set1_epi16(PAIR_BITS as i16)) == 0;

        let (code_low, code_high) = (_mm512_permutexvar_epi8(x, low), _mm512_permutexvar_epi8(x, high));
        let first = _mm512_ternarylogic_epi64::<SELECT>(_mm512_slli_epi16::<8>(code_high), code_low, low_byte);
        let second = _mm512_ternarylogic_epi64::<SELECT>(code_high, _mm512_srli_epi16::<8>(code_low), low_byte);
        let pair = _mm512_or_si512(_mm512_sllv_epi16(first, _mm512_srli_epi16::<8>(length)), second);
        let first = _mm512_and_si512(pair, _mm512_set1_epi32(0xFFFF));
        let first = _mm512_sllv_epi32(first, _mm512_srli_epi32::<16>(pair_bits));
        let quad = _mm512_or_si512(first, _mm512_srli_epi32::<16>(pair));
        let quad_bits = _mm512_madd_epi16(pair_bits, _mm512_set1_epi16(1));
        let second_bits = _mm512_srli_epi64::<32>(quad_bits);
        let first = _mm512_sllv_epi64(_mm512_and_si512(quad, _mm512_set1_epi64(0xFFFF_FFFF)), second_bits);
        let oct = _mm512_or_si512(first, _mm512_srli_epi64::<32>(quad));
        let oct_bits = _mm512_cvtepi64_epi8(_mm512_add_epi32(second_bits, quad_bits));

        // Running sums of the lengths: within 16 bytes, then over the vector.
        let sum = _mm512_add_epi8(length, _mm512_bslli_epi128::<1>(length));
        let sum = _mm512_add_epi8(sum, _mm512_bslli_epi128::<2>(sum));
        let sum = _mm512_add_epi8(sum, _mm512_bslli_epi128::<4>(sum));
        let sum = _mm512_add_epi8(sum, _mm512_bslli_epi128::<8>(sum));
        let sum = _mm512_add_epi8(sum, _mm512_maskz_permutexvar_epi8(!0 << 16, previous_lane, sum));
        let sum = _mm512_add_epi8(sum, _mm512_maskz_permutexvar_epi8(!0 << 32, second_lane, sum));
        // SAFETY: each field has the size of what is stored.
        unsafe {
            _mm512_storeu_si512(out.values.as_mut_ptr().cast(), oct);
            _mm512_storeu_si512(out.lengths.as_mut_ptr().cast(), length);
            _mm512_storeu_si512(out.ends.as_mut_ptr().cast(), sum);
            _mm_storel_epi64(out.bits.as_mut_ptr().cast(), oct_bits);
        }
    }
}

/// The second and the third pass: appends the codes, and notes where chunks begin. `at` is the shard's index of the first step.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,movbe,popcnt")]
#[inline(never)]
fn put_steps(shard: &mut Shard<'_>, at: usize, steps: &mut [Step]) {
    let mut bit = shard.bit;
    let (mut stream, mut next) = (shard.stream.take(), bit);
    for step in &mut *steps {
        step.start = next as u8;
        let [a, b, c, d, e, f, g, h] = step.values;
        let [a_bits, b_bits, c_bits, d_bits, e_bits, f_bits, g_bits, h_bits] = step.bits.map(u32::from);
        next += put_two(&mut stream, a, a_bits, b, b_bits);
        next += put_two(&mut stream, c, c_bits, d, d_bits);
        next += put_two(&mut stream, e, e_bits, f, f_bits);
        next += put_two(&mut stream, g, g_bits, h, h_bits);
    }
    (shard.stream, shard.bit) = (stream, next);

    for (number, step) in steps.iter().enumerate() {
        // SAFETY: the fields and the room are one vector each.
        let starts = unsafe {
            let length = _mm512_loadu_si512(step.lengths.as_ptr().cast());
            let end =
                _mm512_add_epi8(_mm512_loadu_si512(step.ends.as_ptr().cast()), _mm512_set1_epi8(step.start as i8));
            let end = _mm512_and_si512(end, _mm512_set1_epi8(63));
            let starts = _mm512_cmplt_epu8_mask(end, length);
            _mm512_storeu_si512(shard.gap_room().as_mut_ptr().cast(), _mm512_maskz_compress_epi8(starts, end));
            starts
        };
        let (count, to_block) = (starts.count_ones() as usize, chunks_to_block(bit));
        shard.chunks_start(count);
        if count >= to_block {
            let starter = _pdep_u64(1 << (to_block - 1), starts).trailing_zeros() as usize;
            shard.block_starts(at + number * STEP + starter + 1);
        }
        // Chunks are all that counts here.
        bit += count as u64 * CHUNK_BITS;
    }
}

/// Appends two bit strings of up to 64 bits. Returns their length.
#[inline(always)]
fn put_two(stream: &mut Sink<'_>, first: u64, first_bits: u32, second: u64, second_bits: u32) -> u64 {
    let bits = first_bits + second_bits;
    if bits <= MOST_BITS {
        stream.put(first << second_bits | second, bits);
    } else {
        put_halves(stream, first, first_bits);
        put_halves(stream, second, second_bits);
    }
    u64::from(bits)
}

/// Appends up to 64 bits.
#[inline(always)]
fn put_halves(stream: &mut Sink<'_>, value: u64, bits: u32) {
    let half = bits / 2;
    stream.put(value >> half, bits - half);
    stream.put(value & ((1 << half) - 1), half);
}

/// The higher byte of each word of two vectors.
static ODD: Indices = Indices::of(1, 1, 2);
/// The last byte of the 16 before.
static PREVIOUS_LANE: Indices = Indices::of(256 - 1, 16, 16);
/// The last byte of the 16 before those.
static SECOND_LANE: Indices = Indices::of(256 - 17, 16, 16);
