#!/usr/bin/env bash
# Mutation testing of df11-core by its own tests: every small change of its code must make one fail.
# Takes an hour or two. Arguments go to cargo-mutants (`--file 'wire/*'`; `--iterate` leaves out
# what an earlier run saw killed, even one that was stopped). tests/README.md lists what survives,
# with the reasons.
. "$(dirname "$0")/../lib.sh"
readonly least_percent=90

mutants() {
  export PATH=$PWD/target/tools/bin:$PATH
  cargo mutants --version >/dev/null 2>&1 || CARGO_TARGET_DIR=target/tools cargo install --quiet --locked --root target/tools cargo-mutants
  local status=0
  CARGO_PROFILE_TEST_OPT_LEVEL=1 CARGO_PROFILE_TEST_DEBUG=false \
    cargo mutants --package df11-core --timeout 120 --output target/mutants "$@" -- --lib --tests || status=$?
  # 2: some were missed; they are counted here
  [ "$status" = 0 ] || [ "$status" = 2 ] || return "$status"
  local folder=target/mutants/mutants.out killed missed
  killed=$(cat "$folder"/*caught.txt "$folder/timeout.txt" | wc -l)
  missed=$(wc -l <"$folder/missed.txt")
  printf '%s killed, %s survive\n' "$killed" "$missed"
  [ $((100 * killed)) -ge $((least_percent * (killed + missed))) ]
}

step "mutants of df11-core" mutants "$@"
