"""On an NVIDIA GPU, without stubs: the published Python package computes with what df11 wrote, and
df11 brings it back on the device.

    python on_gpu.py DF11_PROGRAM      a build with the feature `cuda`

A small Llama of random weights is compressed with our codes and with the published ones. The
package (dfloat11 0.5.0, its own kernel) loads each into a model of other weights; its logits must be
the BF16 model's, bit for bit. Then `df11 decompress --backend cuda` must give the source's bytes.
Needs torch, transformers, cupy and accelerate.
"""

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from dfloat11 import DFloat11Model
from transformers import LlamaConfig, LlamaForCausalLM


def model(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
        vocab_size=4096,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config).to(torch.bfloat16).eval()


def logits(model, tokens):
    with torch.no_grad():
        return model(tokens).logits


def main() -> None:
    df11 = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = model(1)
        source.save_pretrained(folder / "source")
        tokens = torch.randint(0, 4096, (2, 48), device="cuda")
        expected = logits(source.cuda(), tokens)
        for code in ("ours", "published"):
            compressed, back = folder / code, folder / f"{code}-back"
            flags = ["--code", "published"] if code == "published" else []
            subprocess.run([df11, "compress", *flags, folder / "source", "-o", compressed], check=True, stderr=subprocess.DEVNULL)
            other = model(2)
            assert not torch.equal(logits(other.cuda(), tokens), expected), "other weights give the same logits"
            loaded = DFloat11Model.from_pretrained(str(compressed), device="cuda", bfloat16_model=other.cpu())
            found = logits(loaded, tokens)
            assert torch.equal(found, expected), f"{code}: logits differ by {(found - expected).abs().max()}"
            print(f"{code} codes: dfloat11 0.5.0 computes the same {expected.numel()} logits on {torch.cuda.get_device_name()}")
            subprocess.run([df11, "decompress", "--backend", "cuda", compressed, "-o", back], check=True, stderr=subprocess.DEVNULL)
            for file in sorted((folder / "source").glob("*.safetensors")):
                assert filecmp.cmp(file, back / file.name, shallow=False), f"{code}: {file.name} differs"
            print(f"{code} codes: df11 decompress --backend cuda gives the source's weights, byte for byte")


main()
