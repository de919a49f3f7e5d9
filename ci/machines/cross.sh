#!/usr/bin/env bash
# The codec on other machines. It is built without an operating system, with `core` alone, so that
# neither std nor an allocator can slip in. Its tests run on a big-endian machine.
. "$(dirname "$0")/../lib.sh"

build_bare() {
  cross_compiler
  cargo build --locked --lib --package df11-core --target "$1" -Zbuild-std=core,compiler_builtins
}

step "core for thumbv7em-none-eabi" build_bare thumbv7em-none-eabi
step "core for wasm32-unknown-unknown" build_bare wasm32-unknown-unknown
step "core on s390x" test_on_s390x --package df11-core
exit_with_skips
