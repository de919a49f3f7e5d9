"""No foreign type in what the facade shows: asserted on the JSON that rustdoc writes (the only
argument).

What a public function takes and gives, what a public field or variant holds, and what a public
alias stands for names types of these crates alone. Implementations of foreign traits, such as
serde's, are left out: a user need not know of them.
"""

import json
import pathlib
import sys

ALLOWED = {"df11", "df11_core", "df11_cpu", "half", "std", "core", "alloc"}


def foreign(node, paths, crates):
    """Paths of types in `node` that are of no crate that is allowed."""
    if isinstance(node, list):
        for part in node:
            yield from foreign(part, paths, crates)
    elif isinstance(node, dict):
        if (path := node.get("resolved_path") or node.get("trait")) and isinstance(path, dict) and "id" in path:
            found = paths.get(str(path["id"]))
            if found and crates[found["crate_id"]] not in ALLOWED:
                yield "::".join(found["path"])
        for part in node.values():
            yield from foreign(part, paths, crates)


def main() -> int:
    document = json.loads(pathlib.Path(sys.argv[1]).read_text())
    index, paths = document["index"], document["paths"]
    crates = {0: "df11"} | {int(number): crate["name"] for number, crate in document["external_crates"].items()}
    of_traits = {
        item
        for entry in index.values()
        if (block := entry["inner"].get("impl")) and block["trait"]
        for item in block["items"]
    }
    looked_at, wrong = 0, []
    for number, entry in index.items():
        [(kind, inner)] = entry["inner"].items()
        if kind not in {"function", "struct_field", "constant", "static", "type_alias", "assoc_type", "assoc_const"}:
            continue
        if entry["crate_id"] != 0 or int(number) in of_traits:
            continue
        looked_at += 1
        for name in foreign(inner, paths, crates):
            span = entry["span"]
            wrong.append(f"{span['filename']}:{span['begin'][0]}: {entry['name']} shows {name}; wrap it in a type of ours")
    print("\n".join(sorted(wrong)), end="\n" if wrong else "")
    print(f"public types: {looked_at} items, {len(wrong)} show a foreign type")
    return 1 if wrong or looked_at < 100 else 0


sys.exit(main())
