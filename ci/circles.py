"""Which file of a crate takes names from which, read from `use` and from paths, without a compiler.

A path is followed to the file that defines its name, through all re-exports. A file that declares a
module is above that module's file. Comments, literals and everything under `#[cfg(test)]` are left
out. Two things are not seen: what a macro makes, and methods whose type is never named.
"""

import collections
import pathlib
import re

NOT_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\br(#*)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\u\{\w+\}|\\x\w\w|\\.|[^'\\\n])'""", re.DOTALL
)
TEST_ONLY = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*")
MODULE = re.compile(r"\bmod\s+(\w+)\s*([;{])")
USE = re.compile(r"\buse\s+([^;]+);")
PATH = re.compile(r"(?<![\w:.$])(?<!in )\w+(?:\s*::\s*\w+)+")


def code_of(source: str) -> str:
    """The source without comments and literals; its line breaks stay."""
    return NOT_CODE.sub(lambda match: " " + "\n" * match.group().count("\n"), source)


def block_end(code: str, opening: int) -> int:
    """Past the brace that closes the one at `opening`."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(code, opening):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.end()
    return len(code)


def without_tests(code: str) -> str:
    while attribute := TEST_ONLY.search(code):
        ending = re.compile(r"[;{]").search(code, attribute.end())
        end = len(code) if ending is None else ending.end()
        if ending is not None and ending.group() == "{":
            end = block_end(code, ending.start())
        code = code[: attribute.start()] + code[end:]
    return code


def use_tree(tree: str, before: tuple[str, ...] = ()):
    """Pairs of a path and the name that it gets, for all that one `use` names."""
    depth, start, parts = 0, 0, []
    for at, letter in enumerate(tree + ","):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            parts.append(tree[start:at].strip())
            start = at + 1
    for part in filter(None, parts):
        if part.endswith("}"):
            head, _, inner = part[:-1].partition("{")
            yield from use_tree(inner, before + tuple(filter(None, map(str.strip, head.split("::")))))
            continue
        path, _, alias = part.partition(" as ")
        segments = before + tuple(filter(None, map(str.strip, path.split("::"))))
        if segments[-1] == "self" and len(segments) > 1:
            segments = segments[:-1]
        yield segments, alias.strip() or segments[-1]


class Program:
    """The modules below one root, `lib.rs` or a `main.rs`."""

    def __init__(self, root: pathlib.Path):
        self.files = {}  # of a module
        self.code = collections.defaultdict(str)  # of a module, without that of the modules in it
        self.names = collections.defaultdict(dict)  # of a module: what each imported name means
        self.arrows = collections.defaultdict(lambda: collections.defaultdict(set))
        self.read(root, root.parent, ())
        for module in list(self.code):
            self.list_names(module)
        for module in list(self.code):
            self.follow(module)

    def read(self, file, children, module):
        self.split(without_tests(code_of(file.read_text())), file, children, module)

    def split(self, code, file, children, module):
        self.files[module] = file
        while found := MODULE.search(code):
            child, end = module + (found[1],), found.end()
            if found[2] == "{":
                end = block_end(code, found.end() - 1)
                self.split(code[found.end() : end - 1], file, children / found[1], child)
            else:
                places = [children / f"{found[1]}.rs", children / found[1] / "mod.rs"]
                place = next((place for place in places if place.is_file()), None)
                if place is None:
                    raise SystemExit(f"{file}: the file of `mod {found[1]};` is not found; ci/circles.py knows no #[path]")
                self.read(place, children / found[1], child)
                self.arrows[file][place].add(f"mod {found[1]}")
            code = code[: found.start()] + " " + code[end:]
        self.code[module] += code

    def list_names(self, module):
        for statement in USE.findall(self.code[module]):
            for path, name in use_tree(statement):
                self.names[module][name if name not in ("*", "_") else path] = path

    def absolute(self, module, path):
        """The path from the root of the program; `None` if it begins with another crate."""
        head, rest = path[0], path[1:]
        if head == "crate":
            return rest
        if head in ("self", "super"):
            at = module if head == "self" else module[:-1]
            while rest[:1] == ("super",):
                at, rest = at[:-1], rest[1:]
            return at + rest
        if module + (head,) in self.files:
            return module + path
        stands_for = self.names[module].get(head)
        if stands_for is None or stands_for[0] == head:
            return None
        begin = self.absolute(module, stands_for)
        return None if begin is None else begin + rest

    def definition(self, path, steps=0):
        """The module that defines what `path` names, and the name, which a module itself lacks."""
        module = ()
        for at, name in enumerate(path):
            if module + (name,) in self.files:
                module += (name,)
                continue
            stands_for = self.names[module].get(name)
            if stands_for is not None and steps < 20:
                further = self.absolute(module, stands_for)
                return None if further is None else self.definition(further + path[at + 1 :], steps + 1)
            return module, name
        return module, None

    def follow(self, module):
        code = self.code[module]
        paths = [path for statement in USE.findall(code) for path, _ in use_tree(statement)]
        paths += [tuple(re.split(r"\s*::\s*", found)) for found in PATH.findall(USE.sub(" ", code))]
        for path in paths:
            path = self.absolute(module, path)
            found = None if path is None else self.definition(path)
            # An imported module counts only if something is taken from it.
            if found is not None and found[1] is not None and self.files[found[0]] != self.files[module]:
                self.arrows[self.files[module]][self.files[found[0]]].add(found[1])


def arrows_of(source: pathlib.Path):
    """For all programs below `source`: a file, the file that it takes names from, the names."""
    roots = [source / "lib.rs", source / "main.rs", *source.glob("bin/*.rs"), *source.glob("bin/*/main.rs")]
    every = collections.defaultdict(lambda: collections.defaultdict(set))
    for root in filter(pathlib.Path.is_file, roots):
        for file, targets in Program(root).arrows.items():
            for target, names in targets.items():
                every[file][target] |= names
    return every


def circles(arrows) -> list[list[pathlib.Path]]:
    """Sets of two or more files that reach each other (Tarjan: strongly connected components)."""
    number, low, stack, found = {}, {}, [], []

    def visit(file):
        number[file] = low[file] = len(number)
        stack.append(file)
        for target in arrows.get(file, ()):
            if target not in number:
                visit(target)
                low[file] = min(low[file], low[target])
            elif target in stack:
                low[file] = min(low[file], number[target])
        if low[file] == number[file]:
            members = stack[stack.index(file) :]
            del stack[stack.index(file) :]
            if len(members) > 1:
                found.append(sorted(members))

    for file in sorted(arrows):
        if file not in number:
            visit(file)
    return sorted(found)
