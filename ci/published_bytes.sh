#!/usr/bin/env bash
# Codes the units of a model with the published Python package (dfloat11 0.5.0 and dahuffman 0.4.2, from PyPI) and compares every byte.
#
#   ci/published_bytes.sh DF11 BF16_SOURCE        DF11: what `df11 compress --code published` wrote
#
# The first run installs numpy (70 MB) into a folder that later runs and other checkouts find again: $DF11_BYTES_VENV, else under the
# user's cache folder. The package codes about half a million weights a second.
set -euo pipefail

if [ $# -ne 2 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "skipped: published bytes (no python3 with venv)"
    exit 0
fi

venv=${DF11_BYTES_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/df11/published-bytes-1}
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-cache-dir numpy
    # the package's dependencies (torch, transformers, accelerate, cupy) have no part in coding a unit
    "$venv/bin/pip" install --quiet --no-cache-dir --no-deps dfloat11==0.5.0 dahuffman==0.4.2
    touch "$venv/complete"
fi
exec "$venv/bin/python" "$(dirname "$0")/published_bytes.py" "$@"
