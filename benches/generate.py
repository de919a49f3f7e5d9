"""BF16 safetensors inputs for measurements. Needs numpy.

    generate.py gauss FILE                 one matrix of 64 Mi weights, N(0, 0.02)
    generate.py repeated CHECKPOINT FILE   the 2-D BF16 weights of CHECKPOINT end to end,
                                           repeated to 64 Mi
    generate.py checkpoint FOLDER          8 numbered blocks of 256 MiB each, N(0, 0.02),
                                           in 2 shards with an index

The same call always gives the same bytes.
"""

import json
import pathlib
import struct
import sys

import numpy

COLUMNS = 4096
LARGE = 64 << 20  # weights: 128 MiB, larger than any cache
BLOCKS, SHARDS = 8, 2
BLOCK_MATRICES = ["mlp.down_proj", "mlp.gate_proj", "mlp.up_proj", "self_attn.q_proj"]  # 64 MiB each


def gauss(weights: int, seed: int) -> numpy.ndarray:
    """N(0, 0.02) as the bits of BF16, rounded to nearest, ties to even."""
    values = numpy.random.default_rng(seed).standard_normal(weights, numpy.float32)
    values *= numpy.float32(0.02)
    bits = values.view(numpy.uint32)
    bits += 0x7FFF + ((bits >> 16) & 1)
    return (bits >> 16).astype("<u2")


def write(path: pathlib.Path, tensors: dict[str, tuple[int, int]], weights_of) -> None:
    """Writes matrices of these shapes; `weights_of(name)` is called once for each, in order."""
    header, offset = {}, 0
    for name, (rows, columns) in tensors.items():
        end = offset + 2 * rows * columns
        header[name] = {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in tensors:
            weights_of(name).tofile(file)


def read_matrices(path: pathlib.Path) -> numpy.ndarray:
    """All 2-D BF16 tensors of a file, one after the other in the order of their data."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    data = numpy.memmap(path, "u1", "r", offset=8 + length)
    entries = [entry for name, entry in header.items() if name != "__metadata__"]
    matrices = [entry["data_offsets"] for entry in entries if entry["dtype"] == "BF16" and len(entry["shape"]) == 2]
    if not matrices:
        sys.exit(f"{path}: holds no 2-D BF16 tensor")
    return numpy.concatenate([data[begin:end].view("<u2") for begin, end in sorted(matrices)])


def write_large(path: pathlib.Path, weights: numpy.ndarray) -> None:
    write(path, {"large.weight": (LARGE // COLUMNS, COLUMNS)}, lambda _: weights)


def write_checkpoint(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True)
    files = {}
    for shard in range(SHARDS):
        file = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
        blocks = range(shard * BLOCKS // SHARDS, (shard + 1) * BLOCKS // SHARDS)
        tensors = {f"model.layers.{b}.{m}.weight": (8192, COLUMNS) for b in blocks for m in BLOCK_MATRICES}
        first = len(files)
        files |= {name: file for name in tensors}
        seeds = {name: first + i for i, name in enumerate(tensors)}
        write(folder / file, tensors, lambda name: gauss(8192 * COLUMNS, seeds[name]))
    total = 2 * 8192 * COLUMNS * len(files)
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    (folder / "config.json").write_text('{\n  "model_type": "generated"\n}\n')


def main() -> None:
    match sys.argv[1:]:
        case ["gauss", file]:
            write_large(pathlib.Path(file), gauss(LARGE, seed=1))
        case ["repeated", checkpoint, file]:
            write_large(pathlib.Path(file), numpy.resize(read_matrices(pathlib.Path(checkpoint)), LARGE))
        case ["checkpoint", folder]:
            write_checkpoint(pathlib.Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
