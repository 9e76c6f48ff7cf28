"""Questions for tests/bench/qa_arms.sh, which runs this: one form for all sets, who learns and who is asked, and the codes they have.

usage: qa_arms.py questions DATA OUT.jsonl             MedMCQA and AfriMedQA as released with MedTok and MedQA's test set, as medtok reads them
       qa_arms.py split DATA LINKED LEARN TEST         of linked questions those to learn from, and those to ask, one set behind the other
       qa_arms.py codes LINKED OUT.tsv CODES...        rows of code tables that the questions' codes are, without their nodes
       qa_arms.py control TABLE [TEXT]                 sections text and quantizer for a table of text alone that has TABLE's encoder and sizes (h5py)
       qa_arms.py alike FEATURES TABLE [TEXT]          fails if FEATURES are of another encoder than TABLE's TEXT

A stem is the same without case and whatever is neither letter nor digit; of questions with one stem the first stays, so that none is on both sides.
MedMCQA's test questions are those of its published test part (medmcqa_test.jsonl.gz: 2,816 of the 4,183 that were released with MedTok, which are
MedMCQA's validation set); the rest is learned from, without those whose stem has four fifths of its words in common with one that is asked (Jaccard). Of AfriMedQA, which has no parts, half of the stems are learned from, drawn by a hash of the
stem alone. MedQA is only asked. All are in the order of a hash of the id: the first so many are a sample.
"""
import collections
import csv
import gzip
import hashlib
import io
import json
import os
import re
import sys


def form(stem):
    """src/qa/questions.h: letters, digits and bytes beyond ASCII, in lower case."""
    return bytes(c for c in stem.encode("utf-8").lower() if c >= 0x80 or chr(c).isalnum())


def draw(key):
    return hashlib.sha256(b"qa_arms/" + key).digest()


def released(path):
    for i, item in enumerate(json.load(gzip.open(path, "rt", encoding="utf-8"))):
        text, letter = item["input"]
        at = ("\n" + text).rindex("\n A:")
        options, stem = text[at:], text[:at]
        texts = [line.split(":", 1) for line in ("\n" + options).split("\n ")[1:]]
        yield str(i), stem.strip(), [t[1].strip() for t in texts if len(t) == 2], letter, [t[0] for t in texts]


def published(path):
    for i, line in enumerate(gzip.open(path, "rt", encoding="utf-8")):
        item = json.loads(line)
        letters = sorted(item["options"])
        yield str(i), item["question"].strip(), [item["options"][k].strip() for k in letters], item["answer_idx"], letters


def questions(data, out):
    seen, left_out = set(), 0
    with open(out, "w", encoding="utf-8") as file:
        for name, rows in (("MedMCQA", released(f"{data}/qa/medtok/medmcqa_dataset.json.gz")),
                           ("AfriMedQA", released(f"{data}/qa/medtok/Afrimedqa_dataset.json.gz")), ("MedQA", published(f"{data}/qa/medqa_test.jsonl.gz"))):
            n = 0
            for number, stem, options, letter, letters in rows:
                good = letters == [chr(65 + k) for k in range(len(options))] and letter in letters and all(options)
                if not good or not stem or form(stem) in seen:
                    left_out += 1
                    continue
                seen.add(form(stem))
                json.dump({"id": f"{name}/{number}", "set": name, "stem": stem, "options": options, "answer": letter}, file, ensure_ascii=False)
                file.write("\n")
                n += 1
            print(f"{name}: {n} questions")
    print(f"{left_out} left out: a stem that was there before, or options that are not lettered one a line")


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def shuffled(rows):
    return sorted(rows, key=lambda q: draw(q["id"].encode()))


def common(a, b):
    """Whether two sets have four fifths of their union in common."""
    return 5 * len(a & b) >= 4 * len(a | b)


