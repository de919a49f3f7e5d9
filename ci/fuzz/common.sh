# Shared by the two fuzzing scripts (source it). Builds the targets once, and runs one target for
# some seconds.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

fuzz_machine=x86_64-unknown-linux-gnu
fuzz_folder=fuzz/target/$fuzz_machine/release
# In memory if possible: models are written through to the disk, and would wait for it.
[ ! -d /dev/shm ] || export TMPDIR=/dev/shm

# fuzz_build ARGUMENT...: builds targets and seeds by `cargo build ARGUMENT...`. Skips without a
# nightly compiler. FUZZ_SANITIZER=none runs several times as many inputs per second, and misses
# nothing where no unsafe code runs.
fuzz_build() {
  cargo +nightly --version >/dev/null 2>&1 || skip "no nightly toolchain"
  # What libFuzzer asks of a compiler: it counts how often each edge was taken, and knows how deep
  # the stack went. Traced comparisons took two thirds of the time. They do not help most inputs,
  # which are choices of a generator.
  local flags="--cfg fuzzing -Cpasses=sancov-module" part
  for part in level=4 inline-8bit-counters pc-table stack-depth; do flags+=" -Cllvm-args=-sanitizer-coverage-$part"; done
  # A branch that was folded away is not counted.
  flags+=" -Cllvm-args=-simplifycfg-branch-fold-threshold=0"
  [ "${FUZZ_SANITIZER:-address}" = none ] || flags+=" -Zsanitizer=${FUZZ_SANITIZER:-address}"
  RUSTFLAGS=$flags cargo +nightly build --locked --release --manifest-path fuzz/Cargo.toml --target "$fuzz_machine" --bins "$@"
  "$fuzz_folder/seeds"
}

# fuzz_run TARGET SECONDS: fails, and keeps the input, if an input breaks the target. Sets
# $executions to the number of executions.
fuzz_run() {
  local log=fuzz/artifacts/$1.log
  mkdir -p "fuzz/artifacts/$1"
  if ! "$fuzz_folder/$1" -max_total_time="$2" -timeout=20 -rss_limit_mb=2048 -max_len=4096 -dict=fuzz/dictionary.txt \
    -artifact_prefix="fuzz/artifacts/$1/" -print_final_stats=1 "fuzz/corpus/$1" >"$log" 2>&1; then
    tail -60 "$log"
    printf 'the input is in fuzz/artifacts/%s: mend, then move it to fuzz/regressions/%s\n' "$1" "$1"
    return 1
  fi
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
}
