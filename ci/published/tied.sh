#!/usr/bin/env bash
# Tied and untied models of Llama, Qwen 3 and Gemma 3 through the loader of the published Python
# package (dfloat11 0.5.0, from PyPI), with the GPU played on the CPU: the logits must be the
# source's.
#
#   ci/published/tied.sh DF11_PROGRAM SCRATCH_FOLDER
#
# The first run installs PyTorch and transformers (6 GB on disk) into a folder that later runs and
# other checkouts use again: $DF11_TIED_VENV, or else one under the user's cache folder.
. "$(dirname "$0")/package.sh"

usage_unless_two "$@"
published_package "tied models" "${DF11_TIED_VENV:-}" published-tied-1 torch numpy safetensors tqdm 'setuptools<81' 'transformers<5'
exec "$venv/bin/python" "$(dirname "$0")/tied.py" "$@"
