//! `luts`: the code as tables of 256 entries, and the row of code lengths. FORMAT.md, "Tables".
//!
//! ```text
//! level 1   table 0      [e e e e ... p p]   e < 240: an exponent
//! level 2   tables 1..   [e e ... p]         p >= 240: the next 8 bits index table 256 - p
//! level 3                [e ... p]
//! level 4                [e e e ... ]        every entry is an exponent
//! lengths                [0 0 4 3 2 ... ]    for each exponent, the length of its code
//! ```

use crate::error::Error;
use crate::huffman::Code;
use crate::limits::{FIRST_POINTER, MAX_CODE_BITS, MAX_TABLES, TABLE_BITS, TABLE_ENTRIES};

const LEVELS: usize = (MAX_CODE_BITS / TABLE_BITS) as usize;

/// The level, 0 to 3, on which a code of `length` bits ends.
fn level_of(length: u8) -> usize {
    usize::from(length.saturating_sub(1)) / TABLE_BITS as usize
}

/// Entries of its last table that a code of `length` bits fills.
fn run_of(length: u8) -> usize {
    1 << (TABLE_BITS as usize * (level_of(length) + 1) - usize::from(length))
}

/// The first `level` bytes of a left-aligned code, right-aligned. They lead to its table on that
/// level.
fn prefix(aligned: u32, level: usize) -> u32 {
    aligned.checked_shr(MAX_CODE_BITS - TABLE_BITS * level as u32).unwrap_or(0)
}

/// The byte of a left-aligned code that indexes its table on `level`.
fn index(aligned: u32, level: usize) -> usize {
    prefix(aligned, level + 1) as usize % TABLE_ENTRIES
}

/// Calls `visit(level, aligned code)` once for every table beyond the first, level by level, in
/// order of the bits before it.
fn for_each_table(code: &Code, mut visit: impl FnMut(usize, u32)) {
    let (sorted, size) = code.sorted();
    for level in 1..LEVELS {
        let mut last = None;
        for &(aligned, ..) in sorted[..size].iter().filter(|(.., length)| level_of(*length) >= level) {
            if last.replace(prefix(aligned, level)) != Some(prefix(aligned, level)) {
                visit(level, aligned);
            }
        }
    }
}

/// Number of tables that a code takes.
pub(crate) fn tables_for(code: &Code) -> usize {
    let mut tables = 1;
    for_each_table(code, |_, _| tables += 1);
    tables
}

/// Bytes of `tables` tables and the row of lengths.
pub(crate) fn size(tables: usize) -> usize {
    tables.saturating_add(1).saturating_mul(TABLE_ENTRIES)
}

/// Whether tables and a row of lengths can have this many bytes.
pub(crate) fn has_size(bytes: usize) -> bool {
    bytes.is_multiple_of(TABLE_ENTRIES) && (2..=MAX_TABLES + 1).contains(&(bytes / TABLE_ENTRIES))
}

/// Writes the tables and the lengths of a code. Precondition: the code takes at most 17 tables, and
/// `luts` has exactly `size(tables)` bytes.
pub(crate) fn write(code: &Code, luts: &mut [u8]) {
    let (rows, _) = luts.as_chunks_mut::<TABLE_ENTRIES>();
    let Some((lengths, tables)) = rows.split_last_mut() else { return };
    *lengths = *code.lengths();
    let mut tree = Tree::new();
    let mut reached = [[false; TABLE_ENTRIES]; MAX_TABLES];
    for_each_table(code, |level, aligned| {
        let (parent, child) = (tree.find(level - 1, aligned), tree.add(level, aligned));
        tables[parent][index(aligned, level - 1)] = (TABLE_ENTRIES - child) as u8;
        reached[parent][index(aligned, level - 1)] = true;
    });
    for exponent in code.exponents() {
        let (aligned, length) = (code.aligned(exponent), code.lengths()[usize::from(exponent)]);
        let table = tree.find(level_of(length), aligned);
        let first = index(aligned, level_of(length));
        tables[table][first..][..run_of(length)].fill(exponent);
        reached[table][first..][..run_of(length)].fill(true);
    }
    let mut last = 0;
    for (entry, &reached) in tables.as_flattened_mut().iter_mut().zip(reached.as_flattened()) {
        if reached {
            last = *entry;
        }
        *entry = last;
    }
}

