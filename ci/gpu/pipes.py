"""Which pipe of a multiprocessor runs an instruction of SASS, for compute capabilities 8.0 to 9.0.

A pipe takes 64 lanes per cycle (ALU), 128 or 64 (FMA), 32 (LSU: addresses), 16 (XU). The issue takes
128 of any kind. Source: the instruction table and the throughput table of NVIDIA's "CUDA Binary
Utilities" and "CUDA C++ Programming Guide"; an H200's counters agree on ALU (benches/DIARY.md).
"""

import re

PIPES = ("alu", "fma", "lsu", "xu")
FAMILIES = {
    "fma": "IMAD IMUL FFMA FMUL FADD",
    "xu": "POPC REDUX MUFU I2F F2I FLO BREV",
    "lsu": "LDS STS LDG STG SHFL ATOMG RED LDL STL ATOM LDSM",
    "branch": "BRA EXIT BSYNC BSSY RET WARPSYNC BAR CALL BREAK YIELD BMOV JMP DEPBAR LDGDEPBAR VOTE",
}
OF = {name: pipe for pipe, names in FAMILIES.items() for name in names.split()}


def pipe_of(line: str) -> str:
    """The pipe of a line of disassembly. What is in no table is for the ALU, so that it counts."""
    match = re.search(r"\*/\s+\{?\s*(?:@!?U?P\w+\s+)?([A-Z0-9_]+)", line)
    name = match[1] if match else "?"
    if name in OF:
        return OF[name]
    # Of the uniform datapath, of constant memory, of special registers.
    return "uniform" if name.startswith("U") or name in ("R2UR", "S2UR", "LDC", "S2R", "CS2R") else "alu"