def without_near_copies(learn, test):
    """Of `learn` those without a near copy in `test`. Two such sets share one of their rarest words: of n words the first n - ceil(4n/5) + 1."""
    words = {id(q): frozenset(re.findall(r"\w+", q["stem"].lower())) for q in learn + test}
    count = collections.Counter(word for those in words.values() for word in those)
    having = collections.defaultdict(set)

    def rarest(q):
        those = sorted(words[id(q)], key=lambda word: (count[word], word))
        return those[:len(those) + (-4 * len(those)) // 5 + 1]

    for q in test:
        for word in rarest(q):
            having[word].add(words[id(q)])
    return [q for q in learn if not any(common(words[id(q)], other) for word in rarest(q) for other in having[word])]


def split(data, linked, learn_path, test_path):
    asked = {form(stem) for _, stem, _, _, _ in published(f"{data}/qa/medmcqa_test.jsonl.gz")}
    learn, test = [], {}
    for q in read(linked):
        stem = form(q["stem"])
        is_test = q["set"] == "MedQA" or (stem in asked if q["set"] == "MedMCQA" else draw(stem)[0] % 2 == 0)
        (test.setdefault(q["set"], []) if is_test else learn).append(q)
    kept = without_near_copies(learn, [q for rows in test.values() for q in rows])
    print(f"{len(learn) - len(kept)} not learned from: four fifths of the stem's words are those of one that is asked")
    parts = {learn_path: shuffled(kept), test_path: [q for rows in test.values() for q in shuffled(rows)]}
    assert not {form(q["stem"]) for q in parts[learn_path]} & {form(q["stem"]) for q in parts[test_path]}
    for path, rows in parts.items():
        with open(path + ".new", "w", encoding="utf-8") as file:
            for q in rows:
                json.dump(q, file, ensure_ascii=False)
                file.write("\n")
        os.replace(path + ".new", path)
        sets = sorted({q["set"] for q in rows})
        print(f"{path}:", ", ".join(f"{name} {sum(q['set'] == name for q in rows)} ({sum(q['set'] == name and bool(q['codes']) for q in rows)} with codes)"
                                    for name in sets))


def codes(linked, out, tables):
    wanted = {tuple(code) for q in read(linked) for code in q["codes"]}
    found = {}
    for path in tables:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8", newline="") as file:
            text = io.StringIO(file.read())
        for row in csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE):
            key = (row["system"], row["code"])
            if key in wanted and key not in found:
                found[key] = row["description"]
    with open(out, "w", encoding="utf-8") as file:
        file.write("system\tcode\tdescription\tnodes\n")
        for (system, code), description in sorted(found.items()):
            file.write(f"{system}\t{code}\t{description}\t\n")
    print(f"{len(found)} of the {len(wanted)} codes of the questions have a description")


def made_of(path):
    """Settings that shaped a file of the program, its inputs as (role, path, checksum), and its content id."""
    import h5py
    with h5py.File(path, "r") as file:
        config, inputs, content = (file.attrs[name].decode() for name in ("config", "inputs", "content_id"))
    return dict(line.split(": ", 1) for line in config.splitlines()), [tuple(line.split("\t")) for line in inputs.splitlines()], content


def text_of(table, text):
    """The path of a table's text features: `text`, or where the table says they were."""
    named = [(path, checksum) for role, path, checksum in made_of(table)[1] if role == "text"]
    if not named:
        sys.exit(f"{table} was made without text features (text.mode: online): no table of text alone is like it")
    text = text or named[0][0]
    if not os.path.exists(text):
        sys.exit(f"{text}, the text features of {table}, is not there: name it in TEXT")
    if made_of(text)[2] != named[0][1]:
        sys.exit(f"{table} was made from other text features than {text}: name them in TEXT")
    return text


def encoding_of(text):
    return {key: value for key, value in made_of(text)[0].items() if key.startswith("text.") and key != "text.nodes"}


def control(table, text=None):
    text, settings = text_of(table, text), made_of(table)[0]
    encoding = encoding_of(text)
    for role, path, _ in made_of(text)[1]:
        if role == "model-config":
            encoding["text.model"] = os.environ.get("TEXT_MODEL") or os.path.dirname(path)
    for name, values in (("text", encoding), ("quantizer", {key: settings[key] for key in ("quantizer.size", "quantizer.dim", "quantizer.top_k")})):
        print(f"{name}:")
        for key, value in values.items():
            print(f"  {key.split('.', 1)[1]}: {value}")


def alike(features, table, text=None):
    text = text_of(table, text)
    encoders = [{(role, checksum) for role, _, checksum in made_of(path)[1] if role in ("weights", "wordpieces", "model-config")} for path in (features, text)]
    if encoders[0] != encoders[1] or encoding_of(features) != encoding_of(text):
        sys.exit(f"{features} was made by another text encoder than {text}: name the folder of that one in TEXT_MODEL")


def main():
    jobs = {"questions": (questions, 2), "split": (split, 4), "codes": (lambda linked, out, *tables: codes(linked, out, tables), 3), "control": (control, 1),
            "alike": (alike, 2)}
    if len(sys.argv) < 2 or sys.argv[1] not in jobs or len(sys.argv) - 2 < jobs[sys.argv[1]][1]:
        sys.exit(__doc__)
    jobs[sys.argv[1]][0](*sys.argv[2:])


main()
