"""What the products' loops cost per weight, without a GPU: `products.py SASS`.

SASS is the output of `nvdisasm -c`. A kernel takes most of its time in the turns that need no care:
one long run of instructions without a branch, with a fused step for each weight and vector. Counted
are that run and the loads before it, by pipe (pipes.py). Bytes are those that the run's loads read.
"""

import re
import sys
from collections import Counter

from pipes import PIPES, pipe_of

# Most of each per weight, and the vectors that the kernel takes at a time.
MOST = {
    "df11_product_flat_1": (1, {"bytes": 1.5, "issue": 6.3, "alu": 3.8, "fma": 1.9, "lsu": 0.65}),
    "df11_product_flat_2": (2, {"bytes": 1.5, "issue": 8.3, "alu": 3.8, "fma": 3.7, "lsu": 0.9}),
    "df11_product_flat_4": (4, {"bytes": 1.5, "issue": 10.2, "alu": 3.8, "fma": 5.0, "lsu": 1.4}),
    "df11_product_flat_8": (8, {"bytes": 1.5, "issue": 16.8, "alu": 4.7, "fma": 9.4, "lsu": 2.5}),
    "df11_product_bf16_1": (1, {"bytes": 2.0, "issue": 2.7, "alu": 0.6, "fma": 1.6, "lsu": 0.55}),
}


def blocks_of(sass: str, kernel: str) -> list[list[str]]:
    """The instructions of a kernel, in runs that no branch ends and no label begins."""
    text = sass[sass.index(f"\n.text.{kernel}:") :]
    end = text.find("\n\t.section", 1)
    blocks = [[]]
    for line in text[: end if end > 0 else None].split("\n"):
        if re.match(r"\.L\w+:", line):
            blocks.append([])
        elif re.match(r"\s+/\*[0-9a-f]{4,}\*/", line):
            blocks[-1].append(line)
            if re.search(r"\b(BRA|EXIT|BSYNC|RET)\b", line):
                blocks.append([])
    return [block for block in blocks if block]


def loaded(block: list[str]) -> int:
    """Bytes that a lane loads from global memory, once for each vector load."""
    sizes = {"U8": 1, "U16": 2, "64": 8, "128": 16}
    loads = re.findall(r"\bLDG\.E((?:\.\w+)*)", "\n".join(block))
    return sum(next((sizes[part] for part in kinds.split(".") if part in sizes), 4) for kinds in loads)


def main() -> int:
    sass, wrong = open(sys.argv[1]).read(), []
    for kernel, (vectors, most) in MOST.items():
        blocks = blocks_of(sass, kernel)
        steps = [sum("FFMA" in line for line in block) for block in blocks]
        turn = max(range(len(blocks)), key=lambda number: steps[number])
        weights = steps[turn] / vectors
        # The loads stand in the same block, or before it, and what began before them.
        run = blocks[turn]
        for before in (turn - 1, turn - 2):
            if loaded(run) < weights or any("0x88888888" in line for line in blocks[before]):
                run = blocks[before] + run
        pipes = Counter(pipe_of(line) for line in run)
        found = {"bytes": loaded(run), "issue": len(run)} | {pipe: pipes[pipe] for pipe in PIPES}
        costs = {name: number / weights for name, number in found.items()}
        listed = ", ".join(f"{number:.2f} {name} (bound {most.get(name, 'none')})" for name, number in costs.items())
        print(f"{kernel}: a weight costs {listed}; {weights:.0f} weights of a lane in a turn")
        wrong += [f"{kernel}: {costs[name]:.2f} {name} a weight, over the bound of {bound}" for name, bound in most.items() if costs[name] > bound]
    for line in wrong:
        print(line)
    return 1 if wrong else 0


sys.exit(main())
