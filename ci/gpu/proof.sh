#!/usr/bin/env bash
# The proof on a GPU, in two halves, as the machine with the GPU may have neither Rust nor a
# network:
# - `ci/gpu/proof.sh build` where Rust is: puts all that the other half needs into target/gpu-kit,
#   including this script;
# - `ci/gpu/proof.sh run` where the GPU is, from the checkout or from a copy of that folder:
#   conformance, compute-sanitizer, then the benchmark, in less than 8 minutes. It says what it
#   skips because something is missing. The record is left in record/ of the folder;
# - `ci/gpu/proof.sh rehearse`: both, with the played driver of df11-gpu-shim instead of a GPU. It
#   proves these scripts and programs, and records nothing.
. "$(dirname "$0")/../lib.sh"

kit=target/gpu-kit most_mib=50
# Seconds, below 480 in all: the tests, each tool of the sanitizer, the benchmark.
tests_limit=90 tool_limit=45 bench_limit=180

programs() {
  rm -rf "$kit"/{ci,backend,gpu,decode.ptx,BUILT} # records stay
  mkdir -p "$kit/ci/gpu"
  cp ci/lib.sh "$kit/ci/"
  cp ci/gpu/proof.sh "$kit/ci/gpu/"
  cargo test --no-run --locked -p df11-gpu-suite --test backend -p df11-cuda --bench gpu --message-format=json-render-diagnostics >target/gpu-kit.json
  python3 - "$kit" <<'PYTHON'
import json, shutil, sys
for message in map(json.loads, open("target/gpu-kit.json")):
    if message.get("executable") and message["target"]["name"] in ("backend", "gpu"):
        shutil.copy(message["executable"], f"{sys.argv[1]}/{message['target']['name']}")
    for name, value in message.get("env", []):
        if name == "DF11_FAKE_CUDA":
            open("target/gpu-kit.played", "w").write(value)
PYTHON
  strip "$kit/backend" "$kit/gpu"
  {
    echo "built of $(git describe --always --dirty 2>/dev/null || echo 'no git checkout'), $(rustc --version), $(date -u +%F)"
    echo "wants $(readelf -V "$kit/backend" "$kit/gpu" | grep -o 'GLIBC_[0-9.]*' | sort -V | tail -1) or later"
  } | tee "$kit/BUILT"
}

published() {
  . ci/gpu/tools.sh
  pip_folder dfloat11-0.5.0 dfloat11==0.5.0
  cp "$DF11_TOOLS/dfloat11-0.5.0/dfloat11/decode.ptx" "$kit/"
}

size() {
  local kib
  kib=$(du -sk "$kit" | cut -f 1)
  echo "$kit: $((kib / 1024 + 1)) MiB (bound $most_mib)"
  [ "$kib" -lt $((most_mib * 1024)) ]
}

build() {
  step programs programs
  step "published kernel" published
  step size size
}

played() { [[ $("$kit/gpu" device) == *"played on the processor"* ]]; }

device() {
  cat "$kit/BUILT"
  "$kit/gpu" device
  ! played || echo "EMULATED: no GPU is here. What follows rehearses the scripts and proves nothing of a device."
}

driver() {
  command -v nvidia-smi >/dev/null || skip "no nvidia-smi"
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory --format=csv
}

conformance() { DF11_REQUIRE=cuda timeout "$tests_limit" "$kit/backend" cuda --nocapture; }

# Without the units of millions of weights.
sanitizer() {
  local sanitizer status=0
  sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null) || skip "no compute-sanitizer"
  DF11_REQUIRE=cuda timeout "$tool_limit" "$sanitizer" --tool "$1" --error-exitcode 1 "$kit/backend" --exact cuda_end_to_end || status=$?
  [ $status != 124 ] || skip "not done in $tool_limit seconds"
  return $status
}

bench() {
  local ptx=() record
  [ ! -e "$kit/decode.ptx" ] || ptx=("$kit/decode.ptx")
  record=$kit/record/$(date -u +%F-%H%M%S)
  if played; then
    timeout "$bench_limit" "$kit/gpu" bench "$record.tsv" "${ptx[@]}"
    return
  fi
  mkdir -p "$kit/record"
  {
    echo "$(date -u +%F), ci/gpu/proof.sh run, $(cat "$kit/BUILT")"
    timeout "$bench_limit" "$kit/gpu" bench "$record.tsv" "${ptx[@]}"
  } 2>&1 | tee "$record.txt"
  echo "record: $record.txt, $record.tsv"
}

run() {
  [ -d "$kit" ] || kit=.
  step device device
  step driver driver
  step conformance conformance
  local tool
  for tool in memcheck racecheck initcheck synccheck; do step "sanitizer $tool" sanitizer $tool; done
  step bench bench
  printf '\nran in %s s\n' "$SECONDS"
}

# A copy of the folder, on a path without cargo.
rehearse() {
  [ -s target/gpu-kit.played ] || skip "the driver is not played here: no C++ compiler, or not Linux"
  scratch_folder
  cp -r "$kit" "$scratch/kit"
  env -i PATH=/usr/bin:/bin HOME="$scratch" LD_LIBRARY_PATH="$(dirname "$(cat target/gpu-kit.played)")" bash "$scratch/kit/ci/gpu/proof.sh" run
  [ ! -e "$scratch/kit/record" ] || { echo "a rehearsal left a record"; return 1; }
}

case ${1:-} in
  build) build ;;
  run) run ;;
  rehearse)
    rm -f target/gpu-kit.played
    build
    step rehearsal rehearse
    ;;
  *) echo "usage: ci/gpu/proof.sh build | run | rehearse" && exit 2 ;;
esac
