"""A table of the lines of a .jsonl file: table.py FILE"""

import json
import pathlib
import sys

COLUMNS = {
    "form": ("form", str),
    "batch": ("texts", str),
    "step_ms": ("ms a step", lambda x: f"{x:.1f}"),
    "tokens_per_s": ("tokens a second", lambda x: f"{x:.2f}"),
    "first_token_s": ("first token after, s", lambda x: f"{x:.2f}"),
    "weight_bytes": ("weights, GB", lambda x: f"{x / 1e9:.3f}"),
    "peak_memory_bytes": ("peak, GB", lambda x: f"{x / 1e9:.2f}"),
    "bytes_from_disk": ("from disk, GB", lambda x: f"{x / 1e9:.2f}"),
    "gb_per_s": ("disk, GB/s", lambda x: f"{x:.2f}"),
    "limit_bytes": ("limit, GB", lambda x: f"{x / 1e9:.2f}"),
    "tokens_of_each": ("tokens of each text", str),
}


def main():
    rows = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text().splitlines()]
    used = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    print("| " + " | ".join(COLUMNS[name][0] for name in used) + " |")
    print("|---" * len(used) + "|")
    for row in rows:
        cells = ["" if row.get(name) is None else COLUMNS[name][1](row[name]) for name in used]
        print("| " + " | ".join(cells) + " |")


main()
