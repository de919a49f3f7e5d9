"""The rules of the house, asserted on the output of `cargo metadata --all-features` (a file, the
only argument):

1. arrows: core knows nobody; kernels and backends know core, GPU backends also the kernels and what
   they have in common; backends do not know each other; only the facade sees all;
2. core depends on nothing but half and bytemuck;
3. unsafe code lives in the rooms named here and nowhere else;
4. every crate takes its lints, version, edition and minimum compiler from the workspace manifest;
5. no dependency that a user builds asks for a newer compiler than we promise;
6. no circle of files: the files of a crate take names only from files below them. Each circle is
   printed with the names that tie it;
7. the rooms of the facade in their order, ROOMS: none takes a name from one above it, nor from one
   beside it but on the ground;
8. the library of the facade names no flag, in code or comment: that is for the program,
   src/bin/df11/advice.rs;
9. every heading of FORMAT.md, FLAT.md and FILES.md that a file cites (FORMAT.md, "Codes") exists.

A crate without a row in HOUSE fails: whoever adds a room draws its arrows here.
"""

import json
import pathlib
import re
import sys
import tomllib

from circles import arrows_of, circles, code_of

ALL = object()
# a driver's interface is a foreign one throughout; core for examples and benches
VENDOR_ROOM = {"knows": {"df11-core", "df11-gpu", "df11-kernels"}, "unsafe": ["src"]}
HOUSE = {
    # bytes.rs: the promise of a trait, nothing that is done
    "df11-core": {"knows": set(), "unsafe": ["src/bytes.rs"], "outside": {"half", "bytemuck"}},
    # memory.rs: one system call, advice on huge pages
    "df11-cpu": {"knows": {"df11-core"}, "unsafe": ["src/x86_64", "src/aarch64", "src/memory.rs", "src/flat", "src/product", "src/loaded/memory.rs"]},
    "df11-kernels": {"knows": {"df11-core"}, "unsafe": []},
    # plays a foreign machine for the kernels' tests; not published
    "df11-gpu-shim": {"knows": {"df11-core", "df11-kernels"}, "unsafe": ["src"]},
    "df11-gpu": {"knows": {"df11-core", "df11-kernels"}, "unsafe": ["src"]},
    # the tests of all vendors; not published
    "df11-gpu-suite": {"knows": {"df11-core", "df11-cpu", "df11-cuda", "df11-gpu", "df11-hip", "df11-kernels"}, "unsafe": []},
    "df11-cuda": VENDOR_ROOM,
    "df11-hip": VENDOR_ROOM,
    # a test crate, not published
    "df11-custom-backend": {"knows": {"df11-core"}, "unsafe": []},
    # mapped.rs: mapping a file is a promise of the caller's
    "df11": {"knows": ALL, "unsafe": ["src/reader/mapped.rs"]},
}
# Core without an allocator has not even that.
FORBIDS_UNSAFE = {"df11-core/src/lib.rs": '#![cfg_attr(not(feature = "alloc"), forbid(unsafe_code))]'}

# Crates whose circles are still to be taken apart. This list is to be emptied.
CIRCLES_LEFT: set[str] = set()
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# The rooms of the facade, a floor a line; the last is the ground, whose rooms may know each other.
ROOMS = [
    {"bin"},
    {"lib.rs"},
    {"jobs"},
    {"reader"},
    {"record"},
    {"naming", "writer"},
    {"files"},
    {"safetensors", "backend", "backend.rs", "error", "error.rs", "note.rs", "open.rs", "progress.rs", "shown.rs"},
]


def unsafe_lines(source: str) -> list[int]:
    """Numbers of the lines that hold the keyword, outside comments and literals."""
    return [number for number, line in enumerate(code_of(source).split("\n"), 1) if re.search(r"\bunsafe\b", line)]


def arrows(crate, rule, ours, published):
    for dependency in crate["dependencies"]:
        name, kind = dependency["name"], dependency["kind"] or "normal"
        if name in ours:
            test_tool = kind == "dev" and name not in published
            if rule["knows"] is not ALL and name not in rule["knows"] and not test_tool:
                yield f"{crate['name']} must not know {name} ({kind} dependency)"
        elif "outside" in rule and kind != "dev" and name not in rule["outside"]:
            yield f"{crate['name']} may depend on {sorted(rule['outside'])} only, found {name}"


def unsafe_rooms(crate, rule, root):
    folder = pathlib.Path(crate["manifest_path"]).parent
    rooms = [folder / room for room in rule["unsafe"]]
    for path in sorted((folder / "src").rglob("*.rs")):
        if not any(path.is_relative_to(room) for room in rooms):
            for number in unsafe_lines(path.read_text()):
                yield f"{path.relative_to(root)}:{number}: unsafe code outside its rooms {rule['unsafe']}"


def file_arrows(crate, root):
    """Circles of files; in the facade, arrows that go up."""
    source = pathlib.Path(crate["manifest_path"]).parent / "src"
    found = arrows_of(source)
    for circle in circles(found) if crate["name"] not in CIRCLES_LEFT else []:
        yield f"{crate['name']}: a circle of {len(circle)} files; move what they share into a file below them all:"
        for file in circle:
            for target in circle:
                if names := found[file].get(target):
                    yield f"  {file.relative_to(root)} takes {', '.join(sorted(names))} from {target.relative_to(root)}"
    if crate["name"] == "df11":
        yield from upward(found, source)


