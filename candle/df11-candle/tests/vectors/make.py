"""Writes the small models of this folder, and what transformers computes with them: see README.md.

    make.py OUT [MINILM]    under transformers 5: models, their config.json, logits and tokens. MINILM is the file
                            of all-MiniLM-L6-v2 in BF16: what it computes is written, its weights are not
                            under transformers 4: config-4.json, the same hyper-parameters as it writes them; and blocks of FLUX
"""

import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

NEWER = int(transformers.__version__.split(".")[0]) >= 5
VOCABULARY, TOKENS, PROMPT = 128, 96, 16
COMMON = dict(
    vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, head_dim=16, max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    tie_word_embeddings=False,
)


def rope(theta, **scaling):
    """The fields for one kind of rope, as each version wants them."""
    if NEWER:
        return dict(rope_parameters=dict(rope_theta=theta, **(scaling or dict(rope_type="default"))))
    return dict(rope_theta=theta, **(dict(rope_scaling=scaling) if scaling else {}))


def gemma_rope():
    if not NEWER:
        return dict(rope_theta=50000.0, rope_local_base_freq=1000.0, rope_scaling=dict(rope_type="linear", factor=4.0))
    return dict(rope_parameters=dict(
        full_attention=dict(rope_theta=50000.0, rope_type="linear", factor=4.0),
        sliding_attention=dict(rope_theta=1000.0, rope_type="default"),
    ))


