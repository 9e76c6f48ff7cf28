"""Makes the reference files under tests/golden/llama with Hugging Face tokenizers and transformers, in float32 on PyTorch.

usage: make_llama_golden.py   (needs torch, transformers, tokenizers, safetensors; versions go into llama/VERSIONS)

llama/NAME/             a small model with random weights and a small tokeniser for each family: llama3 (rotary scaling, head of its own,
                        f32), qwen2 (biases, tied head, bf16 in two shards), smollm2 (tied head, f16)
llama/NAME/bpe.tsv      a text as hexadecimal bytes, its token ids: texts made to be hard
llama/NAME/logits.tsv   token ids of a text, and the logits behind its first, middle and last token
llama/NAME/greedy.tsv   token ids of a text, and those that greedy generation adds
llama/NAME/chat.tsv     system and user text in hexadecimal, token ids of the family's chat template with the reply to come
"""
import json
import os
import platform
import shutil

import safetensors.torch
import tokenizers
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "llama")

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
SPECIAL = {
    "llama3": ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "qwen2": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "smollm2": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
}

# What a chat begins with and how its turns are written; the models' own templates, without tools and dates.
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
HEADERS = ("{{ '<|begin_of_text|>' }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' +"
           " message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
           "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")

SENTENCES = ["Type 2 diabetes mellitus without complications", "Cholera due to acute disease of the heart", "The patient isn't well; they've had fever",
             "A 45-year-old man with chest pain takes 100 mg of aspirin", "Which of the following is the most likely diagnosis?",
             "A: Amoxicillin\nB: Metformin\nC: Insulin\nD: None of the above", "system user assistant Answer:", "def f(x):\n    return x  # 12345"]
LETTERS = [" A B C D E F G H I J " * 12]  # letters of options are tokens, with a space before them and without
TEXTS = ["", " ", "  ", "\n", " \n\n \t x", "Type 2 diabetes", "it's WE'LL I'D don'T", "100 1234567 ½ ² Ⅷ ٣٤", "a  b   c    ", "tab\tline\r\nreturn\n\n\nend",
         "Ménière's naïve Ångström", "Me\u0301nie\u0300re", "中国 糖尿病 type", "한국 한", "עברית العربية क्षत्रिय", "👨‍👩‍👧 heart ❤️ 🫀", "zero\u200bwidth\u200djoin\ufeffbom",
         "nbsp\u00a0em\u2003ideo\u3000\u2028line\u2029\u0085next", "…–“quoted” ¿qué? ((()))!!!", "ﬁ ﬂ ＋ ｆｕｌｌ Å Ω", "x" * 60, " " * 30 + "y", "=" * 33,
         "\x00\x01\x7f", "mid<|im_end|>dle <|im_start|><|endoftext|>", "<|eot_id|>a<|begin_of_text|> <|end_header_id|>", "<|im_end|", "e\u0323\u0302", "\u1100\u1161\u11a8",
         "under_score snake_case2", "1,234.56 mg/dL (p<0.05)", "can\u2019t", "'s's 'sS", "A\n B\n  C", "\U0001d7d8\U0001d400"] + SENTENCES


def tokenizer_of(name):
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    regex = {"llama3": LLAMA3, "qwen2": QWEN2}.get(name)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex is None)
    first = pre_tokenizers.Split(Regex(regex), behavior="isolated", invert=False) if regex else pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([first, level])
    tokenizer.decoder = decoders.ByteLevel()
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    # SmolLM2's vocabulary lacks some bytes, which are then left out.
    alphabet = [] if name == "smollm2" else pre_tokenizers.ByteLevel.alphabet()
    special = SPECIAL[name] if name == "smollm2" else []
    tokenizer.train_from_iterator(SENTENCES * 3 + LETTERS, trainers.BpeTrainer(vocab_size=300 + len(alphabet) // 2, initial_alphabet=alphabet,
                                                                     special_tokens=special, show_progress=False))
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in SPECIAL[name]])
    return tokenizer


