"""Our text encoder against Hugging Face's libraries on real descriptions: every token id of a whole code table, and the last hidden
states of some texts with a real model and with a random BERT-base, in fp32 and bf16.

usage: check_text.py MODEL_FOLDER CODES.tsv.gz [N_TEXTS=1000]   (needs torch, transformers, tokenizers, safetensors, h5py)
MEDTOK names the program (default build/medtok), with tests/wordpiece_ids beside it.
"""
import csv
import gzip
import os
import subprocess
import sys
import tempfile

import h5py
import numpy
import torch
import transformers
from tokenizers import Tokenizer

csv.field_size_limit(1 << 30)
folder, table = sys.argv[1], sys.argv[2]
n_texts = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MEDTOK = os.environ.get("MEDTOK", os.path.join(ROOT, "build", "medtok"))
IDS = os.path.join(os.path.dirname(MEDTOK), "tests", "wordpiece_ids")
failed = False


def check(good, line):
    global failed
    failed |= not good
    print(("" if good else "FAILED: ") + line, flush=True)


with gzip.open(table, "rt", encoding="utf-8", newline="") as lines:
    texts = [row["description"] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
tokenizer.no_padding()
tokenizer.enable_truncation(512)
ours = subprocess.run([IDS, folder, "512"], input="".join(t + "\n" for t in texts).encode("utf-8"), stdout=subprocess.PIPE, check=True)
ours = [list(map(int, line.split())) for line in ours.stdout.decode().splitlines()]
theirs = [e.ids for e in tokenizer.encode_batch(texts)]
wrong = [i for i in range(len(texts)) if i >= len(ours) or ours[i] != theirs[i]]
check(len(ours) == len(theirs) and not wrong,
      f"WordPiece: {len(texts) - len(wrong)} of {len(texts)} descriptions have the ids of tokenizers ({sum(map(len, theirs))} ids)")
for i in wrong[:5]:
    print(repr(texts[i]), ours[i] if i < len(ours) else None, theirs[i])

step = max(1, len(texts) // n_texts)
sample = texts[::step][:n_texts]


def compare(name, path, model):
    with tempfile.TemporaryDirectory() as scratch:
        with open(scratch + "/codes.tsv", "w", encoding="utf-8") as out:
            out.write("system\tcode\tdescription\tnodes\n" + "".join(f"X\t{i}\t{t or i}\t\n" for i, t in enumerate(sample)))
        subprocess.run([MEDTOK, "prepare", "--set", f"files.codes={scratch}/codes.tsv", "--set", f"files.graph={ROOT}/tests/sample/kg.csv",
                        "--set", f"files.vocabulary={scratch}/v.h5"], check=True, stderr=subprocess.DEVNULL)
        for compute in ("fp32", "bf16"):
            run = subprocess.run([MEDTOK, "encode", "--set", f"files.vocabulary={scratch}/v.h5", "--set", f"files.text={scratch}/t.h5", "--set",
                                  "text.encoder=bert", "--set", "text.model=" + path, "--set", "text.precision=fp32", "--set",
                                  "text.compute=" + compute], stderr=subprocess.PIPE, text=True)
            if compute == "bf16" and "bf16" in run.stderr and run.returncode:
                print(f"{name}, bf16: skipped: " + run.stderr.splitlines()[-1])
                continue
            assert run.returncode == 0, run.stderr
            with h5py.File(scratch + "/t.h5") as file:
                offsets, row, features = file["token_offsets"][:], file["token_row"][:], file["features"][:]
            worst, cosine = 0, 1
            for i, text in enumerate(sample):
                with torch.inference_mode():
                    wanted = model(input_ids=torch.tensor([tokenizer.encode(text or str(i)).ids])).last_hidden_state[0].numpy()
                found = features[row[offsets[i]:offsets[i + 1]]]
                worst = max(worst, numpy.abs(found - wanted).max())
                cosine = min(cosine, ((found * wanted).sum(1) / numpy.linalg.norm(found, axis=1) / numpy.linalg.norm(wanted, axis=1)).min())
            good = worst <= 2e-5 if compute == "fp32" else cosine >= 0.999
            check(good, f"{name}, {compute}, {len(sample)} descriptions: largest difference {worst:.2g}, smallest cosine of a token {cosine:.6f}")


compare(os.path.basename(os.path.normpath(folder)), folder, transformers.AutoModel.from_pretrained(folder).eval())
with tempfile.TemporaryDirectory() as base:
    torch.manual_seed(7)
    random = transformers.BertModel(transformers.BertConfig(vocab_size=tokenizer.get_vocab_size()), add_pooling_layer=False).eval()
    random.save_pretrained(base)
    tokenizer.save(base + "/tokenizer.json")
    compare("random BERT-base", base, random)
sys.exit(failed)
