#!/usr/bin/env bash
# A Llama of invented weights that generates: speed, memory, and what happens where BF16 does not fit.
#
#   run.sh prepare FOLDER    builds the programs and makes the models mid, 1b (6 GB); 3b by SIZES="mid 1b 3b"
#   run.sh speed FOLDER      tokens a second of each form beside torch and candle, 1 and 8 texts at once
#   run.sh offload FOLDER    in a memory cgroup that BF16 does not fit: DF11 and flat in memory, BF16 from disk
#   run.sh tokens FOLDER     tokens of 16 texts until the memory of a cgroup is used up
#
# Each part writes FOLDER/PART.jsonl and prints a table. `offload` and `tokens` need root. Nothing else should
# run. Versions and results: ../README.md, "Inference".
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
part=$1
mkdir -p "$2"
work=$(cd "$2" && pwd)
program=${CARGO_TARGET_DIR:-$root/candle/target}/release/inference
results=$work/$part.jsonl

. "$root/tests/vectors/transformers.sh"
torch() { with_transformers_5 "$here/torch_llama.py" "$@" 2>/dev/null; }

prepare() {
  (cd "$root/candle" && cargo build --locked --release -p df11-inference-bench)
  (cd "$root" && cargo build --locked --release --bin df11)
  local df11=${CARGO_TARGET_DIR:-$root/target}/release/df11
  for size in ${SIZES:-mid 1b}; do
    python3 "$here/shapes.py" "$size" >"$work/$size.json"
    [ -d "$work/$size" ] || "$df11" synth "$work/$size.json" -o "$work/$size"
    [ -d "$work/$size-df11" ] || "$df11" compress "$work/$size" -o "$work/$size-df11"
  done
}

# ours MODEL FORM OPTION...: in df11 and flat from the DFloat11 files.
ours() {
  local model=$work/$1
  case $2 in df11 | flat) model+=-df11 ;; esac
  "$program" "$model" --form "$2" "${@:3}"
}

speed() {
  export RAYON_NUM_THREADS=2 OMP_NUM_THREADS=2
  local size=${SIZE:-mid} batch form
  for batch in 1 8; do
    for form in torch df11 flat bf16; do
      case $form in
        torch) torch "$work/$size" --batch "$batch" ;;
        *) ours "$size" "$form" --batch "$batch" ;;
      esac >>"$results"
    done
  done
  # Its BF16 product widens all weights for each token.
  ours "$size" candle --batch 1 --tokens 5 >>"$results"
}

# Drops the pages of the models' files.
drop_pages() {
  python3 -c '
import os, pathlib, sys
for file in pathlib.Path(sys.argv[1]).rglob("*.safetensors"):
    with open(file, "rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
' "$work"
}

# within BYTES COMMAND...: runs the command in a memory cgroup, of version 1 or 2.
within() {
  local group limit=memory.limit_in_bytes
  group=/sys/fs/cgroup/memory/df11-inference
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    group=/sys/fs/cgroup/df11-inference limit=memory.max
  fi
  mkdir -p "$group"
  echo "$1" >"$group/$limit"
  local status=0
  (echo "$BASHPID" >"$group/cgroup.procs" && "${@:2}") || status=$?
  rmdir "$group"
  return "$status"
}

offload() {
  export RAYON_NUM_THREADS=2 OMP_NUM_THREADS=2
  local size=${SIZE:-1b} bytes=${BYTES:-2200000000} form
  drop_pages
  local file begun
  file=$(find "$work/$size" -name '*.safetensors' | head -n 1)
  begun=$(date +%s.%N)
  cat "$file" >/dev/null
  python3 -c '
import json, os, sys
seconds = float(sys.argv[2]) - float(sys.argv[3])
print(json.dumps(dict(form="the disk alone", gb_per_s=os.path.getsize(sys.argv[1]) / seconds / 1e9)))
' "$file" "$(date +%s.%N)" "$begun" >>"$results"
  for form in df11 flat; do
    drop_pages
    within "$bytes" ours "$size" "$form" --tokens 10 >>"$results"
  done
  drop_pages
  within "$bytes" torch "$work/$size" --mapped --tokens 5 >>"$results"
}

tokens() {
  export RAYON_NUM_THREADS=2
  local size=${SIZE:-mid} bytes=${BYTES:-1000000000} form last
  for form in bf16 flat df11; do
    # The system kills it when the memory is used up.
    last=$( (within "$bytes" ours "$size" "$form" --batch 16 --tokens 100000 --steps || true) 2>/dev/null | tail -n 1)
    echo "{\"form\": \"$form\", \"limit_bytes\": $bytes, \"batch\": 16, \"tokens_of_each\": ${last:-0}}" >>"$results"
  done
}

rm -f "$results"
"$part"
[ ! -e "$results" ] || python3 "$here/table.py" "$results"
