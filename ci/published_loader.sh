#!/usr/bin/env bash
# Runs the loader of the published Python package (dfloat11 0.5.0, from PyPI) over a DF11 model, with the GPU played on the CPU.
#
#   ci/published_loader.sh DF11 BF16_SOURCE        each a directory or a .safetensors file
#
# The first run installs PyTorch (PyPI's Linux wheel brings CUDA along: 5.4 GB on disk, about a minute and a half) into a
# folder that later runs and other checkouts find again: $DF11_LOADER_VENV, else under the user's cache folder.
set -euo pipefail

if [ $# -ne 2 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "skipped: published loader (no python3 with venv)"
    exit 0
fi

venv=${DF11_LOADER_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/df11/published-loader-1}
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    # pkg_resources, which the package imports, left setuptools with version 81. The package's other dependencies
    # (transformers, accelerate, cupy) have no part in loading and are stubbed.
    "$venv/bin/pip" install --quiet --no-cache-dir torch numpy safetensors tqdm 'setuptools<81'
    "$venv/bin/pip" install --quiet --no-cache-dir --no-deps dfloat11==0.5.0 dahuffman==0.4.2
    touch "$venv/complete"
fi
exec "$venv/bin/python" "$(dirname "$0")/published_loader.py" "$@"
