//! Writes lanes of codes to bytes of the stream, and finds where chunks and blocks begin.

use core::arch::asm;
use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use df11_core::limits::{BLOCK_CHUNKS, CHUNK_BITS};

use super::steps::{LANE, LANE_BITS, LANES, Merged, STEP, load, sllv_epi64};
use crate::encode::{GAPS_AT_ONCE, Shard, chunks_to_block};
use crate::x86_64::avx512::indices::Indices;

/// Most bytes that a step stores to, counted from the byte in which it begins.
const REACH: usize = LANES * LANE_BITS as usize / 8 + 1 + 8;

const _: () =
    assert!(GAPS_AT_ONCE == 64 && STEP <= 64, "the room for gaps is one vector, and a step begins no more chunks");
const _: () = assert!(REACH >= ((LANES - 1) * LANE_BITS as usize).div_ceil(8) + size_of::<u64>());
const _: () = assert!(LANE_BITS + 7 < 64, "a lane fits behind the bits that are in its first byte already");
const _: () = assert!(LANE >= 8, "the bits in a lane's first byte are those of one lane only");

with_features!(
    /// Puts steps, up to one that comes too near to the end of the shard's stream. Returns how many
    /// it put. `at` is the index in the shard of the first weight.
    ///
    /// # Safety
    /// No lane of a step has codes of more than `LANE_BITS` bits together.
    #[inline(never)]
    pub(super) unsafe fn put_steps(shard: &mut Shard<'_>, at: usize, steps: &[Merged]) -> usize {
        let [lane_ends, first_of_lane, swap] = [&LANE_ENDS, &FIRST_OF_LANE, &SWAP].map(|indices| load(&indices.0));
        let mut sink = shard.stream.take();
        let (bytes, pending) = sink.open();
        // Bits and bytes count from the chunk in which the first step begins.
        let begin = shard.bit % CHUNK_BITS;
        let before = (begin / 8) as usize;
        let (first, room) = (bytes.as_mut_ptr().wrapping_sub(before), bytes.len() + before);
        let mut to_block = chunks_to_block(shard.bit);
        let mut bit = begin;
        let mut start = _mm512_set1_epi64(begin as i64);
        let mut carry = _mm512_set1_epi64(pending as i64);
        let mut done = 0;
        for step in steps {
            if (bit / 8) as usize + REACH > room {
                break;
            }
            // SAFETY: both are one vector, and aligned as one.
            let (codes, lengths) = unsafe {
                (_mm512_load_si512(step.codes.as_ptr().cast()), _mm512_load_si512(step.lengths.as_ptr().cast()))
            };
            let ends = _mm512_mullo_epi64(lengths, _mm512_set1_epi8(1));
            let zero = _mm512_setzero_si512();
            let bits_before = _mm512_sad_epu8(_mm512_maskz_permutexvar_epi8(LANES_BEFORE, lane_ends, ends), zero);
            let bits = _mm512_sad_epu8(_mm512_permutexvar_epi8(lane_ends, ends), zero);

            let from = _mm512_add_epi64(start, bits_before);
            let held = _mm512_add_epi64(_mm512_and_si512(from, _mm512_set1_epi64(7)), _mm512_srli_epi64::<56>(ends));
            let placed = sllv_epi64(codes, _mm512_sub_epi64(_mm512_set1_epi64(64), held));
            let left = sllv_epi64(placed, _mm512_and_si512(held, _mm512_set1_epi64(!7)));
            let window = _mm512_or_si512(placed, _mm512_alignr_epi64::<7>(left, carry));
            // SAFETY: `REACH` bytes from the first byte of the step on are within `bytes`, as
            // checked above. The last lane begins after at most LANES - 1 others of LANE_BITS bits,
            // which the caller guarantees.
            unsafe { store_lanes(first, _mm512_srli_epi64::<3>(from), _mm512_shuffle_epi8(window, swap)) };

            let end = _mm512_add_epi8(ends, _mm512_shuffle_epi8(from, first_of_lane));
            let end = _mm512_and_si512(end, _mm512_set1_epi8(CHUNK_BITS as i8 - 1));
            let starts = _mm512_cmplt_epu8_mask(end, lengths);
            // SAFETY: the room is one vector.
            unsafe {
                _mm512_storeu_si512(shard.gap_room().as_mut_ptr().cast(), _mm512_maskz_compress_epi8(starts, end))
            };
            let count = starts.count_ones() as usize;
            shard.chunks_start(count);
            if count >= to_block {
                let starter = _pdep_u64(1 << (to_block - 1), starts).trailing_zeros() as usize;
                shard.block_starts(at + done * STEP + starter + 1);
                to_block += BLOCK_CHUNKS;
            }
            to_block -= count;

            bit += _mm_cvtsi128_si64(_mm512_castsi512_si128(bits)) as u64;
            start = _mm512_add_epi64(start, bits);
            carry = left;
            done += 1;
        }
        let pending = _mm_extract_epi64::<1>(_mm512_extracti32x4_epi32::<3>(carry)) as u64;
        sink.advance((bit - begin) as usize, pending);
        shard.stream = sink;
        shard.bit += bit - begin;
        done
    }
);

/// Stores lanes, the first one first, each at its place after `first`.
///
/// # Safety
/// 8 bytes at every place may be written.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn store_lanes(first: *mut u8, places: __m512i, lanes: __m512i) {
    let mut vectors = [const { Vector(MaybeUninit::uninit()) }; 2];
    // SAFETY: each is one vector. The caller guarantees the places.
    unsafe {
        _mm512_store_si512(vectors[0].0.as_mut_ptr().cast(), places);
        _mm512_store_si512(vectors[1].0.as_mut_ptr().cast(), lanes);
        // There is no instruction here. It hides what was stored: otherwise the optimiser would
        // take the vectors apart lane by lane.
        asm!("/* {0} */", in(reg) &mut vectors, options(nostack, preserves_flags));
        let [places, lanes] = vectors.each_ref().map(|vector| vector.0.assume_init_ref());
        for (&place, &lane) in places.iter().zip(lanes) {
            first.wrapping_add(place as usize).cast::<u64>().write_unaligned(lane);
        }
    }
}

/// A vector in memory, in one cache line. After a store to two lines, loading the lanes took as
/// long as all the rest.
#[repr(align(64))]
struct Vector(MaybeUninit<[u64; LANES]>);

/// The last byte of each lane, in every lane.
static LANE_ENDS: Indices = Indices::of(7, 8, 8, 0);
/// Of these bytes, lane i keeps the first i.
const LANES_BEFORE: u64 = 0x7F3F_1F0F_0703_0100;
/// The first byte of each lane, eight times, within each half of 16 bytes.
static FIRST_OF_LANE: Indices = Indices::of(0, 8, 0, 8);
/// The bytes of each lane backwards.
static SWAP: Indices = Indices::of(7, 8, 255, 8);
