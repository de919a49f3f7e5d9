//! Finds the cheapest code lengths between bounds that differ from symbol to symbol.
//!
//! ```text
//! start: every symbol has its shortest permitted length
//!     these lengths take X = sum 2^-shortest - room more code space than there is
//! a step of a symbol, from length l-1 to l, gives back 2^-l of code space and costs its count
//! buy steps worth at least X as cheaply as possible, the finest level (greatest l) first:
//!     list the steps of this level and the packages from the finer level, sorted by cost
//!     if X has a set bit at this level, buy the cheapest entry
//!     make packages of each two of the others, for the next level
//! whole units of X buy the cheapest packages of the coarsest level
//! ```
//!
//! This is the coin collector's problem (Larmore and Hirschberg 1990). The purchase on a level is
//! always a prefix of that level's list. So one bit for each entry, step or package, is enough to
//! find the lengths afterwards.
//!
//! Steps are not divisible, so the cheapest purchase may be worth more than X. A smallest
//! sufficient purchase whose least valuable step is worth `2^-g` is worth exactly X rounded up to a
//! multiple of `2^-g`. So trying each g finds the optimum.

use crate::limits::MAX_CODE_BITS;

/// A symbol to be given a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Symbol {
    /// How often it occurs; at least once.
    pub count: u64,
    pub exponent: u8,
    /// Permitted code lengths, `1 <= shortest <= longest <= MAX_CODE_BITS`.
    pub shortest: u8,
    pub longest: u8,
}

/// Code space is measured in codes of the greatest length.
pub(super) const WHOLE_ROOM: u64 = 1 << MAX_CODE_BITS;

const LEVELS: usize = MAX_CODE_BITS as usize;
/// Most entries of a level's list: one step for each symbol, and half as many packages as the list
/// before had entries. Together they are fewer than twice the symbols.
const LIST: usize = 512;

/// The code space that a code of `length` bits takes.
fn room_of(length: u8) -> u64 {
    WHOLE_ROOM >> length
}

/// Sets the length of each of `symbols`, which are sorted by count, so that all codes fit into
/// `room` and the stream is shortest. Returns `false`, and leaves `lengths` without meaning, if no
/// lengths within the bounds fit.
pub(super) fn assign(symbols: &[Symbol], room: u64, lengths: &mut [u8; 256]) -> bool {
    let taken: u64 = symbols.iter().map(|symbol| room_of(symbol.shortest)).sum();
    let shortfall = taken.saturating_sub(room);
    // X is a multiple of 2^(finest - 32), and no step is worth 1.
    let finest = shortfall.trailing_zeros().min(MAX_CODE_BITS - 1);
    let mut best: Option<u64> = None;
    let mut tried = None;
    for grain in finest..MAX_CODE_BITS {
        let worth = shortfall.next_multiple_of(1 << grain);
        if tried.replace(worth) == Some(worth) {
            continue;
        }
        let mut found = [0; 256];
        if !buy(symbols, worth, &mut found) {
            continue;
        }
        let bits = symbols.iter().map(|symbol| symbol.count * u64::from(found[usize::from(symbol.exponent)])).sum();
        if best.is_none_or(|least| bits < least) {
            best = Some(bits);
            for symbol in symbols {
                lengths[usize::from(symbol.exponent)] = found[usize::from(symbol.exponent)];
            }
        }
    }
    best.is_some()
}

/// Sets the lengths of the cheapest purchase worth exactly `worth`. Returns `false` if there is
/// none.
fn buy(symbols: &[Symbol], worth: u64, lengths: &mut [u8; 256]) -> bool {
    let mut is_step = [[0u64; LIST / 64]; LEVELS];
    let (mut list, mut packages) = ([0u64; LIST], [0u64; LIST]);
    let mut size = 0;
    let finest = symbols.iter().map(|symbol| usize::from(symbol.longest)).max().unwrap_or(0);
    for level in (1..=finest).rev() {
        let steps = symbols.iter().filter(|symbol| steps_to(symbol, level)).map(|symbol| symbol.count);
        let listed = merge(steps, &packages[..size], &mut list, &mut is_step[level - 1]);
        let first = usize::from(worth & room_of(level as u8) != 0).min(listed);
        size = package(&list[first..listed], &mut packages);
    }

    for symbol in symbols {
        lengths[usize::from(symbol.exponent)] = symbol.shortest;
    }
    let Ok(mut packages) = usize::try_from(worth / WHOLE_ROOM) else { return false };
    if packages > size {
        return false;
    }
    for level in 1..=LEVELS {
        let bought = 2 * packages + usize::from(worth & room_of(level as u8) != 0);
        if bought > LIST {
            return false;
        }
        let bit = |entry: usize| is_step[level - 1][entry / 64] >> (entry % 64) & 1 != 0;
        let steps = (0..bought).filter(|&entry| bit(entry)).count();
        for symbol in symbols.iter().filter(|symbol| steps_to(symbol, level)).take(steps) {
            lengths[usize::from(symbol.exponent)] += 1;
        }
        packages = bought - steps;
    }
    // If a list was too short for a set bit of `worth`, this pass still asks for packages after the
    // finest level.
    packages == 0
}

/// Whether the code of the symbol can grow from `level - 1` to `level` bits.
fn steps_to(symbol: &Symbol, level: usize) -> bool {
    (usize::from(symbol.shortest) + 1..=usize::from(symbol.longest)).contains(&level)
}

/// Merges two lists that are sorted by cost; of equal entries, steps come first. Marks the places
/// of the steps in `is_step`. Returns the number of entries.
fn merge(
    steps: impl Iterator<Item = u64>,
    packages: &[u64],
    list: &mut [u64; LIST],
    is_step: &mut [u64; LIST / 64],
) -> usize {
    let mut size = 0;
    let mut packages = packages.iter().copied().peekable();
    for step in steps {
        while let Some(package) = packages.next_if(|&package| package < step) {
            list[size] = package;
            size += 1;
        }
        list[size] = step;
        is_step[size / 64] |= 1 << (size % 64);
        size += 1;
    }
    for package in packages {
        list[size] = package;
        size += 1;
    }
    size
}

/// Makes a package of each two entries. An odd last entry is left out. Returns the number of
/// packages.
fn package(list: &[u64], packages: &mut [u64; LIST]) -> usize {
    let (pairs, _) = list.as_chunks::<2>();
    for (package, [one, other]) in packages.iter_mut().zip(pairs) {
        *package = one + other;
    }
    pairs.len()
}
