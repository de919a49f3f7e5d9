//! The reference decoder: the published layout, one bit at a time, with every number checked.
//!
//! It is written from the description of the format alone. It is slow on purpose, and stricter than
//! the kernel: the gap of every chunk in which a code starts, the output position of every block
//! and the last byte must be exactly what the codes imply. It accepts what a reader must accept:
//! see [`check_positions`].

use super::RawUnit;

const CHUNK_BITS: u64 = 8 * 8;
const BLOCK_BYTES: usize = 8 * 512;
const BLOCK_BITS: u64 = BLOCK_BYTES as u64 * 8;
const LEVELS: usize = 4;

/// All weights of the unit, as BF16 words in stream order.
pub fn decode(unit: &RawUnit) -> Result<Vec<u16>, String> {
    let tables = Tables::read(unit.luts)?;
    let weights = unit.sign_mantissa.len();
    let bytes = unit.encoded_exponent.len();
    if weights == 0 || bytes == 0 {
        return Err(format!("a unit of {weights} weights in {bytes} bytes of stream"));
    }
    let blocks = bytes.div_ceil(BLOCK_BYTES);
    let gap_bytes = blocks * 512 * 5 / 8;
    if unit.gaps.len() != gap_bytes {
        return Err(format!("{} bytes of gaps, expected {gap_bytes}", unit.gaps.len()));
    }
    let positions = read_u32s(unit.output_positions)?;

    let mut stream = Bits { bytes: unit.encoded_exponent, at: 0 };
    let mut out = Vec::with_capacity(weights);
    let (mut chunks_begun, mut blocks_begun) = (0_u64, 0_u64);
    for &sign_mantissa in unit.sign_mantissa {
        let start = stream.at;
        // A code has at most 32 bits, so none steps over a chunk of 64 bits or over a block.
        if start / CHUNK_BITS == chunks_begun {
            check_gap(unit.gaps, chunks_begun, start % CHUNK_BITS)?;
            chunks_begun += 1;
        }
        if start / BLOCK_BITS == blocks_begun {
            let position = positions.get(blocks_begun as usize);
            if position != Some(&(out.len() as u64)) {
                return Err(format!(
                    "block {blocks_begun} begins with weight {}, its position says {position:?}",
                    out.len()
                ));
            }
            blocks_begun += 1;
        }
        let exponent = tables.next_exponent(&mut stream).map_err(|e| format!("weight {}: {e}", out.len()))?;
        let (sign, mantissa) = (u16::from(sign_mantissa >> 7), u16::from(sign_mantissa & 0x7F));
        out.push(sign << 15 | u16::from(exponent) << 7 | mantissa);
    }
    if stream.at.div_ceil(8) != bytes as u64 {
        return Err(format!("the codes end at bit {}, the stream has {bytes} bytes", stream.at));
    }
    check_positions(&positions, blocks, blocks_begun as usize, stream.at, weights as u64)?;
    Ok(out)
}

/// The weights of each matrix, as ranges into the decoded unit.
pub fn matrices(unit: &RawUnit) -> Result<Vec<std::ops::Range<usize>>, String> {
    if !unit.split_positions.len().is_multiple_of(8) {
        return Err(format!("split_positions of {} bytes", unit.split_positions.len()));
    }
    let mut ranges = Vec::new();
    let mut start = 0;
    let ends = unit.split_positions.chunks_exact(8).map(|e| i64::from_le_bytes(e.try_into().expect("8 bytes")));
    for end in ends.chain([unit.sign_mantissa.len() as i64]) {
        let end = usize::try_from(end).map_err(|_| format!("a matrix that ends at {end}"))?;
        if end < start || end > unit.sign_mantissa.len() {
            return Err(format!("a matrix from {start} to {end}"));
        }
        ranges.push(start..end);
        start = end;
    }
    Ok(ranges)
}

/// Checks the positions after the blocks in which a code starts. Two forms exist if the last code
/// runs into a new block: a position N for that block and the closing N; or, if that code also ends
/// on a byte boundary, the closing N alone.
fn check_positions(positions: &[u64], blocks: usize, begun: usize, end: u64, weights: u64) -> Result<(), String> {
    let one_missing = begun + 1 == blocks && end.is_multiple_of(8) && positions.len() == blocks;
    if positions.len() != blocks + 1 && !one_missing {
        return Err(format!("{} positions for {blocks} blocks", positions.len()));
    }
    if let Some(other) = positions[begun..].iter().find(|&&p| p != weights) {
        return Err(format!("a position of {other} behind the last code, expected {weights}"));
    }
    Ok(())
}

fn check_gap(gaps: &[u8], chunk: u64, expected: u64) -> Result<(), String> {
    let mut bits = Bits { bytes: gaps, at: chunk * 5 };
    let mut gap = 0;
    for _ in 0..5 {
        gap = gap << 1 | bits.take().ok_or_else(|| format!("no gap for chunk {chunk}"))?;
    }
    if gap != expected {
        return Err(format!("chunk {chunk} has gap {gap}, its first code starts at bit {expected}"));
    }
    Ok(())
}

