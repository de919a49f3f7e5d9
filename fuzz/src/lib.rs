//! The promises of the library under hostile input, a target per layer.
//!
//! ```text
//! fuzz_targets/NAME.rs     hands the fuzzer's bytes to targets::NAME
//! src/targets/             what must hold for them; tests/regressions.rs of the checkout compiles the same files
//! regressions/NAME/        every input that ever failed; `cargo test` replays them for ever
//! src/bin/seeds.rs         writes the inputs to begin with into corpus/NAME, from tests/vectors and the named cases
//! ```
//!
//! `ci/fuzz_smoke.sh` runs all targets for 20 seconds together, `ci/fuzz_long.sh MINUTES` for as long as wanted.

#[path = "../../tests/support/mod.rs"]
pub mod support;
pub mod targets;
