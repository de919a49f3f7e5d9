//! The published CUDA kernel and its launcher (package `dfloat11` 0.5.0), played on the CPU: what
//! it would return for a unit, or how it would go wrong. It is written from the kernel's behaviour,
//! to prove that users of that kernel can read what we write.
//!
//! ```text
//! launch   grid = ceil(n_bytes / 4096) blocks of 512 threads,
//!          shared memory = 2052 + 2 x the fullest block
//! phase 1  window = 12 bytes of stream, big-endian: 8 to shift through, 4 to come in after 32 bits
//!          skip gap bits; count codes until 64 bits are used up
//! scan     counts -> first weight of each thread, counted from the block's output position
//! phase 2  the same walk again, each exponent merged with its sign_mantissa into the staged block
//! copy     the staged block -> outputs
//! ```
//!
//! Kept from the original because a file can depend on it:
//! 1. Bytes past the stream are never loaded: they are whatever the registers hold. The same is
//!    true of a gap byte past the gaps and an output position past the positions. Here they are
//!    random, by a seed.
//! 2. A window offset is an 8-bit number and wraps; a chunk's byte offset is a signed 32-bit number
//!    and wraps; positions and indices are unsigned 32-bit.
//! 3. Entries are compared with 240 after three look-ups, not after the fourth. Lengths come from
//!    the last row, whatever it is.
//! 4. Phase 1 has no bound but the bits it uses: a code of length 0 makes it run for ever. Here
//!    that is an error.
//! 5. The launcher does not ask for more than 48 KiB of shared memory, so a fuller block is an
//!    error.

use super::RawUnit;
use super::random::Random;

const THREADS: usize = 512;
const CHUNK_BYTES: i32 = 8;
const SHARED_BYTES: u64 = 48 * 1024;
/// After 512 counts and one more word, the staged weights begin.
const STAGE_AT: u64 = 4 * THREADS as u64 + 4;
/// After 64 codes of at least one bit a window is all zeros, and its offset has 256 values: a
/// longer walk repeats itself. Phase 1 walks twice, before and after the last four bytes come in.
const ENDLESS: u32 = 2 * (64 + 256);

/// Runs the kernel over the whole unit. `seed` fills what the hardware leaves undefined.
pub fn decode(unit: &RawUnit, seed: u64) -> Result<Vec<u16>, String> {
    let positions = positions(unit)?;
    let fullest = positions.windows(2).map(|p| p[1].wrapping_sub(p[0])).max().unwrap_or(0);
    let shared = STAGE_AT + 2 * u64::from(fullest);
    if shared > SHARED_BYTES {
        return Err(format!("launch refused: {shared} bytes of shared memory for a block of {fullest} weights"));
    }
    let n_bytes = i32::try_from(unit.encoded_exponent.len()).map_err(|_| "n_bytes is no signed 32-bit number")?;
    let n_elements = u32::try_from(unit.sign_mantissa.len()).map_err(|_| "n_elements is no 32-bit number")?;
    let blocks = unit.encoded_exponent.len().div_ceil(THREADS * CHUNK_BYTES as usize);
    if blocks == 0 {
        return Err("launch refused: a grid of 0 blocks".into());
    }
    let mut launch = Launch {
        unit,
        positions,
        n_bytes,
        n_elements,
        staged: vec![None; fullest as usize],
        outputs: vec![None; unit.sign_mantissa.len()],
        undefined: Random::new(seed),
    };
    for block in 0..blocks {
        launch.run_block(block).map_err(|e| format!("block {block}: {e}"))?;
    }
    let all = launch.outputs.iter().enumerate();
    all.map(|(i, word)| word.ok_or_else(|| format!("weight {i} is never written"))).collect()
}

