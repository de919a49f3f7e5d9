#!/usr/bin/env bash
# Writes the models of this folder anew: make.sh [OUT [MINILM]]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
. "$here/../../../../tests/vectors/transformers.sh"
with_transformers_5 "$here/make.py" "$out" "${@:2}"
with_transformers_4 "$here/make.py" "$out"
rm -f "$out"/*/generation_config.json
