//! The promises of the library under hostile input, one target per layer.
//!
//! ```text
//! fuzz_targets/NAME.rs     passes the fuzzer's bytes to targets::NAME or files::NAME
//! src/targets/             what must hold for them; tests/regressions.rs compiles the same files
//! src/files.rs             the same for the facade (feature `files`)
//! regressions/NAME/        every input that ever failed; `cargo test` replays them for ever
//! src/bin/seeds.rs         writes the first inputs into corpus/NAME, from vectors and named cases
//! ```
//!
//! `ci/fuzz/smoke.sh` runs those of `targets` for 20 seconds in all, `ci/fuzz/long.sh MINUTES` every
//! one for as long as you like.

#[path = "../../tests/support/mod.rs"]
pub mod support;
#[cfg(feature = "files")]
pub mod files;
pub mod targets;
