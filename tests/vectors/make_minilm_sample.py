#!/usr/bin/env python3
"""Cuts the bundled sample out of the whole MiniLM: python3 make_minilm_sample.py MINILM_BF16.safetensors

Writes minilm-sample/model.safetensors beside this script: every tensor of encoder.layer.0 and the position embedding,
bytes untouched, in the source's order. Needs nothing but Python.
"""

import json
import struct
import sys
from pathlib import Path

LAYER = "encoder.layer.0."
EMBEDDING = "embeddings.position_embeddings.weight"


def main(source):
    with open(source, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        start = 8 + length
        kept, data = {}, bytearray()
        by_offset = sorted((t["data_offsets"], name) for name, t in header.items() if name != "__metadata__")
        for (begin, end), name in by_offset:
            if name != EMBEDDING and not name.startswith(LAYER):
                continue
            file.seek(start + begin)
            tensor = header[name]
            offsets = [len(data), len(data) + end - begin]
            kept[name] = {"dtype": tensor["dtype"], "shape": tensor["shape"], "data_offsets": offsets}
            data += file.read(end - begin)
    text = json.dumps({"__metadata__": {"format": "pt"}, **kept}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    target = Path(__file__).parent / "minilm-sample" / "model.safetensors"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(struct.pack("<Q", len(text)) + text + data)
    print(f"{target}: {len(kept)} tensors, {target.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
