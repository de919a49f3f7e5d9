//! Plain reading, which no product can be faster than.

use std::hint::black_box;

use rayon::prelude::*;

/// Bytes of a row: 4096 columns of BF16.
pub const ROW_BYTES: usize = 4096 * 2;
/// Bytes of a cache line.
const LINE: usize = 64;

/// Reads bytes, on all threads of the current pool.
pub type Reader = fn(&[u8]);

/// Readers of 1, 4 and 8 rows side by side. Which one is fastest depends on how many streams of
/// addresses the processor fetches ahead.
pub const READERS: [Reader; 3] = [on_all_threads::<1>, on_all_threads::<4>, on_all_threads::<8>];

fn on_all_threads<const ROWS: usize>(bytes: &[u8]) {
    let rows = (bytes.len() / ROW_BYTES).div_ceil(rayon::current_num_threads()).max(1);
    bytes.par_chunks(rows * ROW_BYTES).for_each(|part| {
        black_box(read::<ROWS>(part));
    });
}

/// The XOR of all lines. It needs every byte, and costs less than fetching it.
fn read<const ROWS: usize>(bytes: &[u8]) -> [u8; LINE] {
    const LINES: usize = ROW_BYTES / LINE;
    let mut all = [0; LINE];
    let mut add = |line: &[u8; LINE]| all.iter_mut().zip(line).for_each(|(all, byte)| *all ^= byte);
    let (lines, _) = bytes.as_chunks();
    let side_by_side = lines.chunks_exact(ROWS * LINES);
    let rest = side_by_side.remainder();
    for rows in side_by_side {
        for line in 0..LINES {
            for row in 0..ROWS {
                add(&rows[row * LINES + line]);
            }
        }
    }
    rest.iter().for_each(&mut add);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_reads_every_byte() {
        let zeros = vec![0; 11 * ROW_BYTES];
        for place in [0, 63, ROW_BYTES, 5 * ROW_BYTES + 77, 11 * ROW_BYTES - 1] {
            let mut bytes = zeros.clone();
            bytes[place] = 1;
            for read in [read::<1>, read::<4>, read::<8>] {
                assert_eq!(read(&bytes)[place % LINE], 1, "byte {place}");
                assert_eq!(read(&zeros), [0; LINE]);
            }
        }
    }
}
