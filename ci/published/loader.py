"""Loads a DF11 model with the published Python package and compares it with the source.

    python loader.py DF11 BF16_SOURCE      each a directory or a .safetensors file

A module tree is built from the source's tensor names, filled with wrong values, and given to the
published loader. Its decode hooks are then run one by one. The script asserts that the loader
complains of nothing, every unit has one hook, every matrix is injected by exactly one unit, and
every tensor, coded or raw, has the source's shape, dtype and bits.

The loader is the published one, unchanged. Stubs replace what is not the loader: cupy (its kernel
is `launch` below, one numpy lane per GPU thread, over the very pointers that the loader passes),
accelerate and huggingface_hub (never called).
"""

import contextlib
import ctypes
import io
import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

LAUNCHER_SHARED_BYTES = 48 * 1024


def launch(grid, block, shared_mem, args):
    """Does the kernel's work for all chunks, each from its gap to the end of its 64 bits."""
    luts, codes, sign_mantissa, positions, gaps, outputs, n_luts, n_bytes, n_elements = args
    assert tuple(block) == (512,) and grid[0] == -(-n_bytes // 4096), f"grid {grid}, block {block}"
    assert shared_mem <= LAUNCHER_SHARED_BYTES, f"launch refused: {shared_mem} bytes of shared memory"
    view = lambda pointer, n, kind: np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(kind)), (n,))
    tables = view(luts, n_luts * 256, ctypes.c_uint8).reshape(n_luts, 256)
    chunks = grid[0] * 512

    # 12 bytes of stream per chunk. Bytes past the stream are random: the hardware leaves them
    # undefined.
    stream = np.random.default_rng(11).integers(0, 256, chunks * 8 + 4, dtype=np.uint8)
    stream[:n_bytes] = view(codes, n_bytes, ctypes.c_uint8)
    bits = np.unpackbits(view(gaps, chunks * 5 // 8, ctypes.c_uint8)).reshape(chunks, 5)
    at = np.arange(chunks, dtype=np.int64) * 64
    end = at + 64
    at += bits @ np.array([16, 8, 4, 2, 1])

    lanes, steps, decoded = np.arange(chunks), [], []
    padded = np.concatenate([stream, np.zeros(8, np.uint8)])
    while len(lanes):
        here = at[lanes]
        window = np.zeros(len(lanes), np.uint64)
        for byte in range(5):
            window = window << np.uint64(8) | padded[here // 8 + byte]
        window = (window >> (np.uint64(8) - (here % 8).astype(np.uint64))).astype(np.uint32)
        entry = tables[0, window >> 24]
        for shift in (16, 8, 0):
            deeper = entry >= 240
            entry[deeper] = tables[256 - entry[deeper].astype(int), window[deeper] >> shift & 255]
        length = tables[-1, entry]
        assert length.all(), "phase 1 would run for ever: a code of length 0"
        steps.append(lanes)
        decoded.append(entry)
        at[lanes] += length
        lanes = lanes[at[lanes] < end[lanes]]
    # A stable sort by chunk puts each chunk's exponents back in the order in which they were
    # decoded.
    order = np.argsort(np.concatenate(steps), kind="stable")
    exponents = np.concatenate(decoded)[order]

    # The scan: a block's first weight is its output position, whatever came before.
    counts = np.bincount(np.concatenate(steps), minlength=chunks).reshape(-1, 512)
    first = view(positions, grid[0], ctypes.c_uint32).astype(np.int64)
    within = np.cumsum(counts, axis=1) - counts
    starts = (first[:, None] + within).reshape(-1)
    index = np.repeat(starts, counts.reshape(-1))
    index += np.arange(len(index)) - np.repeat(np.cumsum(counts.reshape(-1)) - counts.reshape(-1), counts.reshape(-1))
    kept = index < n_elements
    exponents, index = exponents[kept].astype(np.uint16), index[kept]
    assert np.array_equal(index, np.arange(n_elements)), "not every weight is written exactly once"
    low = view(sign_mantissa, n_elements, ctypes.c_uint8).astype(np.uint16)
    view(outputs, n_elements, ctypes.c_uint16)[:] = (low & 0x80) << 8 | exponents << 7 | low & 0x7F


def published_package():
    """Imports dfloat11, with stubs for all it imports that is not its loader."""
    device = lambda _index: contextlib.nullcontext()
    module = types.SimpleNamespace(get_function=lambda _name: launch)
    stubs = {
        "cupy": {"RawModule": lambda path: module, "cuda": types.SimpleNamespace(Device=device)},
        "accelerate": {"infer_auto_device_map": None, "dispatch_model": None},
        "accelerate.utils": {"get_balanced_memory": None},
        "huggingface_hub": {"snapshot_download": None},
    }
    for name, contents in stubs.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(contents)
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    import dfloat11

    return dfloat11.DFloat11Model


def read(path):
    """All tensors of a file or of every file of a directory."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def bits(tensor):
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def wrong(tensor):
    """A tensor of the same shape and dtype that differs in every element."""
    return ~tensor if tensor.dtype == torch.bool else (~bits(tensor)).view(tensor.dtype).reshape(tensor.shape)


def module_tree(source):
    """Modules as a model would have them: Embedding or Linear for a 2-D weight, otherwise bare."""
    root = nn.Module()
    paths = {name.rpartition(".")[0] for name in source}
    for path in sorted(paths):
        weight = source.get(f"{path}.weight" if path else "weight")
        module = nn.Module()
        if weight is not None and weight.dim() == 2 and weight.dtype == torch.bfloat16:
            kind = nn.Embedding if "embed" in path.rpartition(".")[2] else nn.Linear
            rows, columns = weight.shape
            with torch.device("meta"):
                module = kind(rows, columns) if kind is nn.Embedding else kind(columns, rows, bias=False)
        parent = root
        for part in path.split(".")[:-1]:
            if part not in parent._modules:
                parent.add_module(part, nn.Module())
            parent = parent._modules[part]
        last = path.rpartition(".")[2]
        if path and last not in parent._modules:
            parent.add_module(last, module)
        target = root.get_submodule(path)
        for name, tensor in source.items():
            if name.rpartition(".")[0] == path:
                leaf, value = name.rpartition(".")[2], wrong(tensor)
                if tensor.is_floating_point():
                    target._parameters.pop(leaf, None)
                    target.register_parameter(leaf, nn.Parameter(value, requires_grad=False))
                else:
                    target.register_buffer(leaf, value)
    return root


def load(df11, model):
    """Runs the published loader; it reports some failures on stderr alone."""
    loader, complaints = published_package(), io.StringIO()
    with contextlib.redirect_stderr(complaints):
        import dfloat11.dfloat11 as internals

        internals.stderr = complaints
        if df11.is_dir():
            loader.from_pretrained(str(df11), device="cpu", bfloat16_model=model)
        else:
            patterns = single_file_patterns(df11)
            loader.from_single_file(str(df11), pattern_dict=patterns, device="cpu", bfloat16_model=model)
    bad = [line for line in complaints.getvalue().splitlines() if "mismatch" in line or "Cannot find" in line]
    assert not bad, "the loader complains:\n" + "\n".join(bad)


def single_file_patterns(file):
    config = file.parent / "config.json"
    if config.exists():
        return json.loads(config.read_text())["dfloat11_config"]["pattern_dict"]
    with safe_open(file, "pt") as opened:
        return json.loads(opened.metadata()["df11.config"])["pattern_dict"]


def main(df11, source_path):
    source, names_written = read(source_path), read(df11).keys()
    model = module_tree(source)
    units = {name.removesuffix(".encoded_exponent") for name in names_written if name.endswith(".encoded_exponent")}
    load(df11, model)

    name_of = {module: name for name, module in model.named_modules()}
    hooked = {name for name, module in model.named_modules() if module._forward_pre_hooks}
    assert hooked == units, f"units without a hook: {units - hooked}, hooks without a unit: {hooked - units}"
    injected = {}
    for unit in sorted(units):
        module = model.get_submodule(unit)
        hooks = list(module._forward_pre_hooks.values())
        assert len(hooks) == 1, f"{unit} has {len(hooks)} hooks"
        hooks[0](module, None)
        for target in getattr(module, "weight_injection_modules", [module]):
            name = f"{name_of[target]}.weight"
            assert name not in injected, f"{name} is injected by {injected[name]} and by {unit}"
            injected[name] = unit
            expect(name, source[name], target.weight)

    # What the units hold beside their matrices: the hooks' own buffers.
    leaves = ("luts", "encoded_exponent", "sign_mantissa", "output_positions", "gaps")
    buffers = {f"{unit}.{leaf}" for unit in units for leaf in leaves}
    state = {name: tensor for name, tensor in model.state_dict().items() if name not in buffers}
    raw = source.keys() - injected.keys()
    assert state.keys() == raw, f"missing: {raw - state.keys()}, too many: {state.keys() - raw}"
    for name in raw:
        expect(name, source[name], state[name])
    print(f"published loader: {len(units)} units, {len(injected)} matrices injected once, {len(raw)} raw tensors: all bits equal")


def expect(name, source, found):
    assert source.shape == found.shape, f"{name}: shape {tuple(found.shape)}, expected {tuple(source.shape)}"
    assert source.dtype == found.dtype, f"{name}: {found.dtype}, expected {source.dtype}"
    different = (bits(source) != bits(found)).sum().item()
    assert not different, f"{name}: {different} bytes differ"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
