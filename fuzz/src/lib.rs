//! The promises of the library under hostile input, one target per layer.
//!
//! ```text
//! fuzz_targets/NAME.rs     passes the fuzzer's bytes to targets::NAME
//! src/targets/             what must hold for them; tests/regressions.rs compiles the same files
//! regressions/NAME/        every input that ever failed; `cargo test` replays them for ever
//! src/bin/seeds.rs         writes the first inputs into corpus/NAME, from vectors and named cases
//! ```
//!
//! `ci/fuzz/smoke.sh` runs all targets for 20 seconds in all, `ci/fuzz/long.sh MINUTES` for as long
//! as you like.

#[path = "../../tests/support/mod.rs"]
pub mod support;
pub mod targets;
