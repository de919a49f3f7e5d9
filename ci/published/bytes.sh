#!/usr/bin/env bash
# Codes the units of a model with the published Python package (dfloat11 0.5.0 and dahuffman 0.4.2,
# from PyPI) and compares every byte.
#
#   ci/published/bytes.sh DF11 BF16_SOURCE        DF11: what `df11 compress --code published` wrote
#
# The first run installs numpy (70 MB) into a folder that later runs and other checkouts use again:
# $DF11_BYTES_VENV, or else one under the user's cache folder. The package codes about half a
# million weights a second.
. "$(dirname "$0")/package.sh"

usage_unless_two "$@"
# The package's dependencies (torch, transformers, accelerate, cupy) take no part in coding a unit.
published_package "published bytes" "${DF11_BYTES_VENV:-}" published-bytes-1 numpy
exec "$venv/bin/python" "$(dirname "$0")/bytes.py" "$@"
