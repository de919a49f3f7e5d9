#!/usr/bin/env bash
# Fuzzes for MINUTES: `ci/fuzz/long.sh MINUTES [TARGET...]`, the targets in turn, one minute each.
# What is found grows fuzz/corpus. Executions go to fuzz/artifacts/executions.tsv, one line per
# turn. The sums printed at the end belong into tests/README.md.
. "$(dirname "$0")/common.sh"
exec 2>&1
readonly turn_seconds=60 record=fuzz/artifacts/executions.tsv

turns() {
  local minutes=$1 target
  shift
  [ $# -gt 0 ] || set -- $(basename -s .rs fuzz/fuzz_targets/*.rs)
  fuzz_build
  while [ $((SECONDS / 60)) -lt "$minutes" ]; do
    for target in "$@"; do
      fuzz_run "$target" "$turn_seconds"
      printf '%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$target" "$executions" >>"$record"
    done
  done
  awk -F '\t' '{ sum[$2] += $3 } END { for (t in sum) printf "%-20s %12d executions\n", t, sum[t] }' "$record" | sort
}

[ $# -gt 0 ] || { echo "usage: ci/fuzz/long.sh MINUTES [TARGET...]"; exit 2; }
step "fuzzing" turns "$@"
