//! The one place that detects, names, lists and forces levels.
//!
//! A level is a token. A value exists only if the processor was found to have its instructions, so
//! having a value proves that its code may run.

use core::fmt;
use core::str::FromStr;

use df11_core::{Error, Flat, bf16};

#[cfg(target_arch = "aarch64")]
use crate::aarch64;
use crate::decode::{Job, Tables};
use crate::encode::{Shard, Words};
use crate::flat::Rows;
use crate::portable;
use crate::product::Task;
#[cfg(target_arch = "x86_64")]
use crate::x86_64;

/// A set of instructions that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(Token);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(x86_64::avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(x86_64::avx512::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(aarch64::neon::Neon),
}

/// A level of this crate, and whether it can be used here.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    /// The name that lists and forces the level.
    pub name: &'static str,
    /// The level, or why it is not available.
    pub level: Result<Level, &'static str>,
}

impl Level {
    /// The level that runs everywhere: no intrinsics.
    pub fn portable() -> Self {
        Self(Token::Portable)
    }

    /// The fastest level of this processor.
    pub fn best() -> Self {
        Self::available().next().unwrap_or_else(Self::portable)
    }

    /// The levels of this processor, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::list().filter_map(|listing| listing.level.ok())
    }

    /// Every level of this crate, the fastest first.
    pub fn list() -> impl Iterator<Item = Listing> {
        let portable = Listing { name: "portable", level: Ok(Self::portable()) };
        [avx512(), avx2(), neon(), portable].into_iter()
    }

    /// The level of this name.
    ///
    /// # Errors
    /// No level has this name, or this processor does not have it.
    pub fn named(name: &str) -> Result<Self, LevelError> {
        match Self::list().find(|listing| listing.name == name) {
            Some(Listing { level: Ok(level), .. }) => Ok(level),
            Some(Listing { name, level: Err(why) }) => Err(LevelError::Unavailable { name, why }),
            None => Err(LevelError::Unknown { name: name.to_owned() }),
        }
    }

    /// The name that lists and forces the level.
    pub fn name(self) -> &'static str {
        match self.0 {
            Token::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Token::Neon(_) => "neon",
        }
    }

    pub(crate) fn decode<'a>(
        self,
        tables: &'a Tables<'_>,
        jobs: &mut dyn Iterator<Item = Job<'a>>,
        streams: bool,
    ) -> Result<(), Error> {
        match self.0 {
            Token::Portable => portable::decode(tables, jobs, streams),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => token.decode(tables, jobs, streams),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => token.decode(tables, jobs, streams),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(token) => token.decode(tables, jobs, streams),
        }
    }

    pub(crate) fn histogram(self, weights: &[bf16]) -> [u32; 256] {
        match self.0 {
            Token::Portable => portable::histogram(weights),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => token.histogram(weights),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => token.histogram(weights),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(token) => token.histogram(weights),
        }
    }

    pub(crate) fn pack(self, words: &Words, shard: &mut Shard<'_>) {
        match self.0 {
            Token::Portable => portable::pack(words, shard),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => token.pack(words, shard),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => token.pack(words, shard),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(token) => token.pack(words, shard),
        }
    }

    pub(crate) fn flatten(self, weights: &[bf16], rows: &mut Rows<'_>) {
        match self.0 {
            Token::Portable => portable::flatten(weights, rows),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => token.flatten(weights, rows),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => token.flatten(weights, rows),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(token) => token.flatten(weights, rows),
        }
    }

    pub(crate) fn expand(self, flat: &Flat<'_>, first: u64, weights: &mut [bf16]) {
        match self.0 {
            Token::Portable => portable::expand(flat, first, weights),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => token.expand(flat, first, weights),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => token.expand(flat, first, weights),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(token) => token.expand(flat, first, weights),
        }
    }

    pub(crate) fn prepare(self, x: &[bf16], columns: usize, prepared: &mut [f32]) {
        match self.0 {
            Token::Portable => portable::prepare(x, columns, prepared),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => token.prepare(x, columns, prepared),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => token.prepare(x, columns, prepared),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(token) => token.prepare(x, columns, prepared),
        }
    }

    pub(crate) fn multiply(self, task: Task<'_>) {
        match self.0 {
            Token::Portable => portable::multiply(task),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => token.multiply(task),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => token.multiply(task),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(token) => token.multiply(task),
        }
    }

    /// Rows of a tile.
    pub(crate) fn tile_rows(self) -> usize {
        match self.0 {
            Token::Portable => portable::TILE_ROWS,
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(_) => x86_64::avx2::TILE_ROWS,
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(_) => x86_64::avx512::TILE_ROWS,
            #[cfg(target_arch = "aarch64")]
            Token::Neon(_) => aarch64::neon::TILE_ROWS,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn avx512() -> Listing {
    use x86_64::avx512::Avx512;
    Listing { name: "avx512", level: Avx512::new().map(|token| Level(Token::Avx512(token))).ok_or(Avx512::FEATURES) }
}

#[cfg(target_arch = "x86_64")]
fn avx2() -> Listing {
    use x86_64::avx2::Avx2;
    Listing { name: "avx2", level: Avx2::new().map(|token| Level(Token::Avx2(token))).ok_or(Avx2::FEATURES) }
}

#[cfg(not(target_arch = "x86_64"))]
fn avx512() -> Listing {
    Listing { name: "avx512", level: Err("needs x86-64") }
}

#[cfg(not(target_arch = "x86_64"))]
fn avx2() -> Listing {
    Listing { name: "avx2", level: Err("needs x86-64") }
}

#[cfg(target_arch = "aarch64")]
fn neon() -> Listing {
    use aarch64::neon::Neon;
    Listing { name: "neon", level: Neon::new().map(|token| Level(Token::Neon(token))).ok_or(Neon::FEATURES) }
}

#[cfg(not(target_arch = "aarch64"))]
fn neon() -> Listing {
    Listing { name: "neon", level: Err("needs AArch64") }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(name: &str) -> Result<Self, LevelError> {
        Self::named(name)
    }
}

/// Why a name gave no level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LevelError {
    /// No level has this name.
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// This processor does not have the level.
    Unavailable {
        /// The name asked for.
        name: &'static str,
        /// What is missing.
        why: &'static str,
    },
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "there is no level {name:?}")?,
            Self::Unavailable { name, why } => write!(f, "level {name} is not available: {why}")?,
        }
        let names: Vec<_> = Level::available().map(Level::name).collect();
        write!(f, "; available: {}", names.join(", "))
    }
}

impl core::error::Error for LevelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_found_by_its_name_and_an_unknown_one_is_refused_with_the_valid_names() {
        for level in Level::available() {
            assert_eq!(level.name().parse(), Ok(level));
        }
        let error = Level::named("mmx").unwrap_err().to_string();
        assert!(error.contains("mmx") && error.contains("portable"), "{error}");
    }
}
