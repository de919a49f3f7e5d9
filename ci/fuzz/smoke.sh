#!/usr/bin/env bash
# Twenty seconds of fuzzing over all targets. Checks that they build, take their seeds, and find
# nothing at once.
. "$(dirname "$0")/common.sh"
exec 2>&1
readonly total_seconds=20

smoke() {
  fuzz_build
  local target count
  count=$(wc -w <<<"$fuzz_targets")
  for target in $fuzz_targets; do
    fuzz_run "$target" $(((total_seconds + count - 1) / count))
    printf '%-20s %9s executions, no failure\n' "$target" "$executions"
  done
}

step "fuzz targets" smoke
