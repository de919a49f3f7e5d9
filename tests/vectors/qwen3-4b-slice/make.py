"""Writes df11.safetensors and bf16.safetensors from a slice that the PyPI package mlx-dfloat carries.

    python make.py qwen3_4b_layer0_4blocks.npz
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np

UNIT = "model.layers.0.self_attn.q_proj"
SIZES = {"I64": 8, "BF16": 2, "U8": 1}


def write(path, tensors):
    """Writes tensors of (dtype, shape, bytes), wider elements first, then by name."""
    header, at = {}, 0
    names = sorted(tensors, key=lambda name: (-SIZES[tensors[name][0]], name))
    for name in names:
        dtype, shape, data = tensors[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(tensors[name][2] for name in names))


found = np.load(sys.argv[1], allow_pickle=False)
arrays = {}
for name in ("encoded_exponent", "sign_mantissa", "gaps", "luts"):
    arrays[f"{UNIT}.{name}"] = ("U8", list(found[name].shape), found[name].tobytes())
positions = found["output_positions"].astype("<u4").tobytes()
arrays[f"{UNIT}.output_positions"] = ("U8", [len(positions)], positions)
splits = found["split_positions"].astype("<i8")
arrays[f"{UNIT}.split_positions"] = ("I64", list(splits.shape), splits.tobytes())
weights = found["expected_bf16"].astype("<u2")
here = Path(__file__).parent
write(here / "df11.safetensors", arrays)
write(here / "bf16.safetensors", {f"{UNIT}.weight": ("BF16", list(weights.shape), weights.tobytes())})
