#!/usr/bin/env bash
# Twenty seconds of fuzzing over the targets of core and the CPU levels. Checks that they build,
# take their seeds, and find nothing at once. The targets of the facade are left out, because its
# crate takes four minutes to build for a fuzzer: `cargo test --test regressions` runs them on a
# few inputs, `ci/full.sh fuzz_files` fuzzes them.
. "$(dirname "$0")/common.sh"
exec 2>&1
readonly total_seconds=20

smoke() {
  fuzz_build --no-default-features
  local targets target count
  targets=$(basename -s .rs $(grep -L df11_fuzz::files fuzz/fuzz_targets/*.rs))
  count=$(wc -w <<<"$targets")
  for target in $targets; do
    fuzz_run "$target" $(((total_seconds + count - 1) / count))
    printf '%-20s %9s executions, no failure\n' "$target" "$executions"
  done
}

step "fuzz targets" smoke
