"""Makes every read of INPUT fail in turn, and every call that writes OUTPUT.

    failing_io.py PROGRAM FOLDER

strace makes the n-th call of a kind on a file fail, for n = 1, 2, ... until none is left. Each time
the program names the file, ends with an error, leaves INPUT as it was, and leaves OUTPUT absent.
"""

import pathlib
import re
import shutil
import subprocess
import sys

program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
sample = pathlib.Path("tests/vectors/minilm-sample/model.safetensors")
source, coded, output, log = (folder / name for name in ("source", "coded", "output", "log"))
source.write_bytes(sample.read_bytes())
partial = folder / "output.partial"
subprocess.run([program, "compress", source, "-o", coded, "--quiet"], check=True)
inputs = {"compress": source, "decompress": coded, "verify": coded}
failures = []


def run(verb, paths, calls, inject=None):
    """Runs the program under strace, tracing these calls on these paths.

    Returns its exit status, what it printed, and the trace.
    """
    output.unlink(missing_ok=True)
    shutil.rmtree(partial, ignore_errors=True)
    command = ["strace", "-f", "-qq", "-o", log, "-e", f"trace={calls}"]
    command += [word for path in paths for word in ("-P", path)]
    command += ["-e", f"inject={calls}:{inject}"] if inject else []
    arguments = [verb, inputs[verb], "--quiet"] + ([] if verb == "verify" else ["-o", output])
    done = subprocess.run([*command, program, *arguments], stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stderr, log.read_text()


def every(verb, what, paths, call, error, named):
    """Lets the first call fail, then the second, ...; each message must contain `named`."""
    before, refused = inputs[verb].read_bytes(), 0
    while True:
        status, said, traced = run(verb, paths, call, f"error={error}:when={refused + 1}")
        wrong = []
        if "(INJECTED)" not in traced:
            break
        refused += 1
        if status not in (1, 2) or not said.startswith("error: "):
            wrong.append(f"exit status {status}")
        if named not in said:
            wrong.append(f"the message does not name {named}: {said.strip()}")
        if output.exists():
            wrong.append("OUTPUT is there")
        failures.extend(f"{verb}, {call} number {refused}: {fault}" for fault in wrong)
    if status != 0:
        failures.append(f"{verb}: exit status {status} where nothing failed: {said.strip()}")
    if inputs[verb].read_bytes() != before:
        failures.append(f"{verb}: INPUT has changed")
    if refused > 0:
        print(f"{verb:12} {what:18} {call:10} {error:8} {refused:4} times, each refused")
    return refused


for verb, path in inputs.items():
    reads = sum(every(verb, "reads of INPUT", [path], call, "EIO", path.name) for call in ("read", "pread64"))
    if reads == 0:
        failures.append(f"{verb}: no read was made to fail")
    if verb == "verify":
        continue
    _, _, traced = run(verb, [], "openat")
    created = {name for name in re.findall(r'"([^"]+)", [^)]*O_CREAT', traced) if name.startswith(str(folder))}
    created |= {str(output), str(partial), str(partial / "output")}
    for error, calls in (
        ("ENOSPC", ("mkdir", "write", "pwrite64", "ftruncate", "fallocate")),
        ("EIO", ("fsync", "fdatasync", "rename", "renameat2")),
    ):
        written = sum(every(verb, "writes of OUTPUT", created, call, error, output.name) for call in calls)
        if written == 0:
            failures.append(f"{verb}: no {calls} was made to fail")

sys.exit("\n".join(failures) or 0)
