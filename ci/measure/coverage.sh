#!/usr/bin/env bash
# How much of each crate the tests reach, including processes of the program: lines and regions, by
# crate and by the files that they reach least. It shows what nobody tried; it is not a target. The
# result is recorded in tests/README.md. Takes some minutes. The report by line is in
# target/coverage/html.
. "$(dirname "$0")/../lib.sh"

# As old as, or newer than, the LLVM of the compiler, whose files it reads.
readonly llvm=22

coverage() {
  packages "llvm-$llvm"
  export PATH=$PWD/target/tools/bin:$PATH LLVM_COV=/usr/bin/llvm-cov-$llvm LLVM_PROFDATA=/usr/bin/llvm-profdata-$llvm
  cargo llvm-cov --version >/dev/null 2>&1 ||
    CARGO_TARGET_DIR=target/tools cargo install --quiet --locked --root target/tools cargo-llvm-cov
  cargo llvm-cov clean --workspace # or what older builds left counts as never reached
  # Threads share the counters, so these tests take many minutes. Other tests reach the same code.
  PROPTEST_CASES=32 DF11_DAMAGE_STRIDE=211 cargo llvm-cov --workspace --locked --lib --bins --tests --no-report -- \
    --skip damage_is_refused_or_read_alike_by_every_decoder --skip stay_inside --skip any_number_of_threads
  # The program writes a cut profile in a test that lets no file grow.
  local report=(cargo llvm-cov report --failure-mode all)
  for crate in df11 df11-core df11-cpu df11-kernels df11-gpu df11-cuda df11-hip; do report+=(--package "$crate"); done
  "${report[@]}" --html --output-dir target/coverage
  "${report[@]}" --json --summary-only --output-path target/coverage/summary.json
  python3 - target/coverage/summary.json <<'PYTHON'
import collections, json, os, sys

LEAST = 10  # files to name
root, files = os.getcwd(), json.load(open(sys.argv[1]))["data"][0]["files"]
crates, least = collections.defaultdict(lambda: collections.Counter()), []
for file in files:
    path, summary = os.path.relpath(file["filename"], root), file["summary"]
    counts = {f"{kind} {what}": summary[kind][what] for kind in ("lines", "regions") for what in ("count", "covered")}
    crates[path.split("/src/")[0] if "/src/" in path else "df11"].update(counts)
    least.append((summary["lines"]["percent"], path))
for crate, counts in sorted(crates.items()):
    shares = [f"{100 * counts[f'{kind} covered'] / counts[f'{kind} count']:5.1f} % of {counts[f'{kind} count']:5} {kind}" for kind in ("lines", "regions")]
    print(f"{crate:22} {', '.join(shares)}")
for percent, path in sorted(least)[:LEAST]:
    print(f"{percent:5.1f} % of lines: {path}")
PYTHON
}

step coverage coverage
