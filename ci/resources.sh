#!/usr/bin/env bash
# What hostile files cost: time and memory of refusals, patterns that explode, and a kill in the midst of writing. A minute or two.
. "$(dirname "$0")/lib.sh"

resources() {
  cargo build --release --locked --bin df11
  scratch_folder
  python3 ci/resources.py "${CARGO_TARGET_DIR:-target}/release/df11" "$scratch"
}

step resources resources
