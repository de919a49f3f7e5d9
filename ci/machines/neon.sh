#!/usr/bin/env bash
# Compiles and runs the NEON level under emulation. Without it, the tests of the CPU backend would
# pass on the levels that are left.
. "$(dirname "$0")/../lib.sh"
export DF11_REQUIRE=neon
step "df11-cpu on aarch64" test_on_aarch64 --package df11-cpu
exit_with_skips
