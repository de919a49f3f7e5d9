#!/usr/bin/env bash
# Writes the models of this folder anew: make.sh [OUT]
#
# The first run installs the pinned packages from PyPI (PyTorch's Linux wheel brings CUDA along:
# 5.4 GB on disk) into a folder outside the checkout that later runs find again: $DF11_CANDLE_VENV,
# else under the user's cache folder.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
venv=${DF11_CANDLE_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/df11/candle-1}
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-cache-dir torch==2.15.0 transformers==4.57.6
    "$venv/bin/pip" install --quiet --no-cache-dir --target "$venv/transformers-5" transformers==5.23.0
    touch "$venv/complete"
fi
export HF_HUB_OFFLINE=1 PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1
PYTHONPATH=$venv/transformers-5 "$venv/bin/python" "$here/make.py" "$out"
"$venv/bin/python" "$here/make.py" "$out"
rm -f "$out"/*/generation_config.json
