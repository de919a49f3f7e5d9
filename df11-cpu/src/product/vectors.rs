//! What a level gives to products: vectors of f32, and groups of 64 weights unpacked into them.

/// Columns of a group, and partial sums of a row.
pub(crate) const GROUP: usize = 64;

/// The order of the columns themselves.
pub(crate) const IN_ORDER: [u8; GROUP] = {
    let mut order = [0; GROUP];
    let mut column = 0;
    while column < GROUP {
        order[column] = column as u8;
        column += 1;
    }
    order
};

/// The vectors of one level: `N` of them hold a group.
///
/// The lanes of a group, counted over its vectors, stand in an order that suits the level: column
/// `c` is lane `ORDER[c]`. Prepared inputs and partial sums have the same order.
///
/// # Safety
/// Every function reads and writes as much as its text says, at any alignment, and nothing else.
/// An unsafe one may be called only if the processor has the level's features, and if what it reads
/// or writes is there; it asks for nothing more.
pub(crate) unsafe trait Vectors<const N: usize>: Copy {
    /// `64 / N` values of f32.
    type Vector: Copy;
    /// A matrix's exponents as unpacking wants them.
    type Table: Copy;

    const ORDER: [u8; GROUP];

    unsafe fn zero() -> Self::Vector;
    /// Reads `64 / N` values.
    unsafe fn load(from: *const f32) -> Self::Vector;
    /// Writes `64 / N` values.
    unsafe fn store(to: *mut f32, vector: Self::Vector);
    /// `w * x + sum`, rounded once.
    unsafe fn fused(w: Self::Vector, x: Self::Vector, sum: Self::Vector) -> Self::Vector;
    unsafe fn table(exponents: &[u8; 16]) -> Self::Table;
    /// Reads 64 words of BF16, little-endian.
    unsafe fn bf16_group(from: *const u8) -> [Self::Vector; N];
    /// Reads the 64 signs and mantissas and the 32 bytes of codes of a flat group.
    unsafe fn flat_group(signs: *const u8, codes: *const u8, table: &Self::Table) -> [Self::Vector; N];
    /// The group with another value of one column, below 64: by way of memory.
    #[inline(always)]
    unsafe fn with(mut group: [Self::Vector; N], column: usize, value: f32) -> [Self::Vector; N] {
        let mut lanes = [0f32; GROUP];
        // SAFETY: the vectors follow one another in the 64 values; the caller's promise.
        unsafe {
            for (at, &vector) in group.iter().enumerate() {
                Self::store(lanes.as_mut_ptr().add(at * (GROUP / N)), vector);
            }
            lanes[usize::from(Self::ORDER[column])] = value;
            for (at, vector) in group.iter_mut().enumerate() {
                *vector = Self::load(lanes.as_ptr().add(at * (GROUP / N)));
            }
        }
        group
    }
    /// Adds the halves of the columns until one sum is left (FLAT.md, "Products").
    unsafe fn fold(sums: [Self::Vector; N]) -> f32;
    /// Asks for the line at `from`, which may be outside of everything.
    fn prefetch(from: *const u8);
}
