"""Writes the parameter names and shapes of real architectures as JSON, from modules built on the meta device.

    python make.py OUT            every architecture of `models.py` that the installed transformers and diffusers are meant for

One file a model, `OUT/<family>/<model>.json`. Nothing is downloaded and no weight exists: a module is built from its
hyper-parameters, its `state_dict` is read. What a checkpoint on disk would not hold (tied weights) or would call
otherwise (transformers renames on saving) is taken out or renamed here. README.md describes the files.
"""

import json
import re
import sys
from pathlib import Path

import diffusers
import torch
import transformers
from torch import nn

import models

DTYPES = {torch.bfloat16: "BF16", torch.float32: "F32", torch.float16: "F16", torch.int64: "I64", torch.bool: "BOOL"}


def build(model):
    """The module on the meta device, its floating-point parameters in BF16."""
    library, name = model["class"].split(".")
    kind = getattr({"transformers": transformers, "diffusers": diffusers}[library], name)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("meta"):
        if library == "diffusers":
            return kind.from_config({"_class_name": name, **model["config"]})
        config = models.nested(kind.config_class, model["config"])
        config.architectures = [name]
        config.dtype = "bfloat16"
        module = kind(config)
        module.tie_weights()
        return module


def owner(module):
    """The class that holds a parameter, and what the published loader takes it for where the name does not say it."""
    name = type(module).__name__
    for base in (nn.Linear, nn.Embedding):
        if isinstance(module, base) and name != base.__name__:
            return f"{name}({base.__name__})"
    return name


def name_on_disk(module, name):
    """The name that transformers writes for a parameter: the reverse of what it does on loading older checkpoints."""
    for saved, ours in getattr(module, "_checkpoint_conversion_mapping", {}).items():
        replaced, count = re.subn(ours, re.sub(r"\(.*\)", "", saved.lstrip("^")), name)
        if count:
            return replaced
    return name


def tensors_of(module):
    """(rows, tied): a row is (name, dtype, shape, owner); `tied` maps names that are not on disk to those that are."""
    rows, tied, seen = [], {}, {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        saved = name_on_disk(module, name)
        if id(tensor) in seen:
            tied[saved] = seen[id(tensor)]
            continue
        seen[id(tensor)] = saved
        holder = module.get_submodule(name.rpartition(".")[0])
        rows.append((saved, DTYPES[tensor.dtype], list(tensor.shape), owner(holder)))
    return rows, tied


def ranges(indices):
    """Index tuples as few products of ranges: [(0, 0), (0, 1), (1, 0), (1, 1)] -> [[(0, 1), (0, 1)]]."""
    if not indices[0]:
        return [[]]
    below = {}
    for first, *rest in sorted(indices):
        below.setdefault(first, []).append(tuple(rest))
    runs = []
    for first, rest in below.items():
        if runs and runs[-1][1] == first - 1 and runs[-1][2] == rest:
            runs[-1][1] = first
        else:
            runs.append([first, first, rest])
    return [[(begin, end), *tail] for begin, end, rest in runs for tail in ranges(rest)]


def compact(rows):
    """Rows whose names differ only in numbers become one, its numbers written as `{first..last}`."""
    families = {}
    for name, *rest in rows:
        parts = name.split(".")
        template = ".".join("#" if part.isdigit() else part for part in parts)
        key = (template, json.dumps(rest))
        families.setdefault(key, []).append(tuple(int(part) for part in parts if part.isdigit()))
    short = []
    for (template, rest), indices in families.items():
        for product in ranges(indices):
            numbers = iter(str(a) if a == b else f"{{{a}..{b}}}" for a, b in product)
            short.append([re.sub("#", lambda _: next(numbers), template), *json.loads(rest)])
    return short


def containers(module):
    """Modules that are only lists of others: never called, so a hook on one never runs."""
    names = [(name,) for name, m in module.named_modules() if isinstance(m, (nn.ModuleList, nn.ModuleDict)) and name]
    return [row[0] for row in compact([(name_on_disk(module, name),) for (name,) in names])]


def config_of(module, model):
    config = module.config if model["class"].startswith("diffusers.") else module.config.to_diff_dict()
    return {key: value for key, value in config.items() if not (key.startswith("_") and key != "_class_name")}


def write(path, model):
    module = build(model)
    rows, tied = tensors_of(module)
    packages = {package.__name__: package.__version__ for package in (transformers, diffusers, torch)}
    head = {
        "model": model["model"],
        "class": model["class"],
        "versions": packages | {"torch": torch.__version__.partition("+")[0]},
        "config": config_of(module, model),
        "tied": tied,
        "containers": containers(module),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    rows = ",\n".join(json.dumps(row) for row in compact(rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{" + ",\n".join(lines) + ',\n"tensors": [\n' + rows + "\n]}\n")
    weights = sum(p.numel() for p in module.parameters())
    print(f"{path.stem}: {weights / 1e9:.3f} billion weights, {path.stat().st_size} bytes of JSON")


def main(out):
    major = int(transformers.__version__.partition(".")[0])
    for path, model in models.all_models():
        if model.get("transformers", 4) == major:
            write(Path(out) / f"{path}.json", model)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
