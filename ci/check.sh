#!/usr/bin/env bash
# Everything a change must pass, cheapest first; stops at the first failure and names it. `ci/check.sh STEP...` runs only
# those steps. What is too slow for every change is in ci/full.sh.
. "$(dirname "$0")/lib.sh"
exec 2>&1 # one stream, so that a message stands under its heading

formatting() { cargo fmt --all --check; }
arrows() { bash ci/arrows.sh; }
# Also the minimum compiler: `incompatible_msrv` is among the denied lints, and knows `rust-version`.
clippy() { cargo clippy --workspace --all-targets --all-features --locked -- -D warnings; }
# The levels of x86-64 are all forced in turn, `portable` being SSE2 alone there; CI has AVX2 and must not leave it out in silence.
tests() {
  [ "${CI:-}" != true ] || [ "$(uname -m)" != x86_64 ] || export DF11_REQUIRE=${DF11_REQUIRE:-avx2}
  cargo test --locked
}
# Where arithmetic wraps and debug assertions are left out, arguments that no caller should give have the same results.
release() { cargo test --locked --release -p df11-core -p df11-cpu --lib --test any_arguments; }
docs() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --locked && bash ci/public_types.sh; }
cross() { bash ci/cross.sh; }
fuzz() { bash ci/fuzz_smoke.sh; }
# The GPU kernel through the vendors' compilers, its price, and the proof on a GPU rehearsed: no GPU is wanted.
gpu() { bash ci/gpu_compile.sh && bash ci/gpu_cost.sh && bash ci/hip_compile.sh && bash ci/gpu.sh rehearse; }

steps=("$@")
[ $# -gt 0 ] || steps=(formatting arrows clippy tests release docs cross fuzz gpu)
for name in "${steps[@]}"; do step "$name" "$name"; done
printf '\nall passed: %s (%s s)\n' "${steps[*]}" "$SECONDS"
[ ${#skipped[@]} = 0 ] || printf 'but skipped: %s\n' "${skipped[*]}"
