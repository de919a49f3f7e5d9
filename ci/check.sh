#!/usr/bin/env bash
# Everything a change must pass, cheapest first. It stops at the first failure and names it.
# `ci/check.sh STEP...` runs only those steps. ci/full.sh has what is too slow for every change.
. "$(dirname "$0")/lib.sh"
exec 2>&1 # one stream, so that a message comes after its heading

formatting() { cargo fmt --all --check; }
arrows() { bash ci/arrows.sh; }
# Also checks the minimum compiler: `incompatible_msrv` is among the denied lints, and knows
# `rust-version`.
clippy() { cargo clippy --workspace --all-targets --all-features --locked -- -D warnings; }
# Forces every level of x86-64 in turn; `portable` is SSE2 there. CI has AVX2 and must not skip it
# in silence.
tests() {
  [ "${CI:-}" != true ] || [ "$(uname -m)" != x86_64 ] || export DF11_REQUIRE=${DF11_REQUIRE:-avx2}
  cargo test --locked
}
# In a release build arithmetic wraps and debug assertions are off. Arguments that no caller should
# pass must give the same results there.
release() { cargo test --locked --release -p df11-core -p df11-cpu --lib --test any_arguments; }
docs() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --locked && bash ci/public_types.sh; }
cross() { bash ci/machines/cross.sh; }
fuzz() { bash ci/fuzz/smoke.sh; }
# A workspace of its own: models that run from compressed weights.
candle() { bash ci/candle.sh; }
# Sends the GPU kernel through the vendors' compilers, counts its cost, and rehearses the proof on a
# GPU. Needs no GPU.
gpu() { bash ci/gpu/compile_cuda.sh && bash ci/gpu/cost.sh && bash ci/gpu/compile_hip.sh && bash ci/gpu.sh rehearse; }

steps=("$@")
[ $# -gt 0 ] || steps=(formatting arrows clippy tests release docs candle cross fuzz gpu)
for name in "${steps[@]}"; do step "$name" "$name"; done
printf '\nall passed: %s (%s s)\n' "${steps[*]}" "$SECONDS"
[ ${#skipped[@]} = 0 ] || printf 'but skipped: %s\n' "${skipped[*]}"
