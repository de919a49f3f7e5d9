#!/usr/bin/env bash
# What a GPU is asked, in two halves, as the machine with the GPU may have neither Rust nor a
# network, and may be at hand for minutes:
# - `ci/gpu.sh build` where Rust is: puts all that the other half needs into target/gpu-kit,
#   including this script and other builds of the kernel;
# - `ci/gpu.sh run PART...` where the GPU is, from the checkout or from a copy of that folder:
#   `decode` (conformance, then the benchmark; 240 s at most, 70 on an H100), `published` (the
#   published package computes with what we wrote; 60 s) and `tools` (profiler, sanitizers; 200 s).
#   It says what it skips because something is missing. Every result is in the folder record/ of the
#   kit, or in $OUT, as soon as it is known;
# - `ci/gpu.sh rehearse`: both, with the played driver of df11-gpu-shim instead of a GPU. It proves
#   these scripts and programs, and records nothing.
. "$(dirname "$0")/lib.sh"

kit=target/gpu-kit most_mib=45
# Seconds: the tests, the benchmark, the package, a run of the profiler, a tool of the sanitizer.
tests_limit=180 bench_limit=60 package_limit=60 profiler_limit=40 tool_limit=40
# Other builds of the kernel that race beside ours: a name, and constants of the source.
variants=("kept24 KEPT=24" "kept32 KEPT=32" "early2 EARLY=2 LATE=5" "early4 EARLY=4 LATE=3" "sure16 SURE_STEPS=16")

programs() {
  rm -rf "$kit"/{ci,backend,gpu,df11,decode.ptx,python,variants,BUILT} # records stay
  mkdir -p "$kit/ci/published"
  cp ci/lib.sh ci/gpu.sh "$kit/ci/"
  cp ci/published/on_gpu.py "$kit/ci/published/"
  cargo test --no-run --locked -p df11-gpu-suite --test backend --bench gpu --message-format=json-render-diagnostics >target/gpu-kit.json
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

# The program, and what the published package needs besides PyTorch, transformers and CuPy.
program_and_package() {
  . ci/gpu/tools.sh
  cargo build --release --locked --features cuda
  cp target/release/df11 "$kit/"
  strip "$kit/df11"
  pip_folder dfloat11-on-gpu dfloat11==0.5.0 dahuffman==0.4.2 'setuptools<81'
  cp -r "$DF11_TOOLS/dfloat11-on-gpu" "$kit/python"
}

# Machine code of nvcc 13.0, which every driver of CUDA 13 takes.
other_builds() {
  . ci/gpu/tools.sh
  nvcc_13_0
  kernel_source cuda
  local architecture variant name constant source
  for architecture in sm_80 sm_89 sm_90; do
    mkdir -p "$kit/variants/$architecture"
    for variant in "machine-code" "${variants[@]}"; do
      read -r name constants <<<"$variant"
      source=target/gpu/variant.cu
      cp target/gpu/cuda.cu "$source"
      for constant in $constants; do
        grep -q "^#define ${constant%=*} " "$source" || { echo "the kernel has no constant ${constant%=*}"; return 1; }
        sed -i "s/^#define ${constant%=*} .*/#define ${constant%=*} ${constant#*=}/" "$source"
      done
      "$cuda_13_0/nvcc" -cubin -arch=$architecture -o "$kit/variants/$architecture/$name.cubin" "$source"
    done
  done
}

size() {
  local kib
  kib=$(du -sk --exclude record "$kit" | cut -f 1)
  echo "$kit: $((kib / 1024 + 1)) MiB (bound $most_mib)"
  [ "$kib" -lt $((most_mib * 1024)) ]
}

played() { [[ $("$kit/gpu" device) == *"played on the processor"* ]]; }

# $record: where results go. A rehearsal's are thrown away.
device() {
  {
    echo "ci/gpu.sh run, $(date -u +%F)"
    cat "$kit/BUILT"
    "$kit/gpu" device
    ! command -v nvidia-smi >/dev/null ||
      nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit --format=csv,noheader
  } | tee "$record/device.txt"
  ! played || echo "EMULATED: no GPU is here. What follows rehearses the scripts and proves nothing of a device."
}

conformance() { DF11_REQUIRE=cuda timeout "$tests_limit" "$kit/backend" cuda --nocapture 2>&1 | tee "$record/conformance.txt"; }

bench() {
  local files=() capability clocks=
  [ ! -e "$kit/decode.ptx" ] || files=("$kit/decode.ptx")
  if ! played && command -v nvidia-smi >/dev/null; then
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i 0 | tr -d .)
    files+=($(ls "$kit/variants/sm_$capability/"*.cubin 2>/dev/null || true))
    nvidia-smi --query-gpu=clocks.sm,clocks.mem,power.draw,temperature.gpu --format=csv -lms 500 >"$record/clocks.csv" &
    clocks=$!
  fi
  local status=0
  timeout "$bench_limit" "$kit/gpu" decode "$record/decode.jsonl" "${files[@]}" 2>&1 | tee "$record/decode.txt" || status=$?
  [ -z "$clocks" ] || kill "$clocks"
  return $status
}

