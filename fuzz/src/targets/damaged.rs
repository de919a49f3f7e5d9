//! Bytes of any origin: either every decoder refuses them, or all accept them and read the same.

use super::any_words;
use crate::support::agreement::verdict;
use crate::support::any_unit;
use crate::support::draw::{Bytes, Draw};
use crate::support::library::Coded;
use crate::support::lies;
use crate::support::published_writer;

const TENSORS: [&str; 6] = ["encoded_exponent", "sign_mantissa", "luts", "gaps", "output_positions", "split_positions"];

/// Most weights of a unit, by a draw.
const MOST: [usize; 16] = [16, 16, 16, 16, 16, 16, 16, 16, 100, 100, 100, 100, 400, 400, 2000, 8000];

/// Most weights of a unit that lies: enough for several blocks of most codes.
const MOST_OF_LIES: usize = 8000;

/// A unit that lies; or a sound one (of ours, of the published compressor, or of any code) with up
/// to four damages.
pub fn decode_any_bytes(data: &[u8]) {
    let mut draw = Bytes::new(data);
    let most = MOST[draw.below(16) as usize];
    let mut coded = match draw.below(5) {
        0 => any_unit::write(&mut draw, most).coded,
        3.. => {
            let lying = lies::write(&mut draw, MOST_OF_LIES);
            verdict(&lying.lies.join("; "), &lying.coded);
            return;
        }
        writer => {
            let words = any_words(&mut draw, most);
            let published = (writer == 1).then(|| published_writer::write(&words).ok()).flatten();
            published.unwrap_or_else(|| Coded::by_core(&words))
        }
    };
    for _ in 0..1 + draw.below(4) {
        damage(&mut coded, &mut draw);
    }
    verdict("damaged unit", &coded);
}

/// Damages one tensor once.
pub(super) fn damage(coded: &mut Coded, draw: &mut Bytes) {
    let tensor = TENSORS[draw.below(6) as usize];
    let bytes = coded.tensor_mut(tensor);
    let at = draw.below(bytes.len().max(1) as u64) as usize;
    match draw.below(8) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << draw.below(8),
        1 if !bytes.is_empty() => bytes[at] = draw.below(256) as u8,
        2 => bytes.truncate(at),
        3 => bytes.extend((0..1 + draw.below(600)).map(|i| i as u8)),
        // One number of an index, a little higher or lower.
        4 if bytes.len() >= 4 => {
            let entry = &mut bytes[at / 4 * 4..];
            if let Some(entry) = entry.first_chunk_mut::<4>() {
                let change = draw.below(5) as u32;
                *entry = u32::from_le_bytes(*entry).wrapping_add(change).wrapping_sub(2).to_le_bytes();
            }
        }
        // A code of another length.
        5 => {
            let row = coded.luts.len().saturating_sub(256);
            let exponents: Vec<usize> = (row..coded.luts.len()).filter(|&at| coded.luts[at] > 0).collect();
            if !exponents.is_empty() {
                coded.luts[exponents[draw.below(exponents.len() as u64) as usize]] = draw.below(34) as u8;
            }
        }
        // One tensor in the place of another.
        6 => {
            let other = TENSORS[draw.below(6) as usize];
            let (one, two) = (std::mem::take(coded.tensor_mut(tensor)), coded.tensor_mut(other).clone());
            *coded.tensor_mut(other) = if other == tensor { one.clone() } else { one };
            *coded.tensor_mut(tensor) = two;
        }
        _ => {
            let splits = (0..draw.below(4)).flat_map(|_| (draw.below(1 << 16) as i64 - 99).to_le_bytes());
            coded.split_positions = splits.collect();
        }
    }
}

/// Makes six arrays from the bytes: the length of each as a u24; a choice whether index arrays get
/// the length that fits, and positions that rise evenly; then their contents.
pub fn validate(data: &[u8]) {
    let mut draw = Bytes::new(data);
    let lengths: [usize; 6] = std::array::from_fn(|_| draw.below(1 << 24) as usize);
    let fits = draw.below(256) == 0;
    let mut rest = draw.rest();
    let mut coded = Coded::default();
    for (tensor, length) in TENSORS.into_iter().zip(lengths) {
        let (bytes, behind) = rest.split_at(length.min(rest.len()));
        rest = behind;
        *coded.tensor_mut(tensor) = bytes.to_vec();
    }
    if fits {
        let blocks = coded.encoded_exponent.len().div_ceil(4096);
        coded.gaps.resize(320 * blocks, 0);
        let position = |block: usize| (block * coded.sign_mantissa.len() / blocks.max(1)) as u32;
        coded.output_positions = (0..=blocks).flat_map(|block| position(block).to_le_bytes()).collect();
    }
    verdict("arrays", &coded);
}
