#!/usr/bin/env bash
# Core without an operating system: it is built with `core` alone, so that neither std nor an
# allocator can slip in. `ci/machines/cross.sh TARGET` builds it for another machine; `ci/full.sh
# wasm` does. `ci/full.sh s390x` runs the tests on a big-endian machine.
. "$(dirname "$0")/../lib.sh"

build_bare() {
  cross_compiler
  cargo build --locked --lib --package df11-core --target "$1" -Zbuild-std=core,compiler_builtins
}

target=${1:-thumbv7em-none-eabi}
step "core for $target" build_bare "$target"
exit_with_skips
