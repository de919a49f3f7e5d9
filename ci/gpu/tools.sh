# NVIDIA's compilers from PyPI and AMD's from Debian, for the scripts that compile kernels without a
# GPU (source it after lib.sh). It puts nothing into the checkout: DF11_TOOLS names the folder,
# which is kept between runs.

DF11_TOOLS=${DF11_TOOLS:-$HOME/.cache/df11-tools}

# pip_folder NAME PACKAGE...: puts the packages' files into $DF11_TOOLS/NAME.
pip_folder() {
  local folder=$DF11_TOOLS/$1
  shift
  [ -e "$folder/complete" ] && return 0
  command -v python3 >/dev/null || skip "no python3 to fetch $*"
  rm -rf "$folder"
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target "$folder" "$@" || skip "cannot fetch $*"
  touch "$folder/complete"
}

# The NVRTC that made the committed PTX. Every driver of CUDA 12 and later accepts its PTX (ISA
# 8.0).
nvrtc() {
  pip_folder nvrtc-12.0.140 nvidia-cuda-nvrtc-cu12==12.0.140
  nvrtc=$DF11_TOOLS/nvrtc-12.0.140/nvidia/cuda_nvrtc/lib/libnvrtc.so.12
}

nvrtc_13() {
  pip_folder nvrtc-13.0.88 nvidia-cuda-nvrtc==13.0.88
  nvrtc=$DF11_TOOLS/nvrtc-13.0.88/nvidia/cu13/lib/libnvrtc.so.13
}

# nvcc, ptxas and nvdisasm for compute capabilities 7.5 to 10.0.
nvcc() {
  pip_folder nvcc-13.5.37 nvidia-cuda-nvcc==13.5.37 nvidia-nvvm==13.5.37 nvidia-cuda-crt==13.5.37 nvidia-cuda-runtime==13.5.37 nvidia-cuda-nvdisasm==13.5.37
  cuda=$DF11_TOOLS/nvcc-13.5.37/nvidia/cu13/bin
}

# The nvcc whose machine code drivers of CUDA 13.0 take. It has no disassembler.
nvcc_13_0() {
  pip_folder nvcc-13.0.88 nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96
  cuda_13_0=$DF11_TOOLS/nvcc-13.0.88/nvidia/cu13/bin
}

# kernel_source VENDOR: writes the text of that vendor's kernel to target/gpu/VENDOR.cu, joined as
# source.rs joins it.
kernel_source() {
  mkdir -p target/gpu
  (cd df11-kernels/src && cat "vendor/$1.h" kernel/job.cuh kernel/lane.cuh kernel/decode.cuh kernel/launch.cuh kernel/plain.cuh kernel/flat.cuh kernel/product.cuh) >"target/gpu/$1.cu"
}
