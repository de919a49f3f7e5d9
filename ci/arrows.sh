#!/usr/bin/env bash
# Who may know whom, and where unsafe code may live: cargo states the facts, arrows.py holds the rules.
. "$(dirname "$0")/lib.sh"
cargo metadata --format-version 1 --all-features --locked >target/metadata.json
python3 ci/arrows.py target/metadata.json
