#!/usr/bin/env bash
# The workspace `candle`: its tests. A build from nothing compiles about 200 crates.
# `ci/candle.sh full`: its lints, and the comparison with candle-transformers, which takes minutes
# to compile.
. "$(dirname "$0")/lib.sh"
cd candle
if [ "${1:-}" = full ]; then
  cargo clippy --workspace --all-targets --locked -- -D warnings
  exec cargo test --locked -p candle-transformers-check
fi
cargo fmt --all --check
cargo test --locked
