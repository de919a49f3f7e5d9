#!/usr/bin/env bash
# The workspace `candle`: its lints and its tests. A build from nothing compiles about 200 crates.
# `ci/candle.sh full` compares with candle-transformers, too, which takes minutes to compile.
. "$(dirname "$0")/lib.sh"
cd candle
if [ "${1:-}" = full ]; then
  cargo clippy --workspace --all-targets --locked -- -D warnings
  exec cargo test --locked -p candle-transformers-check
fi
cargo fmt --all --check
cargo clippy --all-targets --locked -- -D warnings
cargo test --locked
