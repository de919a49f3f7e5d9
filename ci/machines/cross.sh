#!/usr/bin/env bash
# Core without an operating system: it is built with `core` alone, so that neither std nor an
# allocator can slip in. `ci/full.sh s390x` runs the tests on a big-endian machine.
. "$(dirname "$0")/../lib.sh"

build_bare() {
  cross_compiler
  cargo build --locked --lib --package df11-core --target "$1" -Zbuild-std=core,compiler_builtins
}

step "core for thumbv7em-none-eabi" build_bare thumbv7em-none-eabi
step "core for wasm32-unknown-unknown" build_bare wasm32-unknown-unknown
exit_with_skips