published_package() {
  [ -d "$kit/python" ] && ! played || skip "no package in the kit, or no GPU"
  python3 -c 'import torch, transformers, cupy, accelerate' 2>/dev/null || skip "no torch, transformers, cupy or accelerate"
  PYTHONPATH=$kit/python timeout "$package_limit" python3 -W ignore "$kit/ci/published/on_gpu.py" "$kit/df11" 2>&1 | tee "$record/published.txt"
}

profiler() {
  command -v ncu >/dev/null || skip "no ncu"
  timeout "$profiler_limit" ncu --clock-control none --set full -k df11_decode -s 3 -c 1 "$kit/gpu" once >"$record/profile.txt" 2>&1 || skip "ncu was refused, see profile.txt"
  grep -E "Duration|Executed Ipc Active|DRAM Throughput|Achieved Occupancy|Spilling Requests" "$record/profile.txt"
}

# Without the units of millions of weights.
sanitizer() {
  local sanitizer status=0 flags=()
  # The tests provoke refusals of the driver, which memcheck would count.
  [ "$1" != memcheck ] || flags=(--report-api-errors no)
  sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null) || skip "no compute-sanitizer"
  DF11_REQUIRE=cuda timeout "$tool_limit" "$sanitizer" --tool "$1" "${flags[@]}" --error-exitcode 1 "$kit/backend" --exact cuda_end_to_end 2>&1 | tail -5 | tee -a "$record/sanitizers.txt" || status=$?
  [ $status != 124 ] || skip "not done in $tool_limit seconds"
  return $status
}

run() {
  [ -d "$kit" ] || kit=.
  record=${OUT:-$kit/record/$(date -u +%F-%H%M%S)}
  ! played || { scratch_folder && record=$scratch; }
  mkdir -p "$record"
  step device device
  local part tool
  for part in "$@"; do
    case $part in
      decode)
        step conformance conformance
        step bench bench
        ;;
      published) step "published package" published_package ;;
      tools)
        step profiler profiler
        for tool in memcheck racecheck initcheck synccheck; do step "sanitizer $tool" sanitizer $tool; done
        ;;
      *) echo "no part $part: decode, published, tools" && exit 2 ;;
    esac
  done
  played || echo "record: $record"
  printf '\nran in %s s\n' "$SECONDS"
}

# A copy of the folder, on a path without cargo.
rehearse() {
  [ -s target/gpu-kit.played ] || skip "the driver is not played here: no C++ compiler, or not Linux"
  scratch_folder
  cp -r "$kit" "$scratch/kit"
  rm -rf "$scratch/kit/record"
  env -i PATH=/usr/bin:/bin HOME="$scratch" LD_LIBRARY_PATH="$(dirname "$(cat target/gpu-kit.played)")" bash "$scratch/kit/ci/gpu.sh" run decode published tools
  [ ! -e "$scratch/kit/record" ] || { echo "a rehearsal left a record"; return 1; }
}

case ${1:-} in
  build)
    step programs programs
    step "published kernel" published
    step "program and package" program_and_package
    step "other builds of the kernel" other_builds
    step size size
    ;;
  run) shift && run "$@" ;;
  rehearse)
    rm -f target/gpu-kit.played
    step programs programs
    step "published kernel" published
    step size size
    step rehearsal rehearse
    ;;
  *) echo "usage: ci/gpu.sh build | run decode|published|tools... | rehearse" && exit 2 ;;
esac
