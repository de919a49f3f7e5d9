#!/usr/bin/env bash
# The facade shows no foreign type: rustdoc states the facts, public_types.py holds the rule.
. "$(dirname "$0")/lib.sh"
# rustdoc's JSON is an unstable output of the stable compiler.
RUSTC_BOOTSTRAP=1 cargo rustdoc --package df11 --lib --locked --quiet -- -Z unstable-options --output-format json
python3 ci/public_types.py target/doc/df11.json
