"""The same as the program `inference`, with torch and transformers in BF16.

    torch_llama.py MODEL --batch N --tokens N [--mapped] [--steps]

--mapped: weights stay in the mapped file, and the system reads them from disk when they are not in memory.
"""

import argparse
import json
import pathlib
import re
import time

import torch
import transformers
from safetensors.torch import load_file

WARM_UP = 2


def mapped(folder):
    config = transformers.AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(config)
    weights = {}
    for file in sorted(pathlib.Path(folder).glob("*.safetensors")):
        weights |= load_file(file)
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    # Buffers of positions are not in the file.
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    return model.eval()


def status(file, pattern):
    return int(re.search(pattern, pathlib.Path(file).read_text())[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--mapped", action="store_true")
    parser.add_argument("--steps", action="store_true")
    args = parser.parse_args()
    begun = time.time()
    if args.mapped:
        model = mapped(args.model)
    else:
        model = transformers.AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16).eval()
    load = time.time() - begun
    tokens, cache, times = torch.arange(100, 100 + args.batch)[:, None], None, []
    with torch.inference_mode():
        for step in range(args.tokens):
            before = time.time()
            out = model(input_ids=tokens, past_key_values=cache, use_cache=True)
            tokens, cache = out.logits[:, -1].argmax(1, keepdim=True), out.past_key_values
            times.append(time.time() - before)
            if step == 0:
                first = time.time() - begun
            if args.steps:
                print(step + 1, flush=True)
    counted = sorted(times[min(WARM_UP, args.tokens - 1):])
    median = counted[len(counted) // 2]
    report = dict(
        form="torch, mapped" if args.mapped else "torch", batch=args.batch, tokens=args.tokens, load_s=load,
        first_token_s=first, step_ms=1e3 * median, tokens_per_s=args.batch / median,
        weight_bytes=sum(p.numel() * p.element_size() for p in model.parameters()),
        peak_memory_bytes=1024 * status("/proc/self/status", r"VmHWM:\s*(\d+)"),
        bytes_from_disk=status("/proc/self/io", r"\bread_bytes: (\d+)"), versions=[torch.__version__, transformers.__version__],
        last_tokens=tokens[:, 0].tolist(),
    )
    print(json.dumps(report))


main()
