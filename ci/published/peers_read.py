"""Lets the PyPI package mlx-dfloat read models that df11 compressed, and df11 the units that the
package carries.

    python peers_read.py DF11 SCRATCH

Each model is compressed in every form. The package opens it, decodes every unit with its numpy
decoder, and names the matrices by pattern_dict. Every matrix must have the source's words, and every
unit in the files must have been found.
"""

import json
import struct
import subprocess
import sys
import types
from pathlib import Path

import numpy as np

# The package imports mlx.core for its GPU decoder, which is not used here.
mlx, core = types.ModuleType("mlx"), types.ModuleType("mlx.core")
core.array, mlx.core = type("array", (), {}), core
sys.modules.update({"mlx": mlx, "mlx.core": core})

from mlx_dfloat._canary import canary_groups  # noqa: E402
from mlx_dfloat.format import open_checkpoint  # noqa: E402
from mlx_dfloat.reference import decode_matrices  # noqa: E402

VECTORS = Path("tests/vectors")
SOURCES = [
    VECTORS / "minilm-sample",
    VECTORS / "official/llama-sharded/bf16",
    VECTORS / "official/llama-single-file/bf16",
    VECTORS / "official/edge-long-codes/bf16",
]
FORMS = {"directory": [], "one-file": ["--single-file"], "published": ["--code", "published"]}


def tensors(folder):
    """Every tensor of a folder's safetensors files: name -> (dtype, bytes)."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        for name, info in header.items():
            begin, end = (8 + length + offset for offset in info["data_offsets"])
            found[name] = (info["dtype"], data[begin:end])
    return found


def write(path, unit, arrays):
    """Writes the six arrays of a unit as a safetensors file."""
    dtypes = {name: "I64" if name == "split_positions" else "U8" for name in arrays}
    header, at, data = {}, 0, b""
    for name in sorted(arrays, key=lambda name: dtypes[name] != "I64"):
        array = np.ascontiguousarray(arrays[name])
        bytes_ = array.astype(array.dtype.newbyteorder("<")).tobytes()
        shape = [len(bytes_)] if name == "output_positions" else list(array.shape)
        header[f"{unit}.{name}"] = {"dtype": dtypes[name], "shape": shape, "data_offsets": [at, at + len(bytes_)]}
        at, data = at + len(bytes_), data + bytes_
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def df11(*arguments):
    subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def they_read(source, form, flags):
    coded = scratch / f"{'-'.join(source.parts)}-{form}"
    df11("compress", source, "-o", coded, "--quiet", *flags)
    units = {name.rsplit(".", 1)[0] for name in tensors(coded) if name.endswith(".encoded_exponent")}
    expected, checkpoint = tensors(source), open_checkpoint(coded)
    assert set(checkpoint.groups) == units, f"{coded}: units {units}"
    matrices = 0
    for group in checkpoint.groups.values():
        for name, words in decode_matrices(group).items():
            dtype, data = expected[name]
            assert dtype == "BF16" and words.astype("<u2").tobytes() == data, f"{coded}: {name} differs"
            matrices += 1
    print(f"they read {source}, {form}: {len(units)} units, {matrices} matrices, every one equal")


def we_read(group):
    coded, back = scratch / f"{group.name}.safetensors", scratch / f"{group.name}-back.safetensors"
    names = ("encoded_exponent", "sign_mantissa", "luts", "gaps", "output_positions", "split_positions")
    write(coded, "unit", {name: getattr(group.arrays, name) for name in names})
    for level in levels():
        df11("decompress", coded, "-o", back, "--force", "--quiet", "--backend", level)
        data = back.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        assert data[8 + length :] == group.expected.astype("<u2").tobytes(), f"{group.name}: {level} differs"
    print(f"we read {group.name}: {group.expected.size} weights, equal by {', '.join(levels())}")


def levels():
    """The levels of this processor."""
    listed = json.loads(subprocess.run([program, "backends", "--json"], check=True, capture_output=True).stdout)
    return [backend["name"] for backend in listed if backend.get("available")]


program, scratch = sys.argv[1], Path(sys.argv[2])
for source in SOURCES:
    for form, flags in FORMS.items():
        they_read(source, form, flags)
for group in canary_groups():
    we_read(group)