MODELS = {
    "llama": ("Llama", COMMON | rope(10000.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                                     high_freq_factor=4.0, original_max_position_embeddings=32)),
    "llama-biases": ("Llama", COMMON | rope(10000.0, rope_type="linear", factor=2.0)
                     | dict(attention_bias=True, mlp_bias=True, num_key_value_heads=4, rms_norm_eps=1e-5)),
    "mistral": ("Mistral", COMMON | rope(10000.0) | dict(sliding_window=24, head_dim=32)),
    "qwen2": ("Qwen2", {k: v for k, v in COMMON.items() if k != "head_dim"} | rope(1000000.0)
              | dict(tie_word_embeddings=True, use_sliding_window=True, sliding_window=24, max_window_layers=1)),
    "qwen3": ("Qwen3", COMMON | rope(1000000.0) | dict(head_dim=32)),
    "gemma3": ("Gemma3Text", COMMON | gemma_rope()
               | dict(tie_word_embeddings=True, num_hidden_layers=3, sliding_window=24, query_pre_attn_scalar=20,
                      layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
}


def classes(name):
    model = {"Gemma3Text": "Gemma3ForCausalLM"}.get(name, f"{name}ForCausalLM")
    return getattr(transformers, f"{name}Config"), getattr(transformers, model)


def memorise(model, tokens):
    """Trains the model to continue its prompt with `tokens`, so that each step has a clear first."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    noise = torch.randint(3, VOCABULARY, (400, 3, TOKENS))
    for step in range(400):
        # Other texts beside it, so that attention over the whole context keeps a part in it.
        copies = torch.cat([noise[step, :, : TOKENS // 2]] * 2, dim=1)
        loss = model(input_ids=tokens[None], labels=tokens[None]).loss + 0.3 * model(input_ids=copies, labels=copies).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def greedy(model, prompt):
    """The tokens that follow the prompt, and the least distance of the first two logits."""
    tokens, least = prompt.tolist(), float("inf")
    with torch.no_grad():
        for _ in range(TOKENS - len(tokens)):
            first, second = model(input_ids=torch.tensor([tokens])).logits[0, -1].float().topk(2).values.tolist()
            least = min(least, first - second)
            tokens.append(int(model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax()))
    return tokens, least


def write_encoder(folder):
    """A BERT, and the vectors that it gives every token of two texts, and each text by the mean."""
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, layer_norm_eps=1e-12, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        # Large enough for attention and biases to do real work.
        initializer_range=0.15, dtype="bfloat16",
    )
    torch.manual_seed(21)
    model = transformers.BertModel(config, add_pooling_layer=False).float()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    model.bfloat16().save_pretrained(folder)
    texts = [torch.randint(3, VOCABULARY, (tokens,)) for tokens in (48, 20)]
    tensors = {}
    for dtype in (torch.float32, torch.bfloat16):
        loaded = transformers.BertModel.from_pretrained(
            folder, dtype=dtype, attn_implementation="eager", add_pooling_layer=False).eval()
        for number, text in enumerate(texts):
            with torch.no_grad():
                vectors = loaded(input_ids=text[None]).last_hidden_state[0]
            tensors[f"text.{number}"] = text.to(torch.uint32)
            tensors[f"vectors.{number}.{str(dtype).removeprefix('torch.')}"] = vectors.contiguous()
            mean = torch.nn.functional.normalize(vectors.float().mean(0), dim=0)
            tensors[f"mean.{number}.{str(dtype).removeprefix('torch.')}"] = mean.contiguous()
    for number in range(2):
        exact, rounded = (tensors[f"vectors.{number}.{dtype}"].float() for dtype in ("float32", "bfloat16"))
        print(f"bert, text {number}: F32 and BF16 apart {(exact - rounded).abs().max():.3f}")
    versions = {package.__name__: package.__version__ for package in (torch, transformers)}
    save_file(tensors, folder / "expected.safetensors", metadata=versions)


def write_minilm(folder, weights):
    """The vectors of 100 sentences of random words, each by the mean, in F32."""
    config = transformers.BertConfig(hidden_size=384, num_hidden_layers=6, intermediate_size=1536)
    model = transformers.BertModel(config)
    model.load_state_dict(load_file(weights), strict=False)
    model = model.float().eval()
    torch.manual_seed(22)
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    begin, end = 101, 102
    texts = [[begin, *torch.randint(1000, 30000, (int(torch.randint(1, 40, ())),)).tolist(), end] for _ in range(100)]
    with torch.no_grad():
        means = [
            torch.stack([model.to(dtype)(input_ids=torch.tensor([text])).last_hidden_state[0].float().mean(0)
                         for text in texts])
            for dtype in (torch.float32, torch.bfloat16)
        ]
    vectors, rounded = (torch.nn.functional.normalize(mean, dim=1) for mean in means)
    print(f"minilm: F32 and BF16 apart {(vectors - rounded).abs().max():.4f}")
    tensors = dict(tokens=torch.tensor(sum(texts, []), dtype=torch.uint32),
                   lengths=torch.tensor([len(text) for text in texts], dtype=torch.uint32), mean=vectors.half())
    versions = {package.__name__: package.__version__ for package in (torch, transformers)}
    save_file(tensors, folder / "expected.safetensors", metadata=versions)


def write_flux(folder):
    """One double and one single block of FLUX with random weights, and what diffusers computes with them in F32."""
    import diffusers
    from diffusers.models.transformers import transformer_flux as flux

    hidden, heads, words, patches = 64, 2, 5, 12
    torch.manual_seed(23)
    blocks = {"transformer_blocks.0": flux.FluxTransformerBlock(hidden, heads, hidden // heads),
              "single_transformer_blocks.0": flux.FluxSingleTransformerBlock(hidden, heads, hidden // heads)}
    weights = {}
    for path, block in blocks.items():
        for name, parameter in block.named_parameters():
            parameter.data.normal_(std=0.15).add_(float("norm_" in name and "linear" not in name))
            parameter.data = parameter.data.bfloat16().float()
            weights[f"{path}.{name}"] = parameter.data.bfloat16()
    given = {"patches": torch.randn(patches, hidden), "words": torch.randn(words, hidden), "time": torch.randn(hidden)}
    given = {name: tensor.bfloat16() for name, tensor in given.items()}
    angles = torch.rand(words + patches, hidden // heads // 2) * 6
    turns = [function(angles).repeat_interleave(2, dim=1) for function in (torch.cos, torch.sin)]
    with torch.no_grad():
        rest = dict(temb=given["time"].float()[None], image_rotary_emb=turns)
        pair = dict(hidden_states=given["patches"].float()[None], encoder_hidden_states=given["words"].float()[None])
        found = {}
        for path, block in blocks.items():
            both = dict(zip(("words", "patches"), block(**pair, **rest)))
            found |= {f"{path}.{name}": tensor[0].contiguous() for name, tensor in both.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"_class_name": "FluxTransformer2DModel"}) + "\n")
    versions = {package.__name__: package.__version__ for package in (torch, diffusers)}
    tensors = given | found | {"angles": angles}
    save_file(tensors, folder / "expected.safetensors", metadata=versions)


def main():
    torch.set_num_threads(1)
    out = pathlib.Path(sys.argv[1])
    if NEWER:
        write_encoder(out / "bert")
    else:
        write_flux(out / "flux")
    if NEWER and len(sys.argv) > 2:
        write_minilm(out / "minilm", sys.argv[2])
    for name, (kind, parameters) in MODELS.items():
        config_class, model_class = classes(kind)
        config = config_class(**parameters, dtype="bfloat16")
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        if not NEWER:
            config.architectures = [model_class.__name__]
            (folder / "config-4.json").write_text(config.to_json_string())
            continue
        torch.manual_seed(20)
        config._attn_implementation = "eager"
        model = model_class(config).float().train()
        memorised, other = torch.randint(3, VOCABULARY, (2, TOKENS))
        memorise(model, memorised)
        model = model.bfloat16().eval()
        model.save_pretrained(folder)
        with torch.no_grad():
            both = torch.stack([memorised, other])
            # Buffers, such as the frequencies of rope, are made anew: they were never BF16.
            exact = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
            logits = exact(input_ids=both).logits
            rounded = model_class.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager").eval()
            logits_bf16 = rounded(input_ids=both).logits
        tokens, least = greedy(exact, memorised[:PROMPT])
        tokens_bf16, least_bf16 = greedy(rounded, memorised[:PROMPT])
        assert tokens == tokens_bf16, name
        versions = {package.__name__: package.__version__ for package in (torch, transformers)}
        facts = dict(prompt=PROMPT, least_margin=min(least, least_bf16), **versions)
        tensors = dict(tokens=both.to(torch.uint32), greedy=torch.tensor(tokens, dtype=torch.uint32),
                       logits=logits.contiguous(), logits_bf16=logits_bf16.bfloat16().contiguous())
        save_file(tensors, folder / "expected.safetensors", metadata={k: str(v) for k, v in facts.items()})
        apart = (logits - logits_bf16.float()).abs().max()
        print(f"{name}: least margin {min(least, least_bf16):.2f}, F32 and BF16 apart {apart:.3f}, memorised {tokens == memorised.tolist()}")


main()
