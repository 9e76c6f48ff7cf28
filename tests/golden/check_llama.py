"""Compares our language models with Hugging Face's on a real folder, such as smollm2_folder.py makes.

usage: check_llama.py ids FOLDER FILE...     token ids of all texts in FILE: lists of MedTok's questions (.json.gz), lines of JSON (.jsonl.gz)
       check_llama.py logits FOLDER          logits of a few prompts, and a reply
       check_llama.py time FOLDER [TEXTS]    forward tokens a second beside transformers, in turns on one thread (16 texts); PRECISION=bf16: of both
       check_llama.py families FILE...       ids with tokenisers of the three families that are trained on the FILEs

LLAMA_PROBE names the program (default build/tests/llama_probe). Needs tokenizers, and torch and transformers for logits and time.
"""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

PROBE = os.environ.get("LLAMA_PROBE", "build/tests/llama_probe")
PROMPTS = ["<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n", "A 45-year-old man has chest pain and ST elevation. Which drug is given first?\nA:  Aspirin\nB:  Heparin",
           "The quick brown fox", "糖尿病 is Ménière's 😀 disease"]


def texts_of(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [item["input"][0] for item in json.load(file)] if path.endswith(".json.gz") else list(file)


def probe(folder, mode, lines, *more):
    with tempfile.TemporaryFile() as given:
        given.write("".join(line + "\n" for line in lines).encode())
        given.seek(0)
        return subprocess.run([PROBE, folder, mode, *more], stdin=given, stdout=subprocess.PIPE, check=True).stdout


def compare_ids(folder, texts, name):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    wanted = [" ".join(map(str, e.ids)) for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    got = probe(folder, "ids", [t.encode("utf-8").hex() for t in texts]).decode().split("\n")[:-1]
    assert len(got) == len(wanted), f"{len(got)} lines, not {len(wanted)}"
    bad = [i for i, (a, b) in enumerate(zip(got, wanted)) if a != b]
    print(f"{name}: {len(texts)} texts, {sum(w.count(' ') + 1 for w in wanted)} tokens, {len(bad)} texts differ")
    if bad:
        sys.exit(f"first: {texts[bad[0]]!r}\n{got[bad[0]]}\n{wanted[bad[0]]}")


def families(paths):
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    llama3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    texts = [t for path in paths for t in texts_of(path)]
    for name, regex in (("gpt2", None), ("llama3", llama3), ("qwen2", llama3.replace(r"\p{N}{1,3}", r"\p{N}"))):
        tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
        level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex is None)
        tokenizer.pre_tokenizer = level if regex is None else pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(regex), behavior="isolated", invert=False), level])
        if name == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=8000, show_progress=False,
                                                                 initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(os.path.join(folder, "tokenizer.json"))
            compare_ids(folder, texts, name)


def open_model(folder, dtype=None):
    import torch
    import transformers
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or torch.float32).eval()
    return torch, model, transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(folder, "tokenizer.json"))


def logits(folder):
    import numpy as np
    torch, model, tokenizer = open_model(folder)
    prompts = [tokenizer(p, add_special_tokens=False).input_ids for p in PROMPTS]
    lines = [" ".join(map(str, ids)) for ids in prompts]
    got = np.frombuffer(probe(folder, "logits", lines), dtype=np.float32).reshape(-1, model.config.vocab_size)
    exact = open_model(folder, torch.float64)[1]
    worst, theirs, both, at, largest = 0, 0, 0, 0, 0
    for ids in prompts:
        with torch.no_grad():
            single, double = model(torch.tensor([ids])).logits[0].numpy(), exact(torch.tensor([ids])).logits[0].numpy()
        mine = got[at:at + len(ids)]
        worst, theirs = max(worst, float(abs(double - mine).max())), max(theirs, float(abs(double - single).max()))
        both, largest = max(both, float(abs(single - mine).max())), max(largest, float(abs(double).max()))
        at += len(ids)
    print(f"{at} tokens, logits up to {largest:.3g}: ours differ from transformers' in double precision by at most {worst:.2g}, its own in "
          f"single by {theirs:.2g}; ours from those by {both:.2g}")
    with torch.no_grad():
        made = model.generate(torch.tensor(prompts[:1]), attention_mask=torch.ones(1, len(prompts[0])), max_new_tokens=24, do_sample=False)
    wanted = made[0, len(prompts[0]):].tolist()
    got = list(map(int, probe(folder, "say", lines[:1], "24").split()))[:len(wanted)]
    print("reply:", repr(tokenizer.decode(got)), "as transformers" if got == wanted else f"but {tokenizer.decode(wanted)!r}")
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        narrow = "bfloat16" in file.read()  # weights rounded to 8 bits make larger activations: no further off than transformers, by half
    sys.exit(worst > (1.5 * theirs if narrow else 1e-4) or got != wanted)


def times(folder, n):
    import torch
    model = open_model(folder, torch.bfloat16 if os.environ.get("PRECISION") == "bf16" else None)[1]
    import random
    random.seed(1)
    texts = [[random.randrange(100, 40000) for _ in range(random.randrange(80, 240))] for _ in range(n)]
    longest = max(map(len, texts))
    ids = torch.tensor([[0] * (longest - len(t)) + t for t in texts])
    mask = torch.tensor([[0] * (longest - len(t)) + [1] * len(t) for t in texts])
    theirs, ours = [], []
    for _ in range(3):
        with torch.no_grad():
            begin = time.process_time()
            model(ids, attention_mask=mask, logits_to_keep=1)
            theirs.append(time.process_time() - begin)
            begin = time.process_time()
            for text in texts:
                model(torch.tensor([text]), logits_to_keep=1)
            theirs.append(time.process_time() - begin)
        ours.append(float(probe(folder, "time", [" ".join(map(str, t)) for t in texts]).split()[1]))
    tokens = sum(map(len, texts))
    batch, alone, own = min(theirs[::2]), min(theirs[1::2]), min(ours)
    print(f"{n} texts, {tokens} tokens ({longest * n} with padding): ours {tokens / own:.0f} tokens/s, transformers {tokens / batch:.0f} in a padded "
          f"batch, {tokens / alone:.0f} text by text; {min(batch, alone) / own:.2f} times the faster of them")


if __name__ == "__main__":
    mode = sys.argv[1] if len(sys.argv) > 2 else ""
    if mode == "ids":
        for path in sys.argv[3:]:
            compare_ids(sys.argv[2], texts_of(path), os.path.basename(path))
    elif mode == "families":
        families(sys.argv[2:])
    elif mode == "logits":
        logits(sys.argv[2])
    elif mode == "time":
        times(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 16)
    else:
        sys.exit(__doc__)
