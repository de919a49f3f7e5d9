"""Files made to cost much, and what they may cost before they have earned it.

    resources.py PROGRAM FOLDER

Every run is its own child process, so its processor time and peak memory are known. What
`df11 --version` takes is subtracted. A child counts what its parent held when it began, so this
script holds little: it writes large files piece by piece.
"""

import filecmp
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time

MIB = 1 << 20
program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
failures = []


def run(*arguments):
    """Exit status, seconds of processor time, peak memory in bytes, and the text on stderr."""
    child = subprocess.Popen([program, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, message


def least(*arguments, times=5):
    """As `run`, with the least time and memory of several runs."""
    runs = [run(*arguments)]
    runs += [run(*arguments) for _ in range(times - 1) if runs[0][1] < 1]
    return runs[0][0], min(r[1] for r in runs), min(r[2] for r in runs), runs[0][3]


_, version_seconds, version_bytes, _ = least("--version")


def refused(name, arguments, words, seconds, mib):
    """Checks a refusal: `words` in the message, these bounds above `--version`, no OUTPUT."""
    status, took, peak, message = least(*arguments)
    took, peak = took - version_seconds, (peak - version_bytes) / MIB
    wrong = []
    if status not in (1, 2):
        wrong.append(f"exit status {status}")
    if not all(word in message for word in words):
        wrong.append(f"the message does not say {words}: {message.strip()}")
    if took > seconds:
        wrong.append(f"{took * 1000:.0f} ms, at most {seconds * 1000:.0f}")
    if peak > mib:
        wrong.append(f"{peak:.1f} MiB, at most {mib}")
    if (folder / "out").exists():
        wrong.append("something was written")
    print(f"{name:44} {took * 1000:8.1f} ms {peak:8.1f} MiB  {'; '.join(wrong) or 'refused'}")
    failures.extend(wrong)


def safetensors(name, header, data=b"", length=None):
    path = folder / name
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


def unit(weights, n):
    """The header of a unit that claims these weights in n bytes of stream, true or not."""
    leaves, at, entries = [("encoded_exponent", n), ("sign_mantissa", weights), ("luts", 512), ("gaps", 320)], 0, {}
    for leaf, size in leaves:
        entries[f"w.{leaf}"] = {"dtype": "U8", "shape": [size], "data_offsets": [at, at + size]}
        at += size
    return json.dumps(entries).encode()


out = folder / "out"
verbs = {"decompress": ["-o", out], "verify": [], "inspect": [], "compress": ["-o", out]}


def all_verbs(name, path, words, seconds, mib, only=verbs):
    for verb in only:
        refused(f"{name}, {verb}", [verb, path, *verbs[verb]], words, seconds, mib)


# Sizes claimed by a header, by weights, by a shape.
small = (0.010, 10)
for length in (1 << 63, 1 << 60, 100_000_001, 193):
    path = safetensors("claim", b" " * 192, length=length)
    all_verbs(f"200 bytes, a header of {length:.1e}", path, [str(length)], *small)
all_verbs("400 bytes, 2^60 weights", safetensors("weights", unit(1 << 60, 8)), ["weights"], *small)
shape = [1 << 40, 1 << 40]
entry = {"w": {"dtype": "BF16", "shape": shape, "data_offsets": [0, 8]}}
all_verbs("a shape of 2^80", safetensors("shape", json.dumps(entry).encode(), bytes(8)), ["w"], *small)

# JSON: deep, and as large as a header may be.
all_verbs("a header 10^6 brackets deep", safetensors("deep", b'{"a":' + b"[" * 10**6), ["not valid"], 0.1, 20)
path = folder / "wide"
with path.open("wb") as file:
    file.write(struct.pack("<Q", 99_999_990) + b'{"a":[0')
    for _ in range(99_999_990 // 100):
        file.write(b",0" * 50)
    file.truncate(8 + 99_999_990)
all_verbs("a header of 100 MB in one entry", path, ["not valid"], 1, 110)
with path.open("wb") as file:
    piece = "".join(f'"%d{i:03}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},' for i in range(1000))
    size = sum(len(piece.replace("%d", f"{i:04}")) for i in range(1500)) + 1
    file.write(struct.pack("<Q", size) + b"{")
    for i in range(1500):
        text = piece.replace("%d", f"{i:04}")
        file.write((text if i < 1499 else text[:-1] + "}").encode())
all_verbs("a header of 1.5 million empty tensors", path, ["more than 1048576 tensors"], 1, 250)

# JSON whose values take more memory than text: at most 40 bytes per byte, whatever the outcome.
def bounded(name, size, *arguments, factor=40, seconds=5):
    status, took, peak, message = least(*arguments, times=3)
    took, peak = took - version_seconds, (peak - version_bytes) / MIB
    wrong = []
    if status not in (0, 1, 2):
        wrong.append(f"exit status {status}: {message.strip()[:200]}")
    if took > seconds:
        wrong.append(f"{took:.1f} s, at most {seconds}")
    if peak > 16 + factor * size / MIB:
        wrong.append(f"{peak:.1f} MiB, at most 16 and {factor} times the file")
    print(f"{name:44} {took * 1000:8.1f} ms {peak:8.1f} MiB  {peak * MIB / size:5.1f} a byte {'; '.join(wrong)}")
    failures.extend(wrong)
    shutil.rmtree(out, ignore_errors=True)


# In its own process, as a child counts the most memory that its parent ever held.
subprocess.run([sys.executable, pathlib.Path(__file__).with_name("dear_json.py"), folder / "dear"], check=True)
for case in sorted((folder / "dear").iterdir()):
    for name, *arguments in json.loads((case / "runs.json").read_text()):
        bounded(f"{case.name}, {name}", (case / "dear").stat().st_size, *arguments, *(["-o", out] if arguments[0] == "compress" else []))

# Patterns that explode in size or in time.
for pattern in (r"\w" * 100_000, r"(\d{999}){999}", "(a+)+" * 50 + "$", "(" * 10_000 + ")" * 10_000, "(?:" + "a|" * 100_000 + "b)" + "{50}"):
    patterns = folder / "patterns.json"
    patterns.write_text(json.dumps({pattern: []}))
    path = safetensors("plain", json.dumps({"a" * 30: {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}).encode())
    refused(
        f"pattern {pattern[:20]}...", ["decompress", path, "-o", out, "--pattern-dict", patterns], [], 2, 100
    )

# Killed while writing: OUTPUT is absent or whole, and the next run does its work (--force, because
# of the `killed.partial` that was begun).
shape = [4096, 4096]
size = 2 * shape[0] * shape[1]
words = struct.pack("<4096H", *((0x3C00 + i * 37 % 512) for i in range(4096)))
entries = {f"{i}.weight": {"dtype": "BF16", "shape": shape, "data_offsets": [i * size, (i + 1) * size]} for i in range(4)}
path = safetensors("whole", json.dumps(entries).encode())
with path.open("ab") as file:
    for _ in range(4 * size // len(words)):
        file.write(words)
whole = folder / "whole.df11"
began = time.monotonic()
subprocess.run([program, "compress", path, "-o", whole, "--quiet"], check=True)
needed = time.monotonic() - began
outcomes = {"absent": 0, "whole": 0}
for turn in range(20):
    killed = folder / "killed"
    child = subprocess.Popen([program, "compress", path, "-o", killed, "--quiet", "--force"])
    time.sleep(needed * (turn + 0.5) / 20)
    child.send_signal(signal.SIGKILL)
    child.wait()
    if killed.exists():
        outcomes["whole"] += 1
        if not filecmp.cmp(killed, whole, shallow=False):
            failures.append(f"killed after {turn + 0.5}/20: OUTPUT is there and not whole")
        killed.unlink()
    else:
        outcomes["absent"] += 1
again = subprocess.run([program, "compress", path, "-o", folder / "killed", "--quiet", "--force"])
if again.returncode != 0 or not filecmp.cmp(folder / "killed", whole, shallow=False):
    failures.append("after a kill the next run fails")
print(f"{'killed while compressing, 20 times':44} {outcomes}, and the next run is whole")

print(f"\n`df11 --version` takes {version_seconds * 1000:.1f} ms and {version_bytes / MIB:.1f} MiB")
sys.exit("\n".join(failures) or 0)
