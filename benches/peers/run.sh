#!/usr/bin/env bash
# Our program beside ZipNN 0.5.4 and zstd on the same bytes. Prints Markdown. benches/peers/peers.py
# says what is timed.
#
#   benches/peers/run.sh [CHECKPOINT.safetensors]
#
# Measures N(0, 0.02), and the 2-D BF16 weights of CHECKPOINT repeated to the same 64 Mi weights.
# Everything runs on two processors, so that "all threads" means two everywhere.
checkpoint=${1:+$(realpath "$1")}
. "$(dirname "$0")/../../ci/lib.sh"

# ZipNN without its dependencies: only its C core is called, and its Python layer would install 5 GB
# of torch.
virtual_env venv-peers numpy zstandard
"$python" -m pip install --quiet --disable-pip-version-check --no-deps zipnn==0.5.4
cargo build --release --locked
program=${CARGO_TARGET_DIR:-target}/release/df11

scratch_folder
measure() { taskset -c 0,1 "$python" benches/peers/peers.py "$program" "$1" "$2"; }

printf '%s, %s\n' "$(date --utc +%F)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
"$python" benches/generate.py gauss "$scratch/gauss.safetensors"
measure "$scratch/gauss.safetensors" "N(0, 0.02), 64 Mi weights"
if [ -n "$checkpoint" ]; then
  "$python" benches/generate.py repeated "$checkpoint" "$scratch/repeated.safetensors"
  measure "$scratch/repeated.safetensors" "$(basename "$checkpoint") repeated to 64 Mi weights"
else
  echo "skipped: a real model (give a BF16 checkpoint as argument)"
fi
