//! Element types by name. A name that this version does not know is kept, and its data is passed on
//! as bytes.

use std::borrow::Cow;
use std::fmt;

use crate::shown::shown;

/// An element type as the header spells it: `BF16`, `F32`, `I64`, or a name from the future.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dtype(Cow<'static, str>);

/// Known names with their bits, in the order of the reference implementation. The writer puts later
/// ones first.
const KNOWN: [(&str, u64); 20] = [
    ("BOOL", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("I16", 16),
    ("U16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("I32", 32),
    ("U32", 32),
    ("F32", 32),
    ("C64", 64),
    ("F64", 64),
    ("I64", 64),
    ("U64", 64),
];

impl Dtype {
    /// The type with this name, known or not.
    pub fn named(name: &str) -> Self {
        // A known name is not copied: a header can hold a million tensors.
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        Dtype(known.map_or_else(|| Cow::Owned(name.to_owned()), |(known, _)| Cow::Borrowed(*known)))
    }

    /// Its name in a header.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is BF16.
    pub fn is_bf16(&self) -> bool {
        self.0 == "BF16"
    }

    /// Bits of one element; `None` for an unknown type.
    pub fn bits(&self) -> Option<u64> {
        self.rank().map(|rank| KNOWN[rank].1)
    }

    /// Position in the order of the reference implementation; `None` for an unknown type.
    fn rank(&self) -> Option<usize> {
        KNOWN.iter().position(|(name, _)| *name == self.0)
    }

    /// Sort key of the writer: smaller keys come first in the file. Wide elements come first, so
    /// that every tensor begins at a multiple of its element size. The size of an unknown type's
    /// data decides where it goes, so that this also holds for the tensors after it.
    pub(crate) fn write_order(&self, bytes: u64) -> (u64, usize) {
        const WIDEST: u64 = 8;
        match self.rank() {
            Some(rank) => (WIDEST - KNOWN[rank].1.div_ceil(8), KNOWN.len() - rank),
            None => (WIDEST - (1 << bytes.trailing_zeros().min(WIDEST.trailing_zeros())), 0),
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(self.0.as_ref()).fmt(f)
    }
}
