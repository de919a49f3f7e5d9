//! The rows that a product reads, in the forms that it reads directly.

use core::ops::Range;

use df11_core::limits::GROUP_CODE_BYTES;
use df11_core::{Flat, Shape, bf16, bf16_word, position};

use super::vectors::{GROUP, Vectors};

/// Rows of weights, group by group. Each group of a row is read once, in ascending order.
///
/// # Safety
/// `group` and `mended` read only what belongs to the rows.
pub(crate) unsafe trait Rows<V: Vectors<N>, const N: usize>: Copy {
    /// What is left of a row's groups that `group` does not give right.
    type Mends: Copy;

    fn columns(&self) -> usize;
    fn count(&self) -> usize;
    /// Bytes of a row, of the larger of its arrays.
    fn row_bytes(&self) -> usize;
    /// The same of a group.
    fn group_bytes(&self) -> usize;
    /// Weights of the rows that are mended because they escape.
    fn escapes(&self, rows: Range<usize>) -> usize;
    fn mends(&self, row: usize) -> Self::Mends;
    /// The next group to be mended, or one past the last group of the row.
    fn next(&self, mends: &Self::Mends) -> usize;
    /// The group as it is stored.
    ///
    /// # Safety
    /// The row is below `count`. The group is below `next` of the row's mends, and was not mended.
    /// The processor has the level's features.
    unsafe fn group(&self, row: usize, group: usize) -> [V::Vector; N];
    /// The group that `next` names, with its escapes, and without what follows the row; steps past
    /// it.
    ///
    /// # Safety
    /// The row is below `count`, and `mends` is its own. `next` names a group of the row. The
    /// processor has the level's features.
    unsafe fn mended(&self, row: usize, mends: &mut Self::Mends) -> [V::Vector; N];
    /// Asks for what stands `ahead` bytes after the group.
    fn prefetch(&self, row: usize, group: usize, ahead: usize);
}

/// Rows of BF16, as little-endian bytes at any address.
///
/// Invariant: `words` holds whole rows of `columns`, which is not 0.
#[derive(Clone, Copy)]
pub(crate) struct Bf16Rows<'a> {
    words: &'a [[u8; 2]],
    columns: usize,
}

impl<'a> Bf16Rows<'a> {
    pub fn new(words: &'a [[u8; 2]], columns: usize) -> Self {
        assert!(columns > 0 && words.len().is_multiple_of(columns), "whole rows");
        Self { words, columns }
    }

    fn place(&self, row: usize, group: usize) -> *const u8 {
        self.words.as_ptr().wrapping_add(row * self.columns + group * GROUP).cast()
    }
}

// SAFETY: only the last group may not be whole. It is the one that is mended, so `group` reads
// whole groups, which end within their row. `mended` reads a copy.
unsafe impl<V: Vectors<N>, const N: usize> Rows<V, N> for Bf16Rows<'_> {
    /// The last group if it is not whole, and then one past it.
    type Mends = usize;

    #[inline(always)]
    fn columns(&self) -> usize {
        self.columns
    }

    #[inline(always)]
    fn count(&self) -> usize {
        self.words.len() / self.columns
    }

    #[inline(always)]
    fn row_bytes(&self) -> usize {
        self.columns * size_of::<bf16>()
    }

    #[inline(always)]
    fn group_bytes(&self) -> usize {
        GROUP * size_of::<bf16>()
    }

    #[inline(always)]
    fn escapes(&self, _: Range<usize>) -> usize {
        0
    }

    #[inline(always)]
    fn mends(&self, _: usize) -> usize {
        self.columns / GROUP
    }

    #[inline(always)]
    fn next(&self, mends: &usize) -> usize {
        *mends
    }

    #[inline(always)]
    unsafe fn group(&self, row: usize, group: usize) -> [V::Vector; N] {
        // SAFETY: the row is there and the group is whole, by the caller's promise.
        unsafe { V::bf16_group(self.place(row, group)) }
    }

    #[inline(always)]
    unsafe fn mended(&self, row: usize, mends: &mut usize) -> [V::Vector; N] {
        let row = &self.words[row * self.columns..][..self.columns];
        let rest = &row[*mends * GROUP..];
        *mends += 1;
        let mut whole = [[0; 2]; GROUP];
        whole[..rest.len()].copy_from_slice(rest);
        // SAFETY: `whole` has 64 words; the caller's promise.
        unsafe { V::bf16_group(whole.as_ptr().cast()) }
    }

    #[inline(always)]
    fn prefetch(&self, row: usize, group: usize, ahead: usize) {
        let from = self.place(row, group).wrapping_add(ahead);
        V::prefetch(from);
        V::prefetch(from.wrapping_add(64));
    }
}

