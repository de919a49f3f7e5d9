//! The fast kernel at the limits of the format: the fullest block, the longest stream, the last
//! weights.
#![cfg(not(df11_no_machine))]

#[path = "../../../tests/support/random.rs"]
#[allow(dead_code)]
mod random;
mod unit;

use df11_core::Code;
use df11_core::limits::{BLOCK_BYTES, MAX_BLOCK_WEIGHTS, MAX_STREAM_BYTES, MAX_WEIGHTS};
use df11_gpu_shim::{Order, Uploaded, Vendor, decode, gather};
use random::Random;
use unit::Parts;

/// Warps of NVIDIA and RDNA, and of CDNA; then AMD's header for both.
const FORMS: [(Vendor, u32); 4] = [(Vendor::Host, 32), (Vendor::Host, 64), (Vendor::Hip, 32), (Vendor::Hip, 64)];
/// What every GPU gives a thread block by default.
const SHARED_BYTES: usize = 48 * 1024;

fn order((vendor, warp): (Vendor, u32)) -> Order {
    Order { vendor, warp, seed: 1, count: false }
}

#[test]
fn a_block_of_32768_weights_fits_and_survives() {
    let mut random = Random::new(1);
    let word = |random: &mut Random| (120 + (random.next() as u16 & 1)) << 7 | random.next() as u16 & 0x807F;
    for weights in [MAX_BLOCK_WEIGHTS - 1, MAX_BLOCK_WEIGHTS, 3 * MAX_BLOCK_WEIGHTS + 5] {
        let words: Vec<u16> = (0..weights).map(|_| word(&mut random)).collect();
        let parts = Parts::of_one_bit_codes(&words, [120, 121]);
        let unit = parts.unit();
        assert_eq!(df11_kernels::fullest_block(&unit) as usize, weights.min(MAX_BLOCK_WEIGHTS));
        let uploaded = Uploaded::new(&unit, 16);
        for form in FORMS {
            let outcome =
                decode(&[(&uploaded, 0..weights as u64, 0..unit.blocks())], 2, 16, order(form)).expect("it runs");
            assert_eq!(outcome.status, [0], "{form:?}");
            let found = outcome.weights[0].iter().map(|weight| weight.to_bits());
            assert!(found.eq(words.iter().copied()), "{weights} weights, {form:?}");
        }
    }
    let shared = df11_kernels::Geometry::shared_bytes(df11_kernels::stage_bytes(MAX_BLOCK_WEIGHTS as u32));
    assert!(shared as usize <= SHARED_BYTES);
}

/// The last three blocks of the longest stream allowed, 2^31 - 4096 bytes, in codes of 4 bits, so
/// that the last weights have numbers near 2^32.
#[test]
fn the_end_of_the_longest_stream_survives() {
    let (stream_bytes, blocks) = (MAX_STREAM_BYTES as usize, MAX_STREAM_BYTES as usize / BLOCK_BYTES);
    let (each, weights) = (2 * BLOCK_BYTES, 2 * MAX_STREAM_BYTES);
    assert!(weights <= MAX_WEIGHTS);
    let mut lengths = [0; 256];
    lengths[96..112].fill(4);
    let code = Code::canonical(&lengths).expect("16 codes of 4 bits");
    let mut uploaded = Uploaded::zeros(&code, stream_bytes as u32, weights as u32, each as u32);
    let mut random = Random::new(2);
    let last = 3 * BLOCK_BYTES;
    uploaded.array(0)[stream_bytes - last..].fill_with(|| random.next() as u8);
    uploaded.array(1)[weights as usize - 2 * last..].fill_with(|| random.next() as u8);
    for (block, position) in uploaded.array(3).chunks_exact_mut(4).enumerate().skip(blocks - 4) {
        position.copy_from_slice(&((block * each) as u32).to_le_bytes());
    }
    let first = weights - 2 * last as u64;
    let nibble = |at: u64, uploaded: &mut Uploaded| uploaded.array(0)[(at / 2) as usize] >> (4 * (1 - at % 2)) & 15;
    let expected: Vec<u16> = (first..weights)
        .map(|at| {
            let (exponent, byte) = (96 + nibble(at, &mut uploaded), uploaded.array(1)[at as usize]);
            u16::from(byte & 0x80) << 8 | u16::from(exponent) << 7 | u16::from(byte & 0x7F)
        })
        .collect();
    for form in FORMS {
        for (from, align) in [(first, 16), (first + 1, 2), (weights - 1, 2)] {
            let block = blocks - 3 + (from - first) as usize / each;
            let outcome = decode(&[(&uploaded, from..weights, block..blocks)], 2, align, order(form)).expect("it runs");
            assert_eq!(outcome.status, [0], "{form:?} from {from}");
            let found = outcome.weights[0].iter().map(|weight| weight.to_bits());
            assert!(found.eq(expected[(from - first) as usize..].iter().copied()), "{form:?} from {from}");
        }
    }
}

/// All output positions are overwritten with zeros after validation, and the window is at the other
/// end: numbers of weights near 2^32 must not wrap round into the arrays. The guard pages tell.
#[test]
fn zeroed_positions_of_the_longest_stream_touch_nothing_else() {
    let (stream_bytes, blocks) = (MAX_STREAM_BYTES as usize, MAX_STREAM_BYTES as usize / BLOCK_BYTES);
    let (each, weights) = (2 * BLOCK_BYTES, 2 * MAX_STREAM_BYTES);
    let mut lengths = [0; 256];
    lengths[96..112].fill(4);
    let code = Code::canonical(&lengths).expect("16 codes of 4 bits");
    let uploaded = Uploaded::zeros(&code, stream_bytes as u32, weights as u32, each as u32);
    for form in FORMS {
        for first in [weights - 1, weights - 100, weights - 1000, weights - 8000] {
            let outcome = decode(&[(&uploaded, first..weights, blocks - 1..blocks)], 2, 16, order(form));
            assert_ne!(outcome.expect("it runs").status, [0], "{form:?} from {first}");
        }
        let outcome = gather(&uploaded, weights - 64..weights, &[0], 64, 1, order(form)).expect("it runs");
        assert_ne!(outcome.status, [0], "{form:?}, a row");
    }
}
