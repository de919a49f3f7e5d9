#!/usr/bin/env bash
# Our products beside those of torch (oneDNN) and of ggml, which llama.cpp multiplies with, in BF16.
# Prints Markdown. benches/peers/products.py says what is timed.
#
#   benches/peers/products.sh [ROWSxCOLUMNS...]
#
# The first run installs torch as tests/vectors/transformers.sh does, and builds ggml from the source
# of PyPI's llama_cpp_python in target/ggml: 2 minutes of processor time.
. "$(dirname "$0")/../../ci/lib.sh"
. tests/vectors/transformers.sh

llama=0.3.36
built=target/ggml-$llama/build/bin/libggml.so
if [ ! -e "$built" ]; then
  virtual_env venv-ggml cmake ninja
  tools=$(realpath "${python%/python}")
  mkdir -p "target/ggml-$llama"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama_cpp_python \
    --dest "target/ggml-$llama" "llama_cpp_python==$llama"
  tar -xzf "target/ggml-$llama/llama_cpp_python-$llama.tar.gz" -C "target/ggml-$llama"
  PATH=$tools:$PATH cmake -G Ninja -S "target/ggml-$llama/llama_cpp_python-$llama/vendor/llama.cpp" \
    -B "target/ggml-$llama/build" -DCMAKE_BUILD_TYPE=Release -DLLAMA_CURL=OFF -DLLAMA_BUILD_COMMON=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF
  PATH=$tools:$PATH cmake --build "target/ggml-$llama/build" --target ggml
fi
cargo build --release --locked -p df11-cpu --example products

printf '%s, %s\n' "$(date --utc +%F)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
taskset -c 0,1 "$venv/bin/python" benches/peers/products.py \
  "${CARGO_TARGET_DIR:-target}/release/examples/products" "$built" "$@"