/// Recovers the code from tables and lengths by the rule of FORMAT.md, "Tables".
pub(crate) fn read(luts: &[u8]) -> Result<Code, Error> {
    let (rows, _) = luts.as_chunks::<TABLE_ENTRIES>();
    let (lengths, tables) = match rows.split_last() {
        Some(split) if has_size(luts.len()) => split,
        _ => return Err(Error::TablesSize { found: luts.len() }),
    };
    let tree = Tree::walk(tables);
    let mut bits = [0; 256];
    for exponent in 0..=255u8 {
        let length = lengths[usize::from(exponent)];
        if length == 0 {
            continue;
        }
        if u32::from(length) > MAX_CODE_BITS {
            return Err(Error::CodeTooLong { exponent, length });
        }
        if exponent >= FIRST_POINTER && level_of(length) < LEVELS - 1 {
            return Err(Error::HighExponentCodeTooShort { exponent, length });
        }
        let is_code = |run: &[u8]| run.iter().all(|&entry| entry == exponent);
        let found = tree.tables_on(level_of(length)).find_map(|(table, prefix)| {
            let at = tables[table].chunks_exact(run_of(length)).position(is_code)?;
            Some(prefix << (u32::from(length) - TABLE_BITS * level_of(length) as u32) | at as u32)
        });
        bits[usize::from(exponent)] = found.ok_or(Error::CodeNotInTables { exponent, length })?;
    }
    Code::prefix_free(*lengths, bits)
}

/// The place of each table in the tree: its level and the bits before it.
struct Tree {
    places: [Option<(usize, u32)>; MAX_TABLES],
    size: usize,
}

impl Tree {
    fn new() -> Self {
        let mut places = [None; MAX_TABLES];
        places[0] = Some((0, 0));
        Self { places, size: 1 }
    }

    /// Adds the table of a code on `level`. Returns its number.
    fn add(&mut self, level: usize, aligned: u32) -> usize {
        self.places[self.size] = Some((level, prefix(aligned, level)));
        self.size += 1;
        self.size - 1
    }

    /// The table of a code on `level`, which was added before.
    fn find(&self, level: usize, aligned: u32) -> usize {
        let place = Some((level, prefix(aligned, level)));
        self.places.iter().position(|&other| other == place).unwrap_or(0)
    }

    /// Places each table where the first pointer to it, in table order, says. Each round places the
    /// tables to which tables placed so far point. 17 rounds are enough for any numbering.
    fn walk(tables: &[[u8; TABLE_ENTRIES]]) -> Self {
        let mut tree = Self::new();
        for _ in tables {
            for (number, table) in tables.iter().enumerate() {
                let Some((level, prefix)) = tree.places[number] else { continue };
                if level == LEVELS - 1 {
                    continue;
                }
                for (index, &entry) in table.iter().enumerate().filter(|&(_, &entry)| entry >= FIRST_POINTER) {
                    let child = TABLE_ENTRIES - usize::from(entry);
                    if child < tables.len() && tree.places[child].is_none() {
                        tree.places[child] = Some((level + 1, prefix << TABLE_BITS | index as u32));
                    }
                }
            }
        }
        tree
    }

    /// Numbers and leading bits of the tables on a level, in table order.
    fn tables_on(&self, level: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
        let on_level = move |(number, place): (usize, &Option<(usize, u32)>)| match place {
            Some((other, prefix)) if *other == level => Some((number, *prefix)),
            _ => None,
        };
        self.places.iter().enumerate().filter_map(on_level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the last level an entry is an exponent: 252 in table 3 must not place table 4, which the
    /// last table places.
    #[test]
    fn a_last_table_points_nowhere() {
        let pointer = |table: usize| (TABLE_ENTRIES - table) as u8;
        let mut tables = [[0; TABLE_ENTRIES]; 7];
        tables[0] = [100; TABLE_ENTRIES];
        (tables[0][128], tables[0][129]) = (pointer(1), pointer(5));
        tables[1] = [pointer(2); TABLE_ENTRIES];
        tables[2] = [pointer(3); TABLE_ENTRIES];
        tables[3] = [252; TABLE_ENTRIES];
        tables[4] = [50; TABLE_ENTRIES];
        tables[5] = [pointer(4); TABLE_ENTRIES];
        let lengths = &mut tables[6];
        (lengths[100], lengths[50], lengths[252]) = (1, 17, 25);
        let code = read(tables.as_flattened()).unwrap();
        assert_eq!([100, 50, 252].map(|exponent| code.bits(exponent)), [0, 0x8100 << 1, 0x80_0000 << 1]);
    }
}
