//! What the published compressor (package `dfloat11` 0.5.0 over `dahuffman` 0.4.2) would write for
//! a unit, byte for byte. Readers meet these units in practice, and our own encoder never makes
//! them.
//!
//! - An end-of-stream symbol, counted once, takes part in the Huffman tree. The first bits of its
//!   code fill the last byte.
//! - Codes are read off the tree. When two nodes are joined, the lighter takes bit 0; of equals,
//!   the one whose first leaf is less. The end of stream is less than every exponent.
//! - A table entry that no code sets repeats the entry before it, also from one table into the
//!   next.
//! - A block in which no code starts gets an output position only if the stream does not end on a
//!   byte boundary.

use super::library::Coded;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The symbols are the exponents and this one, which compares less than all of them.
const END: i32 = -1;

#[derive(Clone, Copy, Debug)]
struct Code {
    length: u32,
    bits: u64,
}

/// Writes a unit of one matrix, or says why the published compressor cannot.
pub fn write(weights: &[u16]) -> Result<Coded, String> {
    let exponents: Vec<u8> = weights.iter().map(|word| (word >> 7) as u8).collect();
    if exponents.iter().any(|&exponent| exponent >= 240) {
        return Err(
            "an exponent of 240 or more: the published compressor writes it, but not so that it can be read".into()
        );
    }
    let codes = codes(&exponents);
    if codes.iter().any(|(_, code)| code.length > 32) {
        return Err("a code of more than 32 bits".into());
    }
    let mut coded = stream(&exponents, &codes);
    coded.luts = luts(&codes)?;
    coded.sign_mantissa = weights.iter().map(|word| (word >> 8 & 0x80 | word & 0x7F) as u8).collect();
    Ok(coded)
}

/// Every symbol's code, in the order of the tree's leaves.
fn codes(exponents: &[u8]) -> Vec<(i32, Code)> {
    let mut counts = [0_u64; 256];
    exponents.iter().for_each(|&exponent| counts[usize::from(exponent)] += 1);
    let counted =
        (0..256).map(|symbol| (counts[symbol as usize], symbol)).chain([(1, END)]).filter(|&(count, _)| count > 0);
    // The first leaf tells any two nodes apart, so the rest of the key never decides.
    let mut heap: BinaryHeap<_> =
        counted.map(|(count, symbol)| Reverse((count, vec![(symbol, 0_u32, 0_u64)]))).collect();
    while heap.len() > 1 {
        let Reverse((light, mut leaves)) = heap.pop().expect("two are left");
        let Reverse((heavy, others)) = heap.pop().expect("one is left");
        leaves.extend(
            others
                .into_iter()
                .map(|(symbol, length, bits)| (symbol, length, bits | 1_u64.checked_shl(length).unwrap_or(0))),
        );
        leaves.iter_mut().for_each(|(_, length, _)| *length += 1);
        heap.push(Reverse((light + heavy, leaves)));
    }
    let Reverse((_, leaves)) = heap.pop().expect("the end-of-stream symbol at least");
    leaves.into_iter().map(|(symbol, length, bits)| (symbol, Code { length, bits })).collect()
}

/// The first `bytes` bytes of a code.
fn start(code: Code, bytes: u32) -> (u32, u64) {
    (bytes, code.bits >> (code.length - 8 * bytes))
}

fn luts(codes: &[(i32, Code)]) -> Result<Vec<u8>, String> {
    let exponents = || codes.iter().filter(|(symbol, _)| *symbol != END);
    // The whole bytes that lead to each table. The sort keeps the order of the leaves.
    let mut tables = vec![(0, 0)];
    for &(_, code) in exponents() {
        let table = start(code, (code.length - 1) / 8);
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables.sort_by_key(|&(bytes, _)| bytes);
    if tables.len() > 17 {
        return Err(format!("{} tables", tables.len()));
    }
    let (mut luts, mut last) = (Vec::new(), None);
    for &table in &tables {
        let mut entries = [None; 256];
        for &(symbol, code) in exponents() {
            let (depth, level) = ((code.length - 1) / 8, table.0);
            if depth < level || start(code, level) != table {
                continue;
            }
            if depth == level {
                let inside = code.length - 8 * level;
                let index = (code.bits & ((1 << inside) - 1)) << (8 - inside);
                entries[index as usize] = Some(symbol as u8);
            } else {
                let (_, bits) = start(code, level + 1);
                let next = tables.iter().position(|&t| t == start(code, level + 1)).ok_or("a table is missing")?;
                entries[(bits & 0xFF) as usize] = Some((256 - next) as u8);
            }
        }
        for entry in entries {
            last = entry.or(last);
            luts.push(last.ok_or("the end-of-stream symbol takes the first entry: the published compressor stops")?);
        }
    }
    let mut lengths = [0; 256];
    exponents().for_each(|&(symbol, code)| lengths[symbol as usize] = code.length as u8);
    luts.extend(lengths);
    Ok(luts)
}

/// Stream, gaps and output positions.
fn stream(exponents: &[u8], codes: &[(i32, Code)]) -> Coded {
    let mut by_symbol = [None; 256];
    codes
        .iter()
        .filter(|(symbol, _)| *symbol != END)
        .for_each(|&(symbol, code)| by_symbol[symbol as usize] = Some(code));
    let end_code = codes.iter().find(|(symbol, _)| *symbol == END).expect("the end-of-stream symbol has a code").1;

    let (mut bits, mut gaps, mut positions) = (Bits::default(), Vec::new(), Vec::<u32>::new());
    let mut symbol_starts = |bit: u64, index: usize| {
        if bit / 64 >= gaps.len() as u64 {
            gaps.push(bit % 64);
        }
        if bit / (4096 * 8) >= positions.len() as u64 {
            positions.push(index as u32);
        }
    };
    for (index, &exponent) in exponents.iter().enumerate() {
        symbol_starts(bits.written, index);
        bits.put(by_symbol[usize::from(exponent)].expect("every exponent has a code"));
    }
    if bits.written % 8 > 0 {
        symbol_starts(bits.written, exponents.len());
        let free = 8 - bits.written % 8;
        bits.put(end_code);
        let codes_end = bits.written - u64::from(end_code.length);
        bits.bytes.truncate((codes_end + free) as usize / 8);
    }
    positions.push(exponents.len() as u32);

    let blocks = bits.bytes.len().div_ceil(4096);
    gaps.resize(blocks * 512, 0);
    let mut packed = Bits::default();
    gaps.iter().for_each(|&gap| packed.put(Code { length: 5, bits: gap }));
    Coded {
        encoded_exponent: bits.bytes,
        gaps: packed.bytes,
        output_positions: positions.iter().flat_map(|position| position.to_le_bytes()).collect(),
        ..Coded::default()
    }
}

/// Appends bits, most significant first. Zeros fill the last byte.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    written: u64,
}

impl Bits {
    fn put(&mut self, code: Code) {
        for at in (0..code.length).rev() {
            if self.written.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (code.bits >> at & 1) as u8;
            *self.bytes.last_mut().expect("a byte was begun") |= bit << (7 - self.written % 8);
            self.written += 1;
        }
    }
}
