#!/usr/bin/env bash
# Checks which crate may know which, and where unsafe code may live: cargo gives the facts,
# arrows.py has the rules.
. "$(dirname "$0")/lib.sh"
cargo metadata --format-version 1 --all-features --locked >target/metadata.json
python3 ci/arrows.py target/metadata.json
