#!/usr/bin/env bash
# The kernel through AMD's compilers, without a GPU: CDNA (wavefronts of 64) and RDNA (32); registers and scratch printed and bounded. Debian's hipcc knows
# gfx90a and gfx1030; for gfx942 and gfx1100 clang-19 takes the same device libraries and a word that names the ISA.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gpu_tools.sh"

# Most vector registers of a lane: 1024 work items on a compute unit (CDNA: 512 registers for four SIMDs' lanes, RDNA: 1536 for two).
registers=128 scratch=0

compile() {
  packages hipcc libamdhip64-dev rocm-device-libs clang-19 lld-19 llvm-19
  kernel_source hip
  local target=$1 width=$2 isa=${3:-} object=target/gpu/$1.hsaco
  if [ -z "$isa" ]; then
    hipcc --genco --no-gpu-bundle-output --offload-arch="$target" -O3 -DDF11_WARP="$width" -x hip target/gpu/hip.cu -o "$object"
  else
    local libraries=target/gpu/bitcode name=oclc_isa_version_${1#gfx}
    mkdir -p "$libraries"
    ln -sf /usr/lib/x86_64-linux-gnu/amdgcn/bitcode/*.bc "$libraries"
    echo "@__oclc_ISA_version = linkonce_odr hidden local_unnamed_addr addrspace(4) constant i32 $isa" | llvm-as-19 -o "$libraries/$name.bc" -
    clang-19 -x hip --cuda-device-only --no-gpu-bundle-output --offload-arch="$target" -O3 -DDF11_WARP="$width" --rocm-path=/usr \
      --rocm-device-lib-path="$libraries" -nogpuinc -Wno-linker-warnings target/gpu/hip.cu -o "$object"
  fi
  llvm-readelf-19 --notes "$object" | awk -v target="$target" -v width="$width" -v registers=$registers -v scratch=$scratch '
    /\.group_segment_fixed_size:/ { lds = $2 }
    /\.name: +df11_/ { kernel = $2 }
    /\.private_segment_fixed_size:/ { private = $2 }
    /\.sgpr_count:/ { scalar = $2 }
    /\.vgpr_count:/ { vector = $2 }
    /\.wavefront_size:/ {
      printf "%-8s %-12s wavefronts of %d, %3d vector registers (bound %d), %3d scalar, %d bytes of scratch (bound %d), %d bytes of LDS besides dynamic\n",
        target, kernel, $2, vector, registers, scalar, private, scratch, lds
      seen++
      if ($2 != width || vector > registers || private > scratch) bad = 1
    }
    END { exit bad || seen != 3 }' || { echo "$target: over its bound, or not compiled"; return 1; }
}

step gfx90a compile gfx90a 64
step gfx942 compile gfx942 64 9402
step gfx1030 compile gfx1030 32
step gfx1100 compile gfx1100 32 11000
