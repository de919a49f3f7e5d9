#!/usr/bin/env bash
# Runs the loader of the published Python package (dfloat11 0.5.0, from PyPI) over a DF11 model,
# with the GPU played on the CPU.
#
#   ci/published/loader.sh DF11 BF16_SOURCE        each a directory or a .safetensors file
#
# The first run installs PyTorch (PyPI's Linux wheel brings CUDA along: 5.4 GB on disk, about a
# minute and a half) into a folder that later runs and other checkouts use again: $DF11_LOADER_VENV,
# or else one under the user's cache folder.
. "$(dirname "$0")/package.sh"

usage_unless_two "$@"
# The package imports pkg_resources, which setuptools dropped with version 81. The package's other
# dependencies (transformers, accelerate, cupy) take no part in loading and are stubbed.
published_package "published loader" "${DF11_LOADER_VENV:-}" published-loader-1 torch numpy safetensors tqdm 'setuptools<81'
exec "$venv/bin/python" "$(dirname "$0")/loader.py" "$@"
