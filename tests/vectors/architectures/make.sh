#!/usr/bin/env bash
# Writes the JSON files of this folder anew: tests/vectors/architectures/make.sh [OUT]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
. "$here/../transformers.sh"
with_transformers_4 "$here/make.py" "$out"
with_transformers_5 "$here/make.py" "$out"
