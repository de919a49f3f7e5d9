"""Loads tiny models with the published Python package and compares their logits with the source's.

    python tied.py DF11_PROGRAM SCRATCH

For Llama, Qwen 3 and Gemma 3, each with tied embeddings and with an output layer of its own: the
model is made by transformers, saved as BF16, compressed by the program, and loaded by the published
loader into a model whose parameters are all NaN. Its logits must be those of the source, bit for
bit. As a check of the check, the same is done with the embedding of a tied model coded: there the
loader must leave NaN, or this script proves nothing.

The stubs for what is not the loader are those of loader.py.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch
from loader import published_package
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

SIZES = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
}
MODELS = [(LlamaForCausalLM, LlamaConfig), (Qwen3ForCausalLM, Qwen3Config), (Gemma3ForCausalLM, Gemma3TextConfig)]
EMBEDDING = "model.embed_tokens"


def made(kind, config_kind, tied, folder):
    """A model of random BF16 weights, saved."""
    torch.manual_seed(7)
    model = kind(config_kind(**SIZES, tie_word_embeddings=tied)).to(torch.bfloat16).eval()
    model.save_pretrained(folder)
    return model


def logits(model):
    with torch.no_grad():
        return model(torch.arange(24).reshape(2, 12)).logits


def loaded(df11, source):
    """A model of NaN, filled by the published loader."""
    model = type(source)(source.config).to(torch.bfloat16).eval()
    for parameter in model.parameters():
        parameter.data.fill_(float("nan"))
    published_package().from_pretrained(str(df11), device="cpu", bfloat16_model=model)
    return model


def compress(program, source, df11, *more):
    subprocess.run([program, "compress", source, "-o", df11, *more], check=True, capture_output=True)


def main(program, scratch):
    for kind, config_kind in MODELS:
        for tied in (True, False):
            name = f"{kind.__name__}-{'tied' if tied else 'untied'}"
            source, df11 = scratch / name, scratch / f"{name}-DF11"
            model = made(kind, config_kind, tied, source)
            compress(program, source, df11)
            patterns = json.loads((df11 / "config.json").read_text())["dfloat11_config"]["pattern_dict"]
            assert any("embed_tokens" in pattern for pattern in patterns) == (not tied), f"{name}: {patterns}"
            expected, found = logits(model), logits(loaded(df11, model))
            assert torch.isfinite(expected).all()
            assert torch.equal(expected, found), f"{name}: other logits, {found.isnan().sum()} of them NaN"
            print(f"published loader: {name}: {expected.numel()} logits equal")
    # The embedding of a tied model, coded by the user's own patterns.
    source, df11, patterns = scratch / "LlamaForCausalLM-tied", scratch / "coded-embedding", scratch / "patterns.json"
    patterns.write_text(json.dumps({EMBEDDING.replace(".", "\\."): []}))
    compress(program, source, df11, "--pattern-dict", patterns)
    found = logits(loaded(df11, LlamaForCausalLM.from_pretrained(source, torch_dtype=torch.bfloat16)))
    assert found.isnan().any(), "a coded tied embedding fills the output layer after all: keep it raw no longer"
    print("published loader: a coded tied embedding leaves NaN, so it stays raw by default")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