/// Rows of a flat matrix.
#[derive(Clone, Copy)]
pub(crate) struct FlatRows<'a, Table> {
    shape: Shape,
    groups: usize,
    signs: &'a [u8],
    codes: &'a [u8],
    starts: &'a [[u8; 4]],
    escapes: Escapes<'a>,
    table: Table,
}

impl<'a, Table> FlatRows<'a, Table> {
    /// # Safety
    /// The processor has the level's features.
    #[inline(always)]
    pub unsafe fn new<V: Vectors<N, Table = Table>, const N: usize>(flat: &'a Flat<'a>) -> Self {
        let (bytes, sections, shape) = (flat.bytes(), flat.sections(), flat.shape());
        Self {
            shape,
            groups: shape.groups(),
            signs: &bytes[sections.sign_mantissa()],
            codes: &bytes[sections.codes()],
            starts: bytes[sections.row_starts()].as_chunks().0,
            escapes: Escapes {
                columns: bytes[sections.escape_columns()].as_chunks().0,
                exponents: &bytes[sections.escape_exponents()],
            },
            // SAFETY: the caller's promise.
            table: unsafe { V::table(flat.exponents().table()) },
        }
    }

    /// The number of escapes before a row.
    #[inline(always)]
    fn start(&self, row: usize) -> usize {
        u32::from_le_bytes(self.starts[row]) as usize
    }
}

/// Escapes of some rows, or what is left of those of one row: then their columns ascend.
#[derive(Clone, Copy)]
pub(crate) struct Escapes<'a> {
    columns: &'a [[u8; 4]],
    exponents: &'a [u8],
}

impl Escapes<'_> {
    #[inline(always)]
    fn column(&self) -> Option<usize> {
        self.columns.first().map(|&column| u32::from_le_bytes(column) as usize)
    }
}

// SAFETY: each row has 64 signs and 32 bytes of codes for each of its groups, by the invariant of
// `Flat`; the padding belongs to the row. So every group of a row can be read.
unsafe impl<'a, V: Vectors<N>, const N: usize> Rows<V, N> for FlatRows<'a, V::Table> {
    type Mends = Escapes<'a>;

    #[inline(always)]
    fn columns(&self) -> usize {
        self.shape.columns() as usize
    }

    #[inline(always)]
    fn count(&self) -> usize {
        self.shape.rows() as usize
    }

    #[inline(always)]
    fn row_bytes(&self) -> usize {
        self.groups * GROUP
    }

    #[inline(always)]
    fn group_bytes(&self) -> usize {
        GROUP
    }

    #[inline(always)]
    fn escapes(&self, rows: Range<usize>) -> usize {
        self.start(rows.end) - self.start(rows.start)
    }

    #[inline(always)]
    fn mends(&self, row: usize) -> Escapes<'a> {
        let own = self.start(row)..self.start(row + 1);
        Escapes { columns: &self.escapes.columns[own.clone()], exponents: &self.escapes.exponents[own] }
    }

    #[inline(always)]
    fn next(&self, mends: &Escapes<'a>) -> usize {
        mends.column().map_or(self.groups, |column| column / GROUP)
    }

    #[inline(always)]
    unsafe fn group(&self, row: usize, group: usize) -> [V::Vector; N] {
        let at = row * self.groups + group;
        // SAFETY: the row is there and has the group, by the caller's promise.
        unsafe {
            let (signs, codes) = (self.signs.as_ptr().add(at * GROUP), self.codes.as_ptr().add(at * GROUP_CODE_BYTES));
            V::flat_group(signs, codes, &self.table)
        }
    }

    #[inline(always)]
    unsafe fn mended(&self, row: usize, mends: &mut Escapes<'a>) -> [V::Vector; N] {
        let group = Rows::<V, N>::next(self, mends);
        let signs = &self.signs[(row * self.groups + group) * GROUP..][..GROUP];
        // SAFETY: the row has the group, and the processor the features, by the caller's promise. A
        // column has a place below 64.
        unsafe {
            let mut vectors = Rows::<V, N>::group(self, row, group);
            while let (Some(column), Some((&exponent, exponents))) = (mends.column(), mends.exponents.split_first()) {
                if column / GROUP != group {
                    break;
                }
                let value = bf16_word::merge(exponent, signs[position(column)]).to_f32();
                vectors = V::with(vectors, column % GROUP, value);
                *mends = Escapes { columns: &mends.columns[1..], exponents };
            }
            vectors
        }
    }

    #[inline(always)]
    fn prefetch(&self, row: usize, group: usize, ahead: usize) {
        let at = row * self.groups + group;
        V::prefetch(self.signs.as_ptr().wrapping_add(at * GROUP + ahead));
        V::prefetch(self.codes.as_ptr().wrapping_add(at * GROUP_CODE_BYTES + ahead / 2));
    }
}
