#!/usr/bin/env bash
# Another reader of the format, `mlx-dfloat` 0.2.0 of PyPI, reads what we write, and we read the
# units that it carries. Its reference decoder is numpy alone; Apple's `mlx`, on which its GPU
# decoder runs, is stubbed.
#
#   ci/peers_read.sh
#
# The first run installs numpy and the package (70 MB) into target/venv-peers.
. "$(dirname "$0")/lib.sh"

scratch_folder
virtual_env venv-peers numpy
# Its dependencies (mlx, huggingface-hub) take no part in reading a model on the disk.
"$python" -m pip install --quiet --disable-pip-version-check --no-deps mlx-dfloat==0.2.0
cargo build --locked --release --bin df11
"$python" ci/published/peers_read.py "${CARGO_TARGET_DIR:-target}/release/df11" "$scratch"
