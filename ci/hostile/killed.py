"""Kills the program before each call that touches OUTPUT or what is beside it.

    killed.py PROGRAM FOLDER

strace sends SIGKILL at the n-th call of a kind, for n = 1, 2, ... until a run ends by itself. Each
time:
- OUTPUT is old, new or absent, and never absent if it was there before;
- INPUT is as it was;
- a next run without options does its work, or names what is in its way and leaves it alone;
- a run with --force or --resume ends in the same bytes and leaves nothing else.
"""

import itertools
import pathlib
import re
import shutil
import subprocess
import sys

program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
names = ("model", "coded", "out", "out.partial", "trace")
model, coded, output, partial, trace = (folder / name for name in names)
CALLS = (
    "mkdir openat rename renameat renameat2 linkat unlink unlinkat rmdir write pwrite64 fsync fdatasync flock ftruncate fchmod copy_file_range sendfile "
    "close"
).split()
failures = []


def tree(path):
    """What is at a path: `None`, the bytes of a file, or those of each file of a folder."""
    if path.is_dir():
        return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    return path.read_bytes() if path.exists() else None


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def df11(verb, source, to, *flags):
    return subprocess.run([program, verb, source, "-o", to, "--quiet", *flags], stderr=subprocess.PIPE, text=True)


def traced(verb, source, flags, *how):
    """Runs under strace on one thread, so that the n-th call is the same in each run."""
    command = ["strace", "-f", "-qq", "-o", trace, *how, program, verb, source, "-o", output, "--quiet", "-T", "1", *flags]
    return subprocess.run(command, stderr=subprocess.PIPE).returncode


def prepare(old):
    remove(output), remove(partial)
    if isinstance(old, dict):
        for name, data in old.items():
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            (output / name).write_bytes(data)
    elif old is not None:
        output.write_bytes(old)


def every_kill(verb, source, resumable, new, old):
    """Returns how often OUTPUT was absent, new and old."""
    flags = [] if old is None else ["--force"]
    prepare(old)
    traced(verb, source, flags, "-e", f"trace={','.join(CALLS)}")
    paths = {path for path in re.findall(r'"([^"]+)"', trace.read_text()) if path.startswith(str(output))} | {str(folder)}
    only = [word for path in sorted(paths) for word in ("-P", path)]
    before, found = (tree(model), tree(coded)), {"absent": 0, "new": 0, "old": 0}
    for call in CALLS:
        for n in itertools.count(1):
            prepare(old)
            if traced(verb, source, flags, *only, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}") == 0:
                break
            now = tree(output)
            what = "absent" if now is None else "new" if now == new else "old" if now == old else "neither old nor new"
            found[what] = found.get(what, 0) + 1
            wrong = ["OUTPUT is " + what] if what not in ("new", "absent" if old is None else "old") else []
            if (tree(model), tree(coded)) != before:
                wrong.append("INPUT has changed")
            wrong += after_a_kill(verb, source, resumable and n % 2 == 0, new)
            failures.extend(f"{verb} {source.name} {flags}, {call} number {n}: {fault}" for fault in wrong)
    return found


def after_a_kill(verb, source, resume, new):
    """What is wrong with the next run, and with the one after it."""
    wrong, was_there, left = [], output.exists(), partial.exists()
    plain = df11(verb, source, output)
    if plain.returncode == 0 and was_there:
        wrong.append("OUTPUT was replaced without --force")
    if plain.returncode != 0:
        if left and (partial.name not in plain.stderr or not partial.exists()):
            wrong.append(f"what is left is not named, or gone: {plain.stderr}")
        again = df11(verb, source, output, *["--resume"] * resume, *["--force"] * (not resume or was_there))
        if again.returncode != 0:
            wrong.append(again.stderr)
    if tree(output) != new or partial.exists():
        wrong.append("the next run does not end in the same bytes, or leaves something")
    return wrong


shutil.copytree("tests/vectors/minilm-sample", model)
(model / "below").mkdir()
(model / "below" / "notes.txt").write_text("theirs")
subprocess.run([program, "compress", model, "-o", coded, "--quiet"], check=True)
for verb, source, resumable in (
    ("compress", model, True),
    ("compress", model / "model.safetensors", False),
    ("decompress", coded, False),
):
    prepare(None)
    df11(verb, source, output)
    new = tree(output)
    old = {**new, "README.md": b"old"} if isinstance(new, dict) else b"old"
    for before in (None, old):
        found = every_kill(verb, source, resumable, new, before)
        print(f"{verb:12} {source.name:20} {'' if before is None else '--force':8} killed {sum(found.values()):4} times: {found}", flush=True)

sys.exit("\n".join(failures) or 0)
