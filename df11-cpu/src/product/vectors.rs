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

/// Whether each lane is that of one column.
pub(super) const fn is_permutation(order: &[u8; GROUP]) -> bool {
    let (mut seen, mut column) = (0u64, 0);
    while column < GROUP {
        if order[column] as usize >= GROUP {
            return false;
        }
        seen |= 1 << order[column];
        column += 1;
    }
    seen == u64::MAX
}

/// The vectors of one level: `N` of them hold a group.
///
/// The lanes of a group, counted over its vectors, stand in an order that suits the level: column
/// `c` is lane `ORDER[c]`. Prepared inputs and partial sums have the same order. `prepare` makes
/// the compiler check that it is a permutation of 0 to 63.
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
    /// Adds the halves of the columns until one sum is left (FLAT.md, "Products").
    unsafe fn fold(sums: [Self::Vector; N]) -> f32;
    /// Asks for the line at `from`, which may be outside of everything.
    fn prefetch(from: *const u8);
}

/// A group's values, column by column.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
pub(crate) unsafe fn columns<V: Vectors<N>, const N: usize>(group: [V::Vector; N]) -> [f32; GROUP] {
    let mut lanes = [0f32; GROUP];
    for (lanes, vector) in lanes.chunks_exact_mut(GROUP / N).zip(group) {
        // SAFETY: a chunk has the values of a vector; the caller's promise.
        unsafe { V::store(lanes.as_mut_ptr(), vector) };
    }
    V::ORDER.map(|lane| lanes[usize::from(lane)])
}

/// The group with these columns.
///
/// # Safety
/// The processor has the level's features.
#[inline(always)]
pub(crate) unsafe fn regroup<V: Vectors<N>, const N: usize>(columns: &[f32; GROUP]) -> [V::Vector; N] {
    let mut lanes = [0f32; GROUP];
    for (&lane, &value) in V::ORDER.iter().zip(columns) {
        lanes[usize::from(lane)] = value;
    }
    // SAFETY: a chunk has the values of a vector; the caller's promise.
    unsafe {
        let mut vectors = [V::zero(); N];
        for (vector, lanes) in vectors.iter_mut().zip(lanes.chunks_exact(GROUP / N)) {
            *vector = V::load(lanes.as_ptr());
        }
        vectors
    }
}
