#!/usr/bin/env bash
# The NEON level, compiled and run under emulation; without it the tests of the CPU backend would pass on what is left.
. "$(dirname "$0")/lib.sh"
export DF11_REQUIRE=neon
step "df11-cpu on aarch64" test_on_aarch64 --package df11-cpu
exit_with_skips
