"""Writes the shapes of a Llama for `df11 synth`: shapes.py mid|1b|3b > SHAPES.json"""

import json
import sys

# layers, hidden, intermediate, heads, heads of keys, elements of a head, vocabulary, tied
SIZES = {
    "mid": (6, 2048, 5632, 16, 8, 128, 32000, False),
    "1b": (16, 2048, 8192, 32, 8, 64, 128256, True),
    "3b": (28, 3072, 8192, 24, 8, 128, 128256, True),
}


def main():
    layers, hidden, intermediate, heads, kv_heads, head_dim, vocabulary, tied = SIZES[sys.argv[1]]
    block = {
        "self_attn.q_proj": [heads * head_dim, hidden], "self_attn.k_proj": [kv_heads * head_dim, hidden],
        "self_attn.v_proj": [kv_heads * head_dim, hidden], "self_attn.o_proj": [hidden, heads * head_dim],
        "mlp.gate_proj": [intermediate, hidden], "mlp.up_proj": [intermediate, hidden],
        "mlp.down_proj": [hidden, intermediate], "input_layernorm": [hidden], "post_attention_layernorm": [hidden],
    }
    tensors = [["model.embed_tokens.weight", "BF16", [vocabulary, hidden]], ["model.norm.weight", "BF16", [hidden]]]
    tensors += [[f"model.layers.{{0..{layers - 1}}}.{name}.weight", "BF16", shape] for name, shape in block.items()]
    if not tied:
        tensors.append(["lm_head.weight", "BF16", [vocabulary, hidden]])
    config = dict(
        model_type="llama", architectures=["LlamaForCausalLM"], dtype="bfloat16", hidden_size=hidden,
        intermediate_size=intermediate, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, head_dim=head_dim, vocab_size=vocabulary, tie_word_embeddings=tied,
        max_position_embeddings=131072, rms_norm_eps=1e-5, rope_theta=500000.0, hidden_act="silu",
        bos_token_id=1, eos_token_id=None,
    )
    json.dump({"model": f"a Llama of the size {sys.argv[1]}", "config": config, "tensors": tensors}, sys.stdout)


main()
