#!/usr/bin/env bash
# Sends the kernel through NVIDIA's compilers, without a GPU:
# - the committed PTX is what the pinned NVRTC makes from the source (`ci/gpu/compile_cuda.sh write`
#   makes it again);
# - registers, spills and shared memory for compute capabilities 7.5, 8.0, 9.0 are within bounds.
. "$(dirname "$0")/../lib.sh"
. ci/gpu/tools.sh

ptx_folder=df11-kernels/ptx
# 7.5 for Turing and everything later. 8.0 adds the warp-wide sum that the kernel uses.
ptx_architectures=(compute_75 compute_80)

ptx() {
  nvrtc
  kernel_source cuda
  local architecture folder=target/gpu/ptx
  [ "$1" = check ] || folder=$ptx_folder
  for architecture in "${ptx_architectures[@]}"; do
    python3 ci/gpu/nvrtc.py "$nvrtc" target/gpu/cuda.cu "$architecture" "$folder/$architecture.ptx"
    grep -q '^\.version 8\.0$' "$folder/$architecture.ptx" || { echo "$architecture: not PTX of ISA 8.0"; return 1; }
    if [ "$1" = check ]; then
      cmp "$ptx_folder/$architecture.ptx" "$folder/$architecture.ptx" ||
        { echo "$architecture: the committed PTX is not of this source: run ci/gpu/compile_cuda.sh write and commit it"; return 1; }
    fi
    echo "$architecture: $(wc -c <"$folder/$architecture.ptx") bytes"
  done
}

# Most registers of a thread: 1024 threads on a multiprocessor; for products, which keep what they
# have loaded ahead in registers, 384 threads. Most bytes spilled: none but on 7.5, where the gathering
# kernel spills ten words. (Spilled words cost much: they wait with the loads of the stream.)
registers=64 spilled=40 product_registers=168 kernels=14

resources() {
  nvcc
  kernel_source cuda
  local architecture
  for architecture in sm_75 sm_80 sm_90; do
    "$cuda/nvcc" -cubin -lineinfo -Xptxas -v -arch=$architecture -o "target/gpu/$architecture.cubin" target/gpu/cuda.cu 2>&1 | tee "target/gpu/$architecture.log" |
      awk -v architecture=$architecture -v few=$registers -v many=$product_registers -v spilled=$spilled -v kernels=$kernels '
        /error|warning/ { print; bad = 1 }
        /Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2] }
        /spill stores/ { stores = $5 }
        /Used [0-9]+ registers/ {
          registers = kernel ~ /product/ ? many : few
          match($0, /Used [0-9]+/); used = substr($0, RSTART + 5, RLENGTH - 5)
          shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) : "0 bytes smem"
          printf "%s %-20s %3d registers (bound %d), %3d bytes spilled (bound %d), %s besides dynamic\n", architecture, kernel, used, registers, stores, spilled, shared
          seen++
          if (used > registers || stores > spilled) bad = 1
        }
        END { exit bad || seen != kernels }' || { echo "$architecture: over its bound, or not compiled; see target/gpu/$architecture.log"; return 1; }
  done
}

# The backend's own compiling at run time, by NVRTC of CUDA 12 and of 13, for the played device.
run_time() {
  "$1"
  LD_LIBRARY_PATH=$(dirname "$nvrtc")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} cargo test --quiet --locked -p df11-gpu-suite --test backend cuda -- --nocapture
}

if [ "${1:-check}" = write ]; then
  step "ptx" ptx write
else
  step "ptx" ptx check
  step "registers" resources
  step "run time, CUDA 12" run_time nvrtc
  [ "${1:-check}" != full ] || step "run time, CUDA 13" run_time nvrtc_13
fi
