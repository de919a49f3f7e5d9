#!/usr/bin/env bash
# Counts what the fast kernel costs per weight, without a GPU (rules:
# df11-kernels/shim/cpp/machine.h). Prints it with the H200's budget and the plain kernel, which
# calibrates the counter; then what the loops of products cost. Fails above a bound.
# `ci/gpu/cost.sh FILE...` also prices your own files of BF16 words.
. "$(dirname "$0")/../lib.sh"
. ci/gpu/tools.sh

# The matrices of the bundled sample, as one run of words.
sample() {
  python3 - target/gpu/minilm <<'PYTHON'
import json, struct, sys
with open("tests/vectors/minilm-sample/model.safetensors", "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    begin = file.tell()
    with open(sys.argv[1], "wb") as words:
        for name, tensor in sorted(header.items()):
            if name != "__metadata__" and len(tensor["shape"]) == 2 and tensor["dtype"] == "BF16":
                file.seek(begin + tensor["data_offsets"][0])
                words.write(file.read(tensor["data_offsets"][1] - tensor["data_offsets"][0]))
PYTHON
}

cost() {
  nvcc
  kernel_source cuda
  sample
  "$cuda/nvcc" -cubin -lineinfo -arch=sm_90 -o target/gpu/cost.cubin target/gpu/cuda.cu
  "$cuda/nvdisasm" -gi -c target/gpu/cost.cubin >target/gpu/cost.sass
  cargo run --quiet --release --locked -p df11-gpu-shim --example cost -- --json target/gpu/minilm "$@" >target/gpu/cost.tsv
  grep -q skipped target/gpu/cost.tsv && skip "no C++ compiler"
  python3 ci/gpu/cost.py target/gpu/cuda.cu target/gpu/cost.sass target/gpu/cost.tsv
  python3 ci/gpu/products.py target/gpu/cost.sass
}

step "cost" cost "$@"