def kept_for_nothing(members) -> set[str]:
    sources = {crate["name"]: pathlib.Path(crate["manifest_path"]).parent / "src" for crate in members}
    return {name for name in CIRCLES_LEFT if name not in sources or not circles(arrows_of(sources[name]))}


def upward(found, source):
    floors = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
    for file, targets in found.items():
        room = file.relative_to(source).parts[0]
        if room not in floors:
            yield f"{file.relative_to(source)}: the room `{room}` has no floor; give it a line of ROOMS in ci/arrows.py"
        for target, names in targets.items():
            other = target.relative_to(source).parts[0]
            down = floors.get(other, 0) - floors.get(room, 0)
            if room != other and (down < 0 or down == 0 and room not in ROOMS[-1]):
                yield f"src/{file.relative_to(source)} takes {', '.join(sorted(names))} from {other}, which is not below it"


def flags(root):
    """Words of a command line in the library of the facade.

    File names and patterns of tests may look like them.
    """
    source = root / "src"
    for path in sorted(source.rglob("*.rs")):
        if path.is_relative_to(source / "bin") or path.name == "tests.rs":
            continue
        for number, line in enumerate(path.read_text().split("\n"), 1):
            if found := FLAG.search(line):
                yield f"{path.relative_to(root)}:{number}: the library speaks of the flag {found[0]}; its program does, in advice.rs"


def inheritance(crate, root):
    path = pathlib.Path(crate["manifest_path"])
    manifest = tomllib.loads(path.read_text())
    for key in ("version", "edition", "rust-version", "license"):
        if manifest["package"].get(key) != {"workspace": True}:
            yield f"{path.relative_to(root)}: {key} does not come from the workspace"
    if manifest.get("lints") != {"workspace": True}:
        yield f"{path.relative_to(root)}: lints do not come from the workspace"


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in (text.split("-")[0].split(".") + ["0", "0"])[:3])


def citations(root: pathlib.Path):
    """A citation may go on in the next line of a comment."""
    documents = {"FORMAT": root / "df11-core/FORMAT.md", "FLAT": root / "df11-core/FLAT.md", "FILES": root / "FILES.md"}
    headings = {name: re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE) for name, path in documents.items()}
    for path in sorted(path for kind in ("rs", "md", "py", "sh", "cuh", "cpp") for path in root.rglob(f"*.{kind}")):
        if "target" not in path.relative_to(root).parts:
            text = re.sub(r"\s+(//[/!]? )?", " ", path.read_text(errors="replace"))
            for name, heading in re.findall(r'\b(FORMAT|FLAT|FILES)\.md, "([^"]+)"', text):
                if heading not in headings[name]:
                    yield f'{path.relative_to(root)}: {name}.md has no heading "{heading}"'


def newer_compilers(metadata, packages, promise):
    """Dependencies, through any chain of non-dev ones, that need a newer compiler than ours."""
    edges = {
        node["id"]: [d["pkg"] for d in node["deps"] if any(k["kind"] != "dev" for k in d["dep_kinds"])]
        for node in metadata["resolve"]["nodes"]
    }
    seen, ahead = set(), list(metadata["workspace_members"])
    while ahead:
        if (here := ahead.pop()) not in seen:
            seen.add(here)
            ahead += edges[here]
    for package in sorted((packages[i] for i in seen), key=lambda p: p["name"]):
        if package["rust_version"] and version(package["rust_version"]) > version(promise):
            yield f"{package['name']} {package['version']} needs Rust {package['rust_version']}, we promise {promise}"


def main() -> int:
    metadata = json.loads(pathlib.Path(sys.argv[1]).read_text())
    packages = {package["id"]: package for package in metadata["packages"]}
    members = [packages[i] for i in metadata["workspace_members"]]
    root = pathlib.Path(metadata["workspace_root"])
    promise = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    ours = {crate["name"] for crate in members}
    published = {crate["name"] for crate in members if crate["publish"] != []}

    wrong = list(newer_compilers(metadata, packages, promise))
    for crate in members:
        wrong += inheritance(crate, root)
        if (rule := HOUSE.get(crate["name"])) is None:
            wrong.append(f"{crate['name']}: no arrows are drawn for this crate; give it a row in ci/arrows.py")
            continue
        wrong += arrows(crate, rule, ours, published)
        wrong += unsafe_rooms(crate, rule, root)
        wrong += file_arrows(crate, root)
    wrong += flags(root)
    wrong += [f"{name}: has no circle any more, or is no crate; take it out of CIRCLES_LEFT" for name in sorted(kept_for_nothing(members))]
    for name, line in FORBIDS_UNSAFE.items():
        if line not in (root / name).read_text():
            wrong.append(f"{name}: {line} is missing")
    wrong += citations(root)

    for line in wrong:
        print(line)
    print(f"arrows: {len(members)} crates, {len(wrong)} rules broken")
    return 1 if wrong else 0


sys.exit(main())
