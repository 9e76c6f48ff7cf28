"""What qa-link is worth on the released question sets: do stems that share a disease share a code, and are the links right?

  qa_link.py share  QUESTIONS LINKS              the share of pairs that share a code, beside the released codes
  qa_link.py sample SET QUESTIONS LINKS...       the links of the sample that have no verdict yet, to be judged by reading them
  qa_link.py judge  SET QUESTIONS LINKS          precision of the links that have one (qa_link_verdicts.tsv)

QUESTIONS: as released with MedTok (.json.gz); LINKS: link.links of qa-link for it; SET: medmcqa or afrimedqa.

A disease word has four letters or more and an ending of diseases (ENDINGS), or is in no more than 60 stems; words of questions (diagnosis,
prognosis, syndrome, disease) aside. The specification gives no list of disease words; with these endings pairs with released codes share one
as often as it says.

The sample: of each set the stems 101 to 200 that have a code, in the order of sha256("17 SET ITEM STEM"), which was fixed before any was
looked at (the first 100 were judged with an earlier linker, and what they showed was mended). A verdict is on a span and a code: right, if the code means what the span says there, or the heading that it falls under; wrong if
it means something else, or something narrower. The file has the first 16 digits of the sha256 of the stem, not the stem.
"""
import collections
import csv
import gzip
import hashlib
import itertools
import json
import pathlib
import random
import re
import sys

VERDICTS = pathlib.Path(__file__).with_name("qa_link_verdicts.tsv")
ENDINGS = re.compile(r".+(itis|osis|oma|omas|emia|aemia|pathy|plegia|algia|uria|penia|rrhea|rrhoea|trophy|sclerosis|iasis|ectasis"
                     r"|syndrome|disease)$")
NO_DISEASE = {"syndrome", "disease", "diagnosis", "prognosis"}
NO_CODE, MOST_STEMS, RANDOM_PAIRS, FIRST, OF_EACH_SET = 617490, 60, 200000, 100, 100


def read_questions(path):
    """Stem and released codes of each item."""
    out = []
    for item in json.load(gzip.open(path)):
        text = item["input"][0]
        out.append((text[:text.rindex("\n A:")].strip(), {c for c in item["medical_codes"] if c != NO_CODE}))
    return out


def read_links(path):
    return [json.loads(line) for line in open(path)]


# ---- pairs ----
def disease_pairs(stems):
    stems_of = collections.defaultdict(list)
    for i, stem in enumerate(stems):
        for word in set(re.findall("[a-z]{4,}", stem.lower())):
            if ENDINGS.match(word) and word not in NO_DISEASE:
                stems_of[word].append(i)
    pairs = set()
    for members in stems_of.values():
        if len(members) <= MOST_STEMS:
            pairs.update(itertools.combinations(members, 2))
    return sorted(pairs)


def random_pairs(items):
    draw = random.Random(17)
    pairs = ((draw.choice(items), draw.choice(items)) for _ in range(RANDOM_PAIRS))
    return [p for p in pairs if p[0] != p[1]]


def sharing(pairs, codes):
    return sum(bool(codes[a] & codes[b]) for a, b in pairs) / max(1, len(pairs))


def share(questions, links):
    stems, released = zip(*read_questions(questions))
    own = [set(x["rows"]) for x in read_links(links)]
    pairs = disease_pairs(stems)
    print("stems %d; with a code: released %d, qa-link %d" % (len(stems), sum(map(bool, released)), sum(map(bool, own))))
    for name, kept in [("all pairs", pairs), ("both stems have released codes", [p for p in pairs if released[p[0]] and released[p[1]]]),
                       ("both stems have codes of qa-link", [p for p in pairs if own[p[0]] and own[p[1]]])]:
        print("%-34s %5d pairs: released %.3f, qa-link %.3f" % (name, len(kept), sharing(kept, released), sharing(kept, own)))
    for name, codes in [("released", released), ("qa-link", own)]:
        kept = random_pairs([i for i in range(len(stems)) if codes[i]])
        print("random pairs of stems with codes, %s: %.4f" % (name, sharing(kept, codes)))


# ---- the sample ----
def digest(stem):
    return hashlib.sha256(stem.encode()).hexdigest()[:16]


def sample(name, questions, links):
    """Items of the sample, in its order."""
    stems = [stem for stem, _ in read_questions(questions)]
    order = sorted(range(len(stems)), key=lambda i: hashlib.sha256(("17 %s %d %s" % (name, i, stems[i])).encode()).hexdigest())
    return stems, [i for i in order if links[i]["rows"]][FIRST:FIRST + OF_EACH_SET]


def pairs_of(stem, item):
    for span in item["spans"]:
        if not span["negated"]:
            for code in span["codes"]:
                yield (digest(stem), str(span["begin"]), str(span["end"]), code["system"], code["code"])


def read_verdicts():
    if not VERDICTS.exists():
        return {}
    return {tuple(row[:5]): row[5] for row in list(csv.reader(open(VERDICTS), delimiter="\t"))[1:]}


def to_judge(name, questions, paths):
    verdicts = read_verdicts()
    for path in paths:
        links = read_links(path)
        stems, chosen = sample(name, questions, links)
        for i in chosen:
            new = [p for p in pairs_of(stems[i], links[i]) if p not in verdicts]
            if new:
                print(stems[i].replace("\n", " "))
            for pair in new:
                verdicts[pair] = ""
                print("  %s [%s]" % ("\t".join(pair), stems[i].encode()[int(pair[1]):int(pair[2])].decode()))


def judge(name, questions, path):
    links, verdicts = read_links(path), read_verdicts()
    stems, chosen = sample(name, questions, links)
    right, all_pairs, missing, clean = 0, 0, 0, 0
    for i in chosen:
        found = [verdicts.get(p) for p in pairs_of(stems[i], links[i])]
        missing += found.count(None)
        right += found.count("right")
        all_pairs += len(found)
        clean += all(v == "right" for v in found)
    z, n = 1.959964, max(1, all_pairs)
    centre, half = right / n + z * z / (2 * n), z * (right / n * (1 - right / n) / n + z * z / (4 * n * n)) ** 0.5
    print("%s: %d stems, %d links, %d right: precision %.3f, Wilson 95 %% %.3f to %.3f; %d stems without a wrong link; %d not judged" % (
        name, len(chosen), all_pairs, right, right / n, (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n), clean, missing))


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "share":
        share(*sys.argv[2:])
    elif len(sys.argv) >= 5 and sys.argv[1] == "sample":
        to_judge(sys.argv[2], sys.argv[3], sys.argv[4:])
    elif len(sys.argv) == 5 and sys.argv[1] == "judge":
        judge(*sys.argv[2:])
    else:
        sys.exit(__doc__)
