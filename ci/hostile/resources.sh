#!/usr/bin/env bash
# What hostile files cost: time and memory of refusals, patterns that explode, a kill while writing.
# Also what happens when reads and writes fail. Takes a minute or two.
. "$(dirname "$0")/../lib.sh"

program=${CARGO_TARGET_DIR:-target}/release/df11
scratch_folder
mkdir "$scratch/resources" "$scratch/failing"

resources() {
  cargo build --release --locked --bin df11
  python3 ci/hostile/resources.py "$program" "$scratch/resources"
}

failing_io() {
  packages strace
  cargo build --release --locked --bin df11
  python3 ci/hostile/failing_io.py "$program" "$scratch/failing"
}

step resources resources
step "reads and writes that fail" failing_io
exit_with_skips
