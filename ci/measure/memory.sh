#!/usr/bin/env bash
# Peak resident memory of compress and decompress, with default verification and 2 threads, on 8
# units of 256 MiB each. The promise: the largest unit's input and output, not the model. Needs
# about 6 GB below TMPDIR, and a few minutes.
. "$(dirname "$0")/../lib.sh"

UNIT_MIB=256
# The bound is what `--memory` asks for a unit of this size: 4 bytes for each weight (its BF16 twice),
# 64 MiB for the job, and 1 MiB for the headers. No job may hold more. With 2 MiB less, it must
# refuse.
NEED_MIB=$((UNIT_MIB * 2 + 65))

scratch_folder

prepare() {
  virtual_env venv-numpy numpy
  cargo build --release --locked --bin df11
  "$python" benches/generate.py checkpoint "$scratch/bf16"
}

# peak MIB NAME COMMAND...: the most memory that the command ever held. Fails above the bound.
peak() {
  python3 - "$@" <<'PYTHON'
import resource, subprocess, sys

bound, name, *command = sys.argv[1:]
subprocess.run(command, check=True)
mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{name}: {mib:.0f} MiB at the peak, bound {bound} MiB")
sys.exit(mib > int(bound))
PYTHON
}

program=${CARGO_TARGET_DIR:-target}/release/df11
step prepare prepare
step compress peak "$NEED_MIB" compress "$program" compress -T 2 "$scratch/bf16" -o "$scratch/df11"
step decompress peak "$NEED_MIB" decompress "$program" decompress -T 2 "$scratch/df11" -o "$scratch/back"
step "the same files again" diff -r "$scratch/bf16" "$scratch/back"

refused() { ! "$program" compress -T 2 "$scratch/bf16" -o "$scratch/refused" -M "$((NEED_MIB - 2))MiB"; }
limited=("$program" compress -T 2 "$scratch/bf16" -o "$scratch/limited" -M "${NEED_MIB}MiB")
step "refused with less than a unit needs" refused
step "within --memory" peak "$NEED_MIB" "compress -M ${NEED_MIB}MiB" "${limited[@]}"
