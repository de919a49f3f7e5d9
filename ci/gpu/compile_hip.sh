#!/usr/bin/env bash
# Sends the kernel through AMD's compilers, without a GPU, for CDNA (wavefronts of 64), RDNA (32):
# - the committed code objects are what clang-19 makes from the source
#   (`ci/gpu/compile_hip.sh write` makes them again);
# - registers, scratch and LDS are within bounds;
# - with `full`: also with an old hipcc, if Debian's knows the target, and hiprtc compiles it, if one
#   is installed (Debian's is part of its libamdhip64).
. "$(dirname "$0")/../lib.sh"
. ci/gpu/tools.sh

committed=df11-kernels/hsaco
# registers: most vector registers of a lane, for 1024 work items on a compute unit (CDNA: 512
# registers for the lanes of four SIMDs, RDNA: 1536 for two). scalars: most scalar registers of a
# wavefront, all that the hardware has; 108 with those that the compiler also counts. moved: most
# scalar registers that may move to lanes of vector registers when there is no room. CDNA needs
# most, as its lane masks take two each. No scratch, and only the LDS that the launch asks for.
registers=128 scalars=108 moved=64 scratch=0 static_lds=0
# Products keep what they have loaded ahead in registers: 256 work items on a compute unit.
product_registers=384 product_moved=160 kernels=14

# bounds TARGET WIDTH OBJECT COMPILER
bounds() {
  llvm-readelf-19 --notes "$3" | awk -v target="$1" -v width="$2" -v compiler="$4" -v registers=$registers -v scalars=$scalars -v moved=$moved -v product_registers=$product_registers -v product_moved=$product_moved -v kernels=$kernels -v scratch=$scratch -v static_lds=$static_lds '
    /\.group_segment_fixed_size:/ { lds = $2 }
    /\.name: +df11_/ { kernel = $2 }
    /\.private_segment_fixed_size:/ { private = $2 }
    /\.sgpr_count:/ { scalar = $2 }
    /\.sgpr_spill_count:/ { spilled = $2 }
    /\.vgpr_count:/ { vector = $2 }
    /\.wavefront_size:/ {
      most = kernel ~ /product/ ? product_registers : registers; most_moved = kernel ~ /product/ ? product_moved : moved
      printf "%-8s %-8s %-20s wavefronts of %d, %3d vector registers (bound %d), %3d scalar (bound %d), %2d of them moved (bound %d), %d bytes of scratch (bound %d), %d bytes of LDS besides dynamic (bound %d)\n",
        compiler, target, kernel, $2, vector, most, scalar, scalars, spilled, most_moved, private, scratch, lds, static_lds
      seen++
      if ($2 != width || vector > most || scalar > scalars || spilled > most_moved || private > scratch || lds > static_lds) bad = 1
    }
    END { exit bad || seen != kernels }' || { echo "$1: over its bound, or not compiled"; return 1; }
}

# compile TARGET WIDTH ISA TO: all of ROCm 5 to 7 loads version 4 of code objects. Debian's device
# libraries lack the words that name the newer ISAs.
compile() {
  packages hipcc libamdhip64-dev rocm-device-libs clang-19 lld-19 llvm-19
  kernel_source hip
  local target=$1 width=$2 isa=$3 object=$4/$1.hsaco libraries=target/gpu/bitcode name=oclc_isa_version_${1#gfx}
  mkdir -p "$libraries"
  ln -sf /usr/lib/x86_64-linux-gnu/amdgcn/bitcode/*.bc "$libraries"
  [ -e "$libraries/$name.bc" ] ||
    echo "@__oclc_ISA_version = linkonce_odr hidden local_unnamed_addr addrspace(4) constant i32 $isa" | llvm-as-19 -o "$libraries/$name.bc" -
  clang-19 -x hip --cuda-device-only --no-gpu-bundle-output --offload-arch="$target" -O3 -DDF11_WARP="$width" --rocm-path=/usr \
    --rocm-device-lib-path="$libraries" -nogpuinc -Wno-linker-warnings -mcode-object-version=4 -fuse-cuid=none target/gpu/hip.cu -o "$object"
  chmod 644 "$object"
  bounds "$target" "$width" "$object" clang-19
}

check() {
  compile "$1" "$2" "$3" target/gpu
  cmp "$committed/$1.hsaco" "target/gpu/$1.hsaco" ||
    { echo "$1: the committed code object is not of this source: run ci/gpu/compile_hip.sh write and commit it"; return 1; }
}

by_hipcc() {
  packages hipcc libamdhip64-dev rocm-device-libs llvm-19
  kernel_source hip
  hipcc --genco --no-gpu-bundle-output --offload-arch="$1" -O3 -DDF11_WARP="$2" -x hip target/gpu/hip.cu -o "target/gpu/$1.hipcc.hsaco"
  bounds "$1" "$2" "target/gpu/$1.hipcc.hsaco" hipcc
}

run_time() {
  packages libamdhip64-dev
  cargo test --quiet --locked -p df11-hip --lib at_run_time -- --nocapture
}

mode=check folder=
[ "${1:-check}" != write ] || mode=compile folder=$committed
step gfx90a $mode gfx90a 64 9010 $folder
step gfx942 $mode gfx942 64 9402 $folder
step gfx1030 $mode gfx1030 32 10300 $folder
step gfx1100 $mode gfx1100 32 11000 $folder
[ "${1:-check}" = full ] || exit 0
step "hipcc gfx90a" by_hipcc gfx90a 64
step "hipcc gfx1030" by_hipcc gfx1030 32
step "run time" run_time
