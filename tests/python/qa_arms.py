"""tests/bench/qa_arms.py: no question that is learned from is nearly one that is asked, as all pairs compared say; and the table of text alone has the
encoder and sizes of the table that it is a control of, or is refused."""
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed for {sys.executable}")
    sys.exit(77)

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "qa_arms.py")
draw = random.Random(3)


def run(*arguments, code=0):
    done = subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True)
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


def words(stem):
    return set(re.findall(r"\w+", stem.lower()))


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    # ---- near copies: stems of 1 to 14 words of 40, of which a third are changed in a word or two ----
    stems = [" ".join(draw.choices([f"w{i}" for i in range(40)], k=draw.randrange(1, 15))) for _ in range(200)]
    stems += [" ".join([*stem.split()[draw.randrange(3):], draw.choice(["Other", "W3"])]) for stem in stems[:100]]
    stems = list(dict.fromkeys(stems))
    draw.shuffle(stems)
    asked = stems[:len(stems) // 2]
    os.mkdir("qa")
    with gzip.open("qa/medmcqa_test.jsonl.gz", "wt") as out:
        for stem in asked:
            out.write(json.dumps({"question": stem, "options": {"A": "x", "B": "y"}, "answer_idx": "A"}) + "\n")
    with open("linked.jsonl", "w", encoding="utf-8") as out:
        for i, stem in enumerate(stems):
            out.write(json.dumps({"id": str(i), "set": "MedMCQA", "stem": stem, "codes": []}) + "\n")
    run("split", ".", "linked.jsonl", "learn.jsonl", "test.jsonl")
    learned, tested = ({json.loads(line)["stem"] for line in open(path, encoding="utf-8")} for path in ("learn.jsonl", "test.jsonl"))
    near = {a for a in stems[len(asked):] if any(len(words(a) & words(b)) >= 0.8 * len(words(a) | words(b)) for b in asked)}
    assert tested == set(asked) and len(near) >= 10, len(near)
    assert learned == set(stems) - tested - near, learned ^ (set(stems) - tested - near)

    # ---- the control's settings ----
    def made(path, config, inputs, content):
        with h5py.File(path, "w") as file:
            file.attrs.update({"config": np.bytes_(config), "inputs": np.bytes_(inputs), "content_id": np.bytes_(content)})

    made("text.h5", "text.encoder: bert\ntext.pool: mean\n", "vocabulary\tv.h5\t0\nweights\tfolder/model.safetensors\t1\nmodel-config\tfolder/config.json\t2\n", "abc")
    made("table.h5", "quantizer.size: 2100\nquantizer.dim: 32\nquantizer.top_k: 4\n", "text\ttext.h5\tabc\n", "t")
    made("online.h5", "text.mode: online\n", "", "t")
    text = run("control", "table.h5")
    assert text == "text:\n  encoder: bert\n  pool: mean\n  model: folder\nquantizer:\n  size: 2100\n  dim: 32\n  top_k: 4\n", text
    for name, inputs, code in (("same", "weights\tmoved/model.safetensors\t1\nmodel-config\tmoved/config.json\t2\n", 0), ("else", "weights\tf\t5\n", 1)):
        made(f"{name}.h5", "text.encoder: bert\ntext.pool: mean\n", inputs, name)
        assert ("another text encoder" in run("alike", f"{name}.h5", "table.h5", code=code)) == code
    made("other.h5", "text.encoder: hashed-ngrams\n", "", "xyz")
    assert "was made from other text features than other.h5" in run("control", "table.h5", "other.h5", code=1)
    assert "is not there: name it in TEXT" in run("control", "table.h5", "nowhere.h5", code=1)
    assert "was made without text features" in run("control", "online.h5", code=1)
    os.chdir("/")
print("all good")
