"""Makes the reference files under tests/golden/text with Hugging Face tokenizers and transformers, in float32 on PyTorch.

usage: make_text_golden.py   (needs torch, transformers, tokenizers, safetensors; versions go into text/VERSIONS)

text/vocab.txt            a vocabulary of ours
text/wordpiece.tsv        rules, a text as hexadecimal bytes, its token ids: texts made to be hard
text/NAME/                small BERT models with random weights, of several shapes, dtypes and names of tensors
text/NAME/hidden.tsv      token ids of a text, and the last hidden states of its tokens
"""
import json
import os
import platform
import shutil

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
with open(os.path.join(HERE, "VERSIONS"), "w") as out:
    out.write(f"Python {platform.python_version()}, PyTorch {torch.__version__}, transformers {transformers.__version__}, "
              f"tokenizers {tokenizers.__version__}\n")
