"""What the fast kernel costs per weight, without a GPU: `cost.py SOURCE SASS COUNTS`.

SOURCE is the kernel's text as it was compiled. SASS is the output of `nvdisasm -gi -c`. COUNTS is
the output of the shim's example `cost --json`. Wavefronts come from the shim alone. For
instructions, each SASS instruction belongs to the region (DF11_RUN) in whose lines it was inlined.
A region costs its instructions, divided by the copies that unrolling made of it, times the warps
that run it. df11-kernels/shim/cpp/machine.h has the rules. Instructions are counted by pipe
(pipes.py), and the counts give the speed that a GPU should have (cards.py).
"""

import os
import re
import sys
from collections import Counter, defaultdict

from cards import predictions
from pipes import PIPES, pipe_of

# Most of each per weight: wavefronts, and lane-instructions of each pipe. `issue` is all of them.
MOST = {
    "gauss": {"wavefronts": 0.125, "issue": 19.0, "alu": 12.3, "fma": 2.4, "lsu": 1.7, "xu": 0.1},
    "minilm": {"wavefronts": 0.130, "issue": 20.0, "alu": 13.0, "fma": 2.4, "lsu": 1.7, "xu": 0.1},
    "real-like": {"wavefronts": 0.140, "issue": 22.4, "alu": 14.5, "fma": 2.7, "lsu": 1.9, "xu": 0.1},
}
PUBLISHED_WAVEFRONTS, TOLERANCE = 0.73, 0.15  # the model of the published kernel on gauss
WARP = 32


def regions_of(source: str) -> dict[int, str]:
    """By line number: the last DF11_RUN at or above it in the same function."""
    found, region = {}, None
    for number, line in enumerate(source.split("\n"), 1):
        if line.startswith("}"):
            region = None
        if match := re.search(r"^\s+DF11_RUN\((\w+)\)", line):
            region = match[1]
        if region:
            found[number] = region
    return found


def static_instructions(sass: str, name: str, kernel: str, source: str) -> dict[str, Counter]:
    """Instructions of the kernel by region, in each by pipe."""
    regions = regions_of(source)
    helpers = source[: source.index("struct Job {")].count("\n")  # the vendor's header
    text = sass[sass.index(f"\n.text.{kernel}:") :]
    end = text.find("\n\t.section", 1)
    text = text[: end if end > 0 else None]
    # If lanes may diverge, a warp operation has a second form after the kernel's end. BRA.DIV
    # reaches it only when they have diverged, and they have not.
    apart = set(re.findall(r"BRA\.DIV .*?`\((\.L\w+)\)", text))
    blocks, chain, fresh, skipping = [[]], [], True, False
    for line in text.split("\n"):
        if match := re.match(r"(\.L\w+):", line):
            skipping = skipping or match[1] in apart
            blocks.append([])
        elif places := re.findall(r'"([^"]*)", line (\d+)', line):
            chain = [] if fresh else chain
            chain += [int(number) for path, number in places if path.endswith(name)]
            fresh = False
        elif re.match(r"\s+/\*[0-9a-f]{4,}\*/", line):
            fresh = True
            if skipping:
                skipping = not re.search(r"\*/\s+BRA `", line)
            elif not re.search(r"\bNOP\b", line):
                region = next((regions[number] for number in chain if number in regions), "outside")
                blocks[-1].append((region, bool(chain) and chain[0] <= helpers, pipe_of(line)))
            if re.search(r"\b(BRA|EXIT|BSYNC|RET)\b", line):
                blocks.append([])
    # If the compiler inlined a helper in many places, it keeps one origin. So a helper's
    # instruction belongs to the region of its basic block, unless the block has a good part of the
    # region it names.
    counts = defaultdict(Counter)
    for block in blocks:
        own = Counter(region for region, helper, _ in block if not helper)
        for region, helper, pipe in block:
            if helper and own and own[region] < 0.25 * own.total():
                region = own.most_common(1)[0][0]
            counts[region][pipe] += 1
    return counts


def main() -> int:
    source, sass = (open(path).read() for path in sys.argv[1:3])
    rows = [line.rstrip("\n").split("\t") for line in open(sys.argv[3])]
    copies = defaultdict(lambda: 1)
    steps = int(re.search(r"#define KEPT (\d+)", source)[1])
    sure = int(re.search(r"#define SURE_STEPS (\d+)", source)[1])
    copies |= {"step": sure, "late_step": steps - sure, "vote": steps - sure, "long_code": steps // 4}
    copies |= {"write": 2 * steps, "write_vote": 2 * (steps - sure), "finish": 2}  # warps with a waiting lane, and without
    rounds = sum(int(re.search(rf"#define {name} (\d+)", source)[1]) for name in ("EARLY", "LATE"))
    copies |= {"rounds": rounds, "merge": rounds, "merge_eight": rounds, "merge_one": 3, "tables": 3}
    copies |= {"walk": 2, "walk_start": 2, "short_lane": 2}
    copies["long_search"] = steps // 4 + 3  # to count, to cut, and to write
    copies |= {"load": 2, "load_side": 2, "load_unaligned": 4}  # the first block's, and the next one's
    copies["load_words"] = 4  # and before each walk
    static = static_instructions(sass, os.path.basename(sys.argv[1]), "df11_decode", source)
    wrong = []
    for data in dict.fromkeys(row[0] for row in rows):
        print(f"\n{data}: a weight costs")
        total = {}
        for kernel in ("plain", "fast"):
            total[kernel] = next(float(r[4]) for r in rows if r[:4] == [data, kernel, "total", "wavefronts"])
        pipes = Counter()
        for _, _, kind, name, runs, wavefronts, sectors in (r for r in rows if r[:2] == [data, "fast"] and r[2] != "total"):
            if kind == "region":
                lanes = float(runs) * WARP / copies[name]
                pipes.update({pipe: number * lanes for pipe, number in static[name].items()})
                each, cost = static[name].total() / copies[name], static[name].total() * lanes
                print(f"  region       {name:20} {each:7.1f} instructions x {float(runs):.5f} x {WARP} = {cost:6.3f}")
            else:
                print(f"  {kind:12} {name:20} {float(wavefronts):.5f} wavefronts, {float(sectors):.5f} sectors")
        found = {"wavefronts": total["fast"], "issue": pipes.total()} | {pipe: pipes[pipe] for pipe in PIPES}
        for name, number in found.items():
            most = MOST.get(os.path.basename(data), {}).get(name)
            print(f"  fast:  {number:7.4f} {name:10} bound {most if most else 'none'}")
            if most and number > most:
                wrong.append(f"{data}: {number:.4f} {name} a weight, over the bound of {most}")
        for line in predictions(found["alu"]):
            print(f"  {line}")
        print(f"  plain: {total['plain']:.4f} wavefronts; the model of the published kernel says {PUBLISHED_WAVEFRONTS} on gauss")
        if data == "gauss" and abs(total["plain"] / PUBLISHED_WAVEFRONTS - 1) > TOLERANCE:
            wrong.append("gauss: the counter is out of tune, see the plain kernel")
    print(f"\nnot in any region: {static['outside'].total()} instructions, once a thread block")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


sys.exit(main())
