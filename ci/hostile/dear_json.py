"""Models and files with much JSON, each byte as costly as it can be: `dear_json.py FOLDER`.

Each case is a folder with the text, `dear` (a link to the file that holds it), and `runs.json`, the
runs of the program that meet it.
"""

import json
import pathlib
import struct
import sys

BYTES = 10_000_000
TENSOR = b'{"a.weight":{"dtype":"BF16","shape":[64,64],"data_offsets":[0,8192]}}  '
root = pathlib.Path(sys.argv[1])


def items(item):
    return "[" + ",".join([item] * (BYTES // (len(item) + 1))) + "]"


def fields(value):
    return "{" + ",".join(f'"{i}":{value}' for i in range(BYTES // (len(value) + 10))) + "}"


def case(name, file, text, runs):
    """A folder with `file` of that text and a small model, named `m` if an index must name it."""
    folder = root / name
    folder.mkdir(parents=True)
    weights = "m" if file.endswith(".index.json") else "model.safetensors"
    (folder / weights).write_bytes(struct.pack("<Q", len(TENSOR)) + TENSOR + bytes(8192))
    (folder / file).write_bytes(text.encode() if isinstance(text, str) else text)
    (folder / "dear").symlink_to(file)
    places = {"MODEL": str(folder), "FILE": str(folder / file)}
    runs = [[run, *(places.get(word, word) for word in run.split())] for run in runs]
    (folder / "runs.json").write_text(json.dumps(runs))


def header(text):
    return struct.pack("<Q", len(text)) + text.encode()


texts = {
    "zeros": items("0"),
    "empty strings": items('""'),
    "empty objects": items("{}"),
    "escapes": items('"\\u0000\\ud83d\\ude00"'),
    "fields": fields("0"),
    "lists 120 deep": "[" * 120 + items("0") + "]" * 120,
    "one number": "1" * BYTES,
}
for name, text in texts.items():
    case(f"config.json, {name}", "config.json", f'{{"a":{text}}}', ["compress MODEL", "compress MODEL --code published"])
    case(f"dfloat11_config, {name}", "config.json", f'{{"dfloat11_config":{text}}}', ["compress MODEL", "verify MODEL"])
    case(f"index, {name}", "model.safetensors.index.json", f'{{"weight_map":{{"a.weight":"m"}},"x":{text}}}', ["estimate MODEL"])
    case(f"patterns, {name}", "x.json", text, ["estimate MODEL --pattern-dict FILE", "estimate FILE"])
    case(f"shapes, {name}", "x.json", f'{{"tensors":[["a","BF16",{text}]]}}', ["estimate FILE"])
    case(f"rows of shapes, {name}", "x.json", f'{{"tensors":{text}}}', ["estimate FILE"])
    shape = f'{{"a":{{"dtype":"U8","shape":{text},"data_offsets":[0,0]}}}}'
    case(f"shape in a header, {name}", "x.safetensors", header(shape), ["inspect FILE", "verify FILE"])
    case(f"metadata, {name}", "x.safetensors", header(f'{{"__metadata__":{text}}}'), ["inspect FILE"])
    for key in ("units", "tensors", "sources", "config"):
        record = json.dumps({"__metadata__": {"df11.version": "1", f"df11.{key}": text}})
        case(f"df11.{key}, {name}", "x.safetensors", header(record), ["inspect FILE", "verify FILE"])