fn read_u32s(bytes: &[u8]) -> Result<Vec<u64>, String> {
    if !bytes.len().is_multiple_of(4) {
        return Err(format!("output_positions of {} bytes", bytes.len()));
    }
    Ok(bytes.chunks_exact(4).map(|b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect())
}

/// Bits of a byte string, most significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: u64,
}

impl Bits<'_> {
    fn take(&mut self) -> Option<u64> {
        let byte = self.bytes.get((self.at / 8) as usize)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u64::from(bit))
    }
}

/// A code word: its length, and its bits right-aligned.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Code {
    length: u32,
    bits: u64,
}

struct Tables<'a> {
    rows: Vec<&'a [u8]>,
    lengths: &'a [u8],
    codes: [Option<Code>; 256],
}

impl<'a> Tables<'a> {
    fn read(luts: &'a [u8]) -> Result<Tables<'a>, String> {
        let mut rows: Vec<&[u8]> = luts.chunks(256).collect();
        if !luts.len().is_multiple_of(256) || !(2..=18).contains(&rows.len()) {
            return Err(format!("luts of {} bytes", luts.len()));
        }
        let lengths = rows.pop().expect("at least two rows");
        let mut tables = Tables { rows, lengths, codes: [None; 256] };
        tables.recover_codes();
        tables.check_codes()?;
        Ok(tables)
    }

    /// Entries that no code reaches may hold anything, so the codes are what the tables say FIRST.
    /// In table order, the first pointer to a table gives its level and prefix, and the first
    /// aligned run of an exponent on its level gives its code.
    fn recover_codes(&mut self) {
        let mut place: Vec<Option<(usize, u64)>> = vec![None; self.rows.len()];
        place[0] = Some((0, 0));
        for (t, row) in self.rows.iter().enumerate() {
            let Some((level, prefix)) = place[t] else {
                continue;
            };
            for (index, &entry) in row.iter().enumerate() {
                if entry >= 240 && level < LEVELS - 1 {
                    let target = 256 - usize::from(entry);
                    if target < place.len() && place[target].is_none() {
                        place[target] = Some((level + 1, prefix << 8 | index as u64));
                    }
                    continue;
                }
                let length = u32::from(self.lengths[usize::from(entry)]);
                let inside = length.wrapping_sub(8 * level as u32);
                if !(1..=8).contains(&inside) || self.codes[usize::from(entry)].is_some() {
                    continue;
                }
                let run = 1 << (8 - inside);
                if index % run == 0 && row[index..index + run].iter().all(|&e| e == entry) {
                    let bits = prefix << inside | (index / run) as u64;
                    self.codes[usize::from(entry)] = Some(Code { length, bits });
                }
            }
        }
    }

    /// Checks that no code is the beginning of another (which also bounds the Kraft sum by 1).
    fn check_codes(&self) -> Result<(), String> {
        let codes: Vec<Code> = self.codes.iter().flatten().copied().collect();
        for (i, a) in codes.iter().enumerate() {
            for b in &codes[i + 1..] {
                let shorter = a.length.min(b.length);
                if a.bits >> (a.length - shorter) == b.bits >> (b.length - shorter) {
                    return Err(format!("one code begins another: {a:?} and {b:?}"));
                }
            }
        }
        Ok(())
    }

    /// Walks the tables level by level, 8 bits each, then gives back the bits that do not belong to
    /// this code.
    fn next_exponent(&self, stream: &mut Bits) -> Result<u8, String> {
        let start = stream.at;
        let (mut table, mut walked) = (0, 0_u64);
        for level in 0..LEVELS {
            let mut index = 0;
            for _ in 0..8 {
                // A code may end before the 8 bits do, also at the end of the stream. What follows
                // does not matter.
                index = index << 1 | stream.take().unwrap_or(0);
            }
            walked = walked << 8 | index;
            let entry = self.rows[table][index as usize];
            if entry >= 240 && level < LEVELS - 1 {
                table = 256 - usize::from(entry);
                if table >= self.rows.len() {
                    return Err(format!("pointer {entry} to table {table} of {}", self.rows.len()));
                }
                continue;
            }
            let read = 8 * (level as u32 + 1);
            let code = self.codes[usize::from(entry)].ok_or_else(|| format!("exponent {entry} has no code"))?;
            if code.length > read || walked >> (read - code.length) != code.bits {
                return Err(format!("bits {walked:#0b} meet an entry {entry} that no code reaches"));
            }
            stream.at = start + u64::from(code.length);
            if stream.at > stream.bytes.len() as u64 * 8 {
                return Err(format!("a code of {} bits runs past the stream", code.length));
            }
            return Ok(entry);
        }
        unreachable!("the last level returns")
    }
}