fn positions(unit: &RawUnit) -> Result<Vec<u32>, String> {
    if !unit.output_positions.len().is_multiple_of(4) || unit.output_positions.len() < 8 {
        return Err(format!("the loader cannot view {} bytes as positions", unit.output_positions.len()));
    }
    Ok(unit.output_positions.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

struct Launch<'a> {
    unit: &'a RawUnit<'a>,
    positions: Vec<u32>,
    n_bytes: i32,
    n_elements: u32,
    /// The block's weights in shared memory; `None` if no thread has written there since the block
    /// began.
    staged: Vec<Option<u16>>,
    outputs: Vec<Option<u16>>,
    undefined: Random,
}

/// One thread's registers: 64 bits to decode from, the 32 bits after them, and how many bits are
/// used.
#[derive(Clone, Copy)]
struct Window {
    long: u64,
    register: u32,
    used: u8,
}

impl Launch<'_> {
    fn run_block(&mut self, block: usize) -> Result<(), String> {
        self.staged.fill(None);
        let mut windows = Vec::with_capacity(THREADS);
        let mut counts = Vec::with_capacity(THREADS);
        for thread in 0..THREADS {
            let window = self.load_window((block * THREADS + thread) as i32)?;
            counts.push(self.count(window).map_err(|e| format!("thread {thread}: {e}"))?);
            windows.push(window);
        }

        let mut sums = counts.clone();
        sums[0] = sums[0].wrapping_add(self.position(block)?);
        exclusive_scan(&mut sums);
        let (first, end) = (self.position(block)?, self.position(block + 1)?);
        sums[0] = first;

        for thread in 0..THREADS {
            let (from, to) = (sums[thread], sums[thread].wrapping_add(counts[thread]).min(self.n_elements));
            self.write(windows[thread], from, to, first).map_err(|e| format!("thread {thread}: {e}"))?;
        }

        let copied = end.wrapping_sub(first).min(self.n_elements.wrapping_sub(first));
        for i in 0..copied as usize {
            let word = *self.staged.get(i).ok_or_else(|| format!("staged weight {i} is read past shared memory"))?;
            let word = word.ok_or_else(|| format!("staged weight {i} is read before it is written"))?;
            let at = (i as u32).wrapping_add(first) as usize;
            *self.outputs.get_mut(at).ok_or_else(|| format!("weight {at} is written past the output"))? = Some(word);
        }
        Ok(())
    }

    /// Twelve predicated byte loads. A byte at or past `n_bytes` keeps what its register holds.
    fn load_window(&mut self, chunk: i32) -> Result<Window, String> {
        let base = chunk.wrapping_mul(CHUNK_BYTES);
        let mut bytes = self.undefined.next().to_be_bytes().to_vec();
        bytes.extend_from_slice(&(self.undefined.next() as u32).to_be_bytes());
        for (i, byte) in bytes.iter_mut().enumerate() {
            let at = base.wrapping_add(i as i32);
            if at < self.n_bytes {
                let at = usize::try_from(at).map_err(|_| format!("stream byte {at} is read"))?;
                *byte = self.unit.encoded_exponent[at];
            }
        }
        let (long, register) = bytes.split_at(8);
        Ok(Window {
            long: u64::from_be_bytes(long.try_into().expect("8 bytes")),
            register: u32::from_be_bytes(register.try_into().expect("4 bytes")),
            used: self.load_gap(chunk)?,
        })
    }

    /// Five bits from two bytes. The second byte may lie one past the end; the five bits then use
    /// none of it.
    fn load_gap(&mut self, chunk: i32) -> Result<u8, String> {
        let bit = chunk.wrapping_mul(5);
        let at = usize::try_from(bit / 8).map_err(|_| format!("gap byte {} is read", bit / 8))?;
        let noise = self.undefined.next() as u8;
        let first = *self
            .unit
            .gaps
            .get(at)
            .ok_or_else(|| format!("gap byte {at} is read, there are {}", self.unit.gaps.len()))?;
        let second = self.unit.gaps.get(at + 1).copied().unwrap_or(noise);
        Ok((u16::from_be_bytes([first, second]) >> (11 - bit % 8) & 31) as u8)
    }

    /// An entry of the positions. One past the end is whatever is in memory there; further is out
    /// of bounds.
    fn position(&mut self, index: usize) -> Result<u32, String> {
        let noise = self.undefined.next() as u32;
        match self.positions.get(index) {
            Some(&position) => Ok(position),
            None if index == self.positions.len() => Ok(noise),
            None => Err(format!("output position {index} is read, there are {}", self.positions.len())),
        }
    }

    /// Up to four look-ups: the exponent, and the length that the last row gives it.
    fn look_up(&self, long: u64) -> Result<(u8, u8), String> {
        let load = |at: usize| self.unit.luts.get(at).copied().ok_or_else(|| format!("table byte {at} is read"));
        let bytes = long.to_be_bytes();
        let mut decoded = load(usize::from(bytes[0]))?;
        for &byte in &bytes[1..4] {
            if decoded >= 240 {
                decoded = load(256 * (256 - usize::from(decoded)) + usize::from(byte))?;
            } else {
                break;
            }
        }
        let n_luts = self.unit.luts.len() / 256;
        let length = load(256 * n_luts.wrapping_sub(1).min(255) + usize::from(decoded))?;
        Ok((decoded, length))
    }

    /// Phase 1: counts the codes that start in this thread's 64 bits.
    fn count(&self, window: Window) -> Result<u32, String> {
        let mut long = shl(window.long, u32::from(window.used));
        let mut used = window.used;
        let mut count = 0;
        let mut step = |long: &mut u64, used: &mut u8| {
            let (_, length) = self.look_up(*long)?;
            *long = shl(*long, u32::from(length));
            *used = used.wrapping_add(length);
            count += 1;
            if count > ENDLESS { Err("phase 1 runs for ever".to_owned()) } else { Ok(()) }
        };
        loop {
            step(&mut long, &mut used)?;
            if used >= 32 {
                break;
            }
        }
        long |= shl(u64::from(window.register), u32::from(used - 32));
        used -= 32;
        while used / 8 + 4 < 8 {
            step(&mut long, &mut used)?;
        }
        Ok(count)
    }

    /// Phase 2: stages the weights `from..to`, relative to the block's `first`.
    fn write(&mut self, window: Window, from: u32, to: u32, first: u32) -> Result<(), String> {
        let mut long = shl(window.long, u32::from(window.used));
        let mut used = window.used;
        let mut index = from;
        while used < 32 && index < to {
            used = used.wrapping_add(self.stage(&mut long, index, first)?);
            index = index.wrapping_add(1);
        }
        // With fewer than 32 bits used, the shift is negative. Anything may come in, and none of it
        // is decoded.
        let refill = match used.checked_sub(32) {
            Some(shift) => shl(u64::from(window.register), u32::from(shift)),
            None => self.undefined.next(),
        };
        long |= refill;
        while index < to {
            self.stage(&mut long, index, first)?;
            index = index.wrapping_add(1);
        }
        Ok(())
    }

    /// Decodes one exponent, merges it, stages it. Returns the length of its code.
    fn stage(&mut self, long: &mut u64, index: u32, first: u32) -> Result<u8, String> {
        let (exponent, length) = self.look_up(*long)?;
        *long = shl(*long, u32::from(length));
        let sign_mantissa = self.unit.sign_mantissa.get(index as usize);
        let sign_mantissa = *sign_mantissa.ok_or_else(|| format!("sign_mantissa {index} is read"))?;
        let high = sign_mantissa & 0x80 | exponent >> 1;
        let low = exponent << 7 | sign_mantissa & 0x7F;
        let at = index.wrapping_sub(first) as usize;
        let slot =
            self.staged.get_mut(at).ok_or_else(|| format!("weight {index} is staged at {at}, past shared memory"))?;
        if slot.replace(u16::from_be_bytes([high, low])).is_some() {
            return Err(format!("weight {index} is staged by two threads"));
        }
        Ok(length)
    }
}

/// The GPU's shift: 64 bits or more leave nothing.
fn shl(value: u64, by: u32) -> u64 {
    value.checked_shl(by).unwrap_or(0)
}

/// The scan in shared memory, in its two sweeps: sums up a tree, then prefixes down it. `sums` has
/// 512 words.
fn exclusive_scan(sums: &mut [u32]) {
    let threads = sums.len();
    let mut width = 2;
    while width <= threads {
        for thread in (width - 1..threads).step_by(width) {
            sums[thread] = sums[thread].wrapping_add(sums[thread - width / 2]);
        }
        width *= 2;
    }
    sums[threads - 1] = 0;
    let mut width = threads;
    while width >= 2 {
        for thread in (width - 1..threads).step_by(width) {
            let left = thread - width / 2;
            let sum = sums[thread].wrapping_add(sums[left]);
            sums[left] = std::mem::replace(&mut sums[thread], sum);
        }
        width /= 2;
    }
}