def drop_merge(folder):
    """A token of the vocabulary that no merge makes: found whole with ignore_merges, else not."""
    path = os.path.join(folder, "tokenizer.json")
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    merges = content["model"]["merges"]
    merges[:] = [m for m in merges if "".join(m) != "Ġdiabetes"]
    with open(path, "w", encoding="utf-8") as out:
        json.dump(content, out, ensure_ascii=False)


def model_of(name, size):
    torch.manual_seed(len(name))
    shape = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48, vocab_size=size,
                 max_position_embeddings=256, rms_norm_eps=1e-5, initializer_range=0.2, bos_token_id=0, eos_token_id=2)
    if name == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(**shape, rope_theta=1000000.0, tie_word_embeddings=True))
    elif name == "llama3":
        scaling = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 64}
        model = LlamaForCausalLM(LlamaConfig(**shape, head_dim=16, rope_parameters=scaling, tie_word_embeddings=False))
    else:
        model = LlamaForCausalLM(LlamaConfig(**shape, rope_theta=100000.0, tie_word_embeddings=True))
    for key, value in model.named_parameters():
        if key.endswith("bias") or "norm" in key:
            torch.nn.init.normal_(value, mean=float("norm" in key), std=0.2)
    return model.eval()


def config_as_published(name, folder):
    """rope_theta and rope_scaling as the folders of the models have them, not as this version of transformers writes them."""
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope if name == "llama3" else None
    with open(path, "w", encoding="utf-8") as out:
        json.dump(config, out, indent=1)


def write_tsv(folder, name, rows):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as out:
        for row in rows:
            out.write("\t".join(row) + "\n")


def numbers(values):
    return " ".join(str(v) if isinstance(v, int) else f"{v:.7g}" for v in values)


def make(name, dtype):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    tokenizer_of(name).save(os.path.join(folder, "tokenizer.json"))
    drop_merge(folder)
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    ids = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    write_tsv(folder, "bpe.tsv", [(t.encode("utf-8").hex(), numbers(ids(t))) for t in TEXTS])
    model = model_of(name, tokenizer.get_vocab_size() + 3).to(dtype)
    model.save_pretrained(folder, max_shard_size="40KB" if name == "qwen2" else "5GB")
    config_as_published(name, folder)
    os.remove(os.path.join(folder, "generation_config.json"))
    model = type(model).from_pretrained(folder, dtype=torch.float32).eval()  # to() would round the rotary frequencies, too
    logits, greedy = [], []
    for text in (TEXTS[5], SENTENCES[3], SENTENCES[5]):
        given = ids(text)
        with torch.no_grad():
            rows = model(torch.tensor([given])).logits[0]
            made = model.generate(torch.tensor([given]), attention_mask=torch.ones(1, len(given)), max_new_tokens=12, do_sample=False)
        logits.append((numbers(given), *[numbers(rows[at].tolist()) for at in (0, len(given) // 2, len(given) - 1)]))
        greedy.append((numbers(given), numbers(made[0, len(given):].tolist())))
    write_tsv(folder, "logits.tsv", logits)
    write_tsv(folder, "greedy.tsv", greedy)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=HEADERS if name == "llama3" else CHATML)
    chats = []
    for system, user in (("You answer with one letter.", "Which?\nA: x\nB: y"), ("s", " 1  2 ")):
        text = fast.apply_chat_template([{"role": "system", "content": system}, {"role": "user", "content": user}], tokenize=False,
                                        add_generation_prompt=True)
        chats.append((system.encode().hex(), user.encode().hex(), numbers(ids(text))))
    write_tsv(folder, "chat.tsv", chats)


for family, dtype in (("llama3", torch.float32), ("qwen2", torch.bfloat16), ("smollm2", torch.float16)):
    make(family, dtype)
with open(os.path.join(HERE, "VERSIONS"), "w", encoding="utf-8") as out:
    out.write(f"Python {platform.python_version()}, PyTorch {torch.__version__}, transformers {transformers.__version__}, "
              f"tokenizers {tokenizers.__version__}\n")
