#!/usr/bin/env bash
# The slow proofs: machines we do not have, processors with less than ours, tools that watch memory.
# Every step runs under a time limit, whether or not an earlier one failed. A table at the end says
# which passed. `ci/full.sh STEP...` runs only those. Record results that matter in tests/README.md,
# with their date.
. "$(dirname "$0")/lib.sh"
exec 2>&1

# under_an_emulator COMMAND...: fewer cases of each property and fewer damages, as all of them take
# ten times as long or more there.
under_an_emulator() { PROPTEST_CASES=32 DF11_DAMAGE_STRIDE=211 DF11_LYING_UNITS=100 "$@"; }

# --- Other machines, by Debian's compiler and qemu-user -------------------------------------------

# Without the feature `cli`: the emulator runs a test, but not the processes that it starts.
s390x() { under_an_emulator test_on_s390x --no-default-features; }

aarch64() { DF11_REQUIRE=neon under_an_emulator test_on_aarch64 --no-default-features; }

# 32-bit pointers. The programs run directly on this processor; under qemu-i386 they hang.
i686() {
  packages gcc-i686-linux-gnu libc6-dev-i386-cross libc6-i386 lib32gcc-s1
  test_on i686-unknown-linux-gnu i686-linux-gnu-gcc ""
}

# The kernels through the compilers that no change of ours is likely to upset: NVRTC of CUDA 13, an
# older hipcc, hiprtc.
gpu_compilers() { bash ci/gpu/compile_cuda.sh full && bash ci/gpu/compile_hip.sh full; }

# Core without std, and its tests. wasm has no threads. Debian's C library for it lacks two
# functions that join them. A call of either would trap.
wasm() {
  bash ci/machines/cross.sh wasm32-unknown-unknown
  packages wasi-libc lld
  virtual_env venv-wasmtime wasmtime
  local library=/usr/lib/wasm32-wasi
  export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-C link-self-contained=no -L native=$library \
    -C link-arg=$library/crt1-command.o -C link-arg=--unresolved-symbols=ignore-all"
  test_on wasm32-wasip1 wasm-ld "$PWD/$python $PWD/ci/machines/wasi.py" --package df11-core
}

# --- Other x86 processors, emulated ---------------------------------------------------------------

on_processor() {
  packages qemu-user
  CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="qemu-x86_64 -cpu $1" under_an_emulator cargo test --locked --lib --tests
}

sse_only() { on_processor Nehalem; }

avx2_only() { DF11_REQUIRE=avx2 on_processor Haswell; }

# --- Tools that watch memory ----------------------------------------------------------------------

# under_asan ARGUMENT...: runs `cargo test ARGUMENT...` with AddressSanitizer.
under_asan() {
  cargo +nightly --version || skip "no nightly toolchain"
  # If AMD's runtime is installed, the list of backends opens it, and it keeps some memory. A played
  # device keeps what it is told not to free.
  scratch_folder
  printf 'leak:%s\n' libamdhip64 libcuda.so >"$scratch/leaks"
  # The sanitizer's own signal stack cannot be used beside the standard library's. One test is left
  # out: it runs the program with less address space than the sanitizer needs.
  ASAN_OPTIONS=use_sigaltstack=0 LSAN_OPTIONS=suppressions=$scratch/leaks RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/asan \
    cargo +nightly test --locked --target x86_64-unknown-linux-gnu "$@"
}

address_sanitizer() { under_asan --lib --tests -- --skip where_the_system_gives_no_more; }

# valgrind does not know AVX-512 and hides it, so the levels below run. Left out: GPUs played on the
# processor, which switch stacks by hand; and a signal that must come in time, because the program
# is slowed down but the sender is not.
valgrind() {
  packages valgrind
  CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --error-exitcode=9" under_an_emulator cargo test --locked --workspace \
    --exclude df11-gpu-suite --exclude df11-cuda --exclude df11-hip --exclude df11-gpu-shim --lib --tests -- --skip a_signal_keeps_what_is_finished
}

# The standard library with its own debug assertions: unchecked indices, overlapping copies,
# misaligned references.
careful() {
  cross_compiler
  env -u RUSTC -u RUSTC_BOOTSTRAP CARGO_TARGET_DIR=target/tools cargo install --quiet --locked --root target/tools cargo-careful
  PATH=$PWD/target/tools/bin:$PATH CARGO_TARGET_DIR=target/careful cargo careful test --locked --lib --tests
}

# --- Hostile files --------------------------------------------------------------------------------

# Units whose structure lies. All decoders accept the same ones, and none touches a byte outside:
# first beside guard pages, then on a watched heap.
acceptance() {
  DF11_LYING_UNITS=20000 cargo test --locked --test acceptance accept -- --nocapture
  DF11_LYING_UNITS=2000 cargo test --locked --test acceptance multiplies -- --nocapture
  DF11_LYING_UNITS=20000 cargo test --locked --test guard_pages units_that_lie -- --nocapture
}
acceptance_asan() {
  DF11_LYING_UNITS=20000 under_asan --test acceptance accept -- --nocapture
  DF11_LYING_UNITS=2000 under_asan --test acceptance multiplies -- --nocapture
}

