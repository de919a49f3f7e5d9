"""Compares the output of `df11 compress --code published` with the published Python package's.

    python bytes.py DF11 BF16_SOURCE      each a directory or a .safetensors file,
                                          DF11 with its config.json

The package's own functions, unchanged, code every unit, and each of its six arrays is compared byte
for byte. The caller here replaces `compress_model`, which needs a CUDA device. Two things are
stubbed: PyTorch, of which these functions use only `from_numpy`, and the progress bar.

A unit that the package cannot write (it stops, or its bytes decode to other weights) is counted
separately. df11 must have reported it.
"""

import contextlib
import importlib.util
import io
import json
import re
import struct
import sys
import types
from pathlib import Path

import numpy as np

ITEMS = {"U8": np.uint8, "I64": np.int64, "BF16": np.uint16}


def package():
    """dfloat11's utilities, without the rest of the package, which imports PyTorch and CuPy."""
    stubs = {"torch": {"from_numpy": lambda array: array}, "tqdm": {"tqdm": lambda items: items}}
    for name, contents in stubs.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(contents)
    folder = Path(importlib.util.find_spec("dfloat11").origin).parent
    spec = importlib.util.spec_from_file_location("dfloat11_utils", folder / "dfloat11_utils.py")
    utilities = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utilities)
    return utilities


def read(path):
    """All tensors of one file or of every file of a directory, flat."""
    tensors = {}
    for file in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
        data = file.read_bytes()
        begin = 8 + struct.unpack("<Q", data[:8])[0]
        for name, info in json.loads(data[8:begin]).items():
            if name != "__metadata__" and info["dtype"] in ITEMS:
                first, end = (begin + offset for offset in info["data_offsets"])
                tensors[name] = np.frombuffer(data[first:end], ITEMS[info["dtype"]])
    return tensors


def published(utilities, matrices):
    """The six arrays of a unit, or why the package cannot write it."""
    words = np.concatenate(matrices)
    exponents = (words >> 7 & 0xFF).astype(np.uint8)
    values, counts = np.unique(exponents, return_counts=True)
    try:
        codec, _, table = utilities.get_32bit_codec(dict(zip(values.tolist(), counts.tolist())))
        luts = utilities.get_luts(table)
    except UnboundLocalError as error:
        return str(error)
    if len(luts) > 18:
        return f"{len(luts) - 1} tables"
    if any(table[int(value)][0] <= 24 for value in values if value >= 240):
        return "an exponent of 240 or more is taken for a pointer"
    encoded, gaps, positions = utilities.encode(exponents.tolist(), codec, 8, 512)
    return {
        "luts": luts,
        "encoded_exponent": encoded,
        "sign_mantissa": (words >> 8 & 0x80 | words & 0x7F).astype(np.uint8),
        "output_positions": positions,
        "gaps": gaps,
        "split_positions": np.cumsum([len(matrix) for matrix in matrices], dtype=np.int64)[:-1],
    }


def main(df11, source_path):
    utilities, written, source = package(), read(df11), read(source_path)
    folder = df11 if df11.is_dir() else df11.parent
    patterns = json.loads((folder / "config.json").read_text())["dfloat11_config"]["pattern_dict"]
    units = sorted(name.removesuffix(".luts") for name in written if name.endswith(".luts"))
    assert units, "no unit"
    equal, not_published = 0, []
    for unit in units:
        [attributes] = [attributes for pattern, attributes in patterns.items() if re.fullmatch(pattern, unit)]
        names = [f"{unit}.{attribute}.weight" for attribute in attributes] or [f"{unit}.weight"]
        with contextlib.redirect_stdout(io.StringIO()):
            expected = published(utilities, [source[name] for name in names])
        if isinstance(expected, str):
            not_published.append(f"{unit}: {expected}")
            continue
        for leaf, array in expected.items():
            assert array.tobytes() == written[f"{unit}.{leaf}"].tobytes(), f"{unit}.{leaf} differs"
        equal += 1
    print(f"published package: {equal} of {len(units)} units byte for byte")
    for reason in not_published:
        print(f"  the package cannot write {reason}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
