"""Questions for tests/bench/qa_arms.sh, which runs this: one form for all sets, who learns and who is asked, and the codes they have.

usage: qa_arms.py questions DATA OUT.jsonl             MedMCQA and AfriMedQA as released with MedTok and MedQA's test set, as medtok reads them
       qa_arms.py split DATA LINKED LEARN TEST         of linked questions those to learn from, and those to ask, one set behind the other
       qa_arms.py codes LINKED OUT.tsv CODES...        rows of code tables that the questions' codes are, without their nodes

A stem is the same without case and whatever is neither letter nor digit; of questions with one stem the first stays, so that none is on both sides.
MedMCQA's test questions are those of its published test part (medmcqa_test.jsonl.gz: 2,816 of the 4,183 that were released with MedTok, which are
MedMCQA's validation set); the rest is learned from. Of AfriMedQA, which has no parts, half of the stems are learned from, drawn by a hash of the
stem alone. MedQA is only asked. All are in the order of a hash of the id: the first so many are a sample.
"""
import csv
import gzip
import hashlib
import io
import json
import os
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


def split(data, linked, learn_path, test_path):
    asked = {form(stem) for _, stem, _, _, _ in published(f"{data}/qa/medmcqa_test.jsonl.gz")}
    learn, test = [], {}
    for q in read(linked):
        stem = form(q["stem"])
        is_test = q["set"] == "MedQA" or (stem in asked if q["set"] == "MedMCQA" else draw(stem)[0] % 2 == 0)
        (test.setdefault(q["set"], []) if is_test else learn).append(q)
    parts = {learn_path: shuffled(learn), test_path: [q for rows in test.values() for q in shuffled(rows)]}
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


def main():
    jobs = {"questions": (questions, 2), "split": (split, 4), "codes": (lambda linked, out, *tables: codes(linked, out, tables), 3)}
    if len(sys.argv) < 2 or sys.argv[1] not in jobs or len(sys.argv) - 2 < jobs[sys.argv[1]][1]:
        sys.exit(__doc__)
    jobs[sys.argv[1]][0](*sys.argv[2:])


main()