every_bit_damaged() {
  DF11_DAMAGE_STRIDE=1 cargo test --locked --test model_damage -- --nocapture
  DF11_DAMAGE_STRIDE=13 cargo test --locked --test program sampled -- --nocapture
}

# What we write at the limits of a file can be read again.
extremes() { cargo test --locked --test extremes -- --ignored; }

# The targets of the facade, which ci/check.sh does not build for the fuzzer.
fuzz_files() { bash ci/fuzz/long.sh 10 safetensors_header model_directory; }

resources() { bash ci/hostile/resources.sh; }

# 500 kills at random moments, with and without --force, and one kill before each call that touches
# OUTPUT.
killed() {
  DF11_KILLS=500 cargo test --locked --test program killed_at_any_moment -- --nocapture
  packages strace
  scratch_folder
  cargo build --release --locked --bin df11
  python3 ci/hostile/killed.py "${CARGO_TARGET_DIR:-target}/release/df11" "$scratch"
}

# --- What we depend on ----------------------------------------------------------------------------

deny() {
  CARGO_TARGET_DIR=target/tools cargo install --quiet --locked --root target/tools cargo-deny
  target/tools/bin/cargo-deny check licenses bans sources
}

# --- The published loader -------------------------------------------------------------------------

# The published Python loader reads what we write. The first run installs 5 GB of PyTorch.
published_loader() {
  scratch_folder
  cargo run --locked --release --bin df11 -- compress tests/vectors/minilm-sample -o "$scratch/df11"
  bash ci/published/loader.sh "$scratch/df11" tests/vectors/minilm-sample
}

# The published loader gives tied and untied models the source's logits. The first run installs 6 GB
# of PyTorch and transformers.
published_tied() {
  scratch_folder
  cargo build --locked --release --bin df11
  bash ci/published/tied.sh "${CARGO_TARGET_DIR:-target}/release/df11" "$scratch"
}

# Compares what `--code published` writes with the published package's own functions. The first run
# installs numpy.
published_bytes() {
  scratch_folder
  cargo run --locked --release --bin df11 -- compress --code published tests/vectors/minilm-sample -o "$scratch/df11"
  bash ci/published/bytes.sh "$scratch/df11" tests/vectors/minilm-sample
}

# A model of candle-transformers computes the same bits from DFloat11 files as from BF16 files.
candle_transformers() { bash ci/candle.sh full; }

# Another reader of the format, from PyPI, reads what we write. The first run installs numpy.
peers_read() { bash ci/peers_read.sh; }

# --- Running them ---------------------------------------------------------------------------------

declare -A limit_s=(
  [deny]=1200 [i686]=1200 [s390x]=2400 [aarch64]=2400 [wasm]=1200 [gpu_compilers]=1200 [sse_only]=2400 [avx2_only]=2400
  [address_sanitizer]=2400 [valgrind]=3600 [careful]=2400 [published_loader]=1200 [published_tied]=1200 [published_bytes]=1200 [peers_read]=1200
  [acceptance]=2400 [acceptance_asan]=2400 [every_bit_damaged]=2400 [extremes]=1200 [fuzz_files]=2400 [resources]=1200 [killed]=1200
  [candle_transformers]=2400
)
order=(deny i686 s390x aarch64 wasm gpu_compilers sse_only avx2_only address_sanitizer valgrind careful published_loader published_tied published_bytes peers_read
  acceptance acceptance_asan every_bit_damaged extremes fuzz_files resources killed candle_transformers)

# A step runs this script again in its own process, so that `timeout` can end it and all it started.
if [ "${1:-}" = --inside ]; then
  step "$2" "$2"
  exit_with_skips
fi

[ $# = 0 ] || order=("$@")
results=() passed=0 failed=0
for name in "${order[@]}"; do
  began=$SECONDS
  status=0
  timeout --kill-after=10 "${limit_s[$name]}" bash ci/full.sh --inside "$name" || status=$?
  case $status in
    0) result=passed && passed=$((passed + 1)) ;;
    "$SKIPPED") result=skipped ;;
    124 | 137) result="FAILED: over ${limit_s[$name]} s" && failed=$((failed + 1)) ;;
    *) result=FAILED && failed=$((failed + 1)) ;;
  esac
  results+=("$(printf '%-18s %5s s  %s' "$name" "$((SECONDS - began))" "$result")")
done
printf '\n%s, %s\n' "$(date --utc +%F)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
printf '%s\n' "${results[@]}"
printf '\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$((${#order[@]} - passed - failed))"
exit "$((failed > 0))"
