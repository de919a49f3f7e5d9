# Shared by the two fuzzing scripts (source it). Builds the targets once, and runs one target for
# some seconds.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

fuzz_targets=$(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -vx df11-fuzz)
fuzz_folder=fuzz/target/x86_64-unknown-linux-gnu/release
# In memory if possible: models are written through to the disk, and would wait for it.
[ ! -d /dev/shm ] || export TMPDIR=/dev/shm

# Builds targets and seeds. Skips if the tools are missing; CI installs cargo-fuzz.
# FUZZ_SANITIZER=none runs several times as many inputs per second, and misses nothing where no
# unsafe code runs.
fuzz_build() {
  cargo +nightly --version >/dev/null 2>&1 || skip "no nightly toolchain"
  export PATH=$PWD/target/tools/bin:$PATH
  if ! cargo fuzz --version >/dev/null 2>&1; then
    [ "${CI:-}" = true ] || skip "no cargo-fuzz: cargo install cargo-fuzz"
    CARGO_TARGET_DIR=target/tools cargo install --quiet --locked --root target/tools cargo-fuzz
  fi
  # Tracing comparisons took two thirds of the time. It does not help most inputs, which are choices
  # of a generator.
  # In one part, as cargo-fuzz has it, the facade keeps one processor busy while the others wait.
  cargo +nightly fuzz build --no-trace-compares --codegen-units 16 --sanitizer "${FUZZ_SANITIZER:-address}"
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
