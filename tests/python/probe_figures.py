"""What probe reports of a table is what NumPy, SciPy and scikit-learn calculate from the files: ranks of equivalents, votes of neighbours,
linear maps, distances in the hierarchy, tokens as bags, text."""
import csv
import json
import math
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy
    from scipy.stats import spearmanr
    from sklearn.linear_model import LogisticRegression
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from philox import uniform

ROOT = os.environ.get("ROOT", os.path.join(os.path.dirname(__file__), "..", ".."))
MEDTOK = os.environ.get("MEDTOK", os.path.join(ROOT, "build", "medtok"))
TIE, NEIGHBOURS = 2e-6, 5
RNG_PROBE_FOLD = 0x0A8


def unit(rows):
    norm = numpy.linalg.norm(rows, axis=1, keepdims=True)
    return numpy.divide(rows, norm, out=numpy.zeros_like(rows), where=norm > 0)


def expected_rank(above, tied, right):
    """Hit at 1, hit at 10 and the mean of 1 / rank over all orders of `right` marked items among tied + right."""
    everything = tied + right
    missed = lambda places: math.comb(tied, places) / math.comb(everything, places) if places <= everything else 0
    hits = [1 - missed(k - above) if k > above else 0 for k in (1, 10)]
    return hits + [sum((missed(i - 1) - missed(i)) / (above + i) for i in range(1, tied + 2))]


def rank_figures(likeness, pairs, candidates, exists):
    values = []
    for query, targets in pairs.items():
        row = likeness[query]
        found = [t for t in targets if exists(query, t)]
        if not found:
            values.append([0, 0, 0])
            continue
        best = max(row[t] for t in found)
        others = [row[c] for c in candidates if c != query and c not in targets and exists(query, c)]
        above = sum(x > best + TIE for x in others)
        tied = sum(abs(x - best) <= TIE for x in others)
        values.append(expected_rank(above, tied, sum(row[t] >= best - TIE for t in found)))
    return dict(zip(("hit at 1", "hit at 10", "MRR"), numpy.mean(values, axis=0)))


def scattered(code):
    """Which of equally near codes comes first: MurmurHash3's finaliser."""
    x = code + 1
    x = ((x ^ x >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    x = ((x ^ x >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return x ^ x >> 16


def nearest_figure(likeness, classes, categories, exists):
    right, order = [], {c: scattered(c) for c in classes}
    for query, own in classes.items():
        others = [c for c in classes if categories[c] != categories[query] and exists(query, c)]
        others.sort(key=lambda c: (-round(likeness[query][c], 6), order[c]))
        votes = [classes[c] for c in others[:NEIGHBOURS]]
        right.append(bool(votes) and max(votes, key=lambda v: (votes.count(v), -votes.index(v))) == own)
    return numpy.mean(right)


def bags(tokens, weights, most, size):
    rows = numpy.zeros((len(tokens), size))
    for i in range(len(tokens)):
        taken = 0
        for k in range(tokens.shape[2]):
            for group in range(4):
                if tokens[i, group, k] >= 0 and taken < most:
                    rows[i, tokens[i, group, k]] += weights[i, group, k]
                    taken += 1
    return unit(rows)


def linear_figure(rows, is_sparse, classes, category_number):
    """Of logistic regressions whose strength is the best on a fifth of the categories that they learn from."""
    held = {c for c in classes if uniform(0, RNG_PROBE_FOLD, 0, category_number[c]) < 0.25}
    learned = [c for c in classes if c not in held]
    asked = [c for c in classes if c in held and classes[c] in {classes[i] for i in learned}]
    rows = rows if is_sparse else rows - rows[learned].mean(axis=0)
    labels = lambda codes: [classes[c] for c in codes]
    fit = lambda codes, strength: LogisticRegression(C=strength, tol=1e-5, max_iter=1000).fit(rows[codes], labels(codes))
    kept = [c for c in learned if uniform(0, RNG_PROBE_FOLD + 1, 0, category_number[c]) < 0.2]
    fitted = [c for c in learned if c not in kept]
    strength = max((1, 10, 100), key=lambda s: (fit(fitted, s).score(rows[kept], labels(kept)), -s))
    return fit(learned, strength).score(rows[asked], labels(asked)), len(held), len(learned), len(asked)


def path_of(system, code):
    """A code and what stands above it, from below the system down."""
    form = code.replace(".", "")
    lengths = {"ICD9CM": range(4 if form[0] == "E" else 3, 8), "ICD9PROC": range(2, 8), "ICD10PCS": (1, 3, 6, 7)}[system]
    return [form[:n] for n in lengths if n < len(form)] + [form]


def distance_figure(likeness, paths):
    """Spearman's correlation over all pairs of a system; how many there are."""
    distances, values = [], []
    for a in paths:
        for b in paths:
            if a < b and not math.isnan(likeness(a, b)):
                shared = next(i for i in range(99) if paths[a][i:i + 1] != paths[b][i:i + 1] or i >= len(paths[a]))
                distances.append(len(paths[a]) + len(paths[b]) - 2 * shared)
                values.append(likeness(a, b))
    return spearmanr(values, distances).statistic, len(paths) * (len(paths) - 1) // 2


def overlap(bags, a, b):
    x, y = bags[a] / max(bags[a].sum(), 1e-30), bags[b] / max(bags[b].sum(), 1e-30)
    return numpy.minimum(x, y).sum() / numpy.maximum(x, y).sum() if bags[a].any() and bags[b].any() else math.nan


def text_means(path):
    with h5py.File(path) as text:
        offsets, row, features = text["token_offsets"][:], text["token_row"][:], text["features"][:].astype(numpy.float64)
    return numpy.array([features[row[a:b]].mean(axis=0) for a, b in zip(offsets[:-1], offsets[1:])])


def check(name, found, wanted, n):
    """Float32 may turn a near tie of one code of n."""
    assert abs(found["value"] - wanted) <= 1.01 / n, (name, found, wanted)
    assert found["low"] <= found["value"] + 1e-9 and found["value"] <= found["high"] + 1e-9, (name, found)


def prepare_files(folder, codes):
    """A map from ICD-9-CM to ICD-10-CM codes with the same node, of which some have several equivalents; and chapters."""
    by_node = {}
    for number, row in enumerate(codes):
        if row["system"] == "ICD10CM" and row["nodes"]:
            by_node.setdefault(row["nodes"].split(";")[0], []).append(number)
    pairs = {i: by_node[row["nodes"].split(";")[0]][:3] for i, row in enumerate(codes)
             if row["system"] == "ICD9CM" and row["nodes"].split(";")[0] in by_node}
    with open(os.path.join(folder, "map.csv"), "w", encoding="utf-8") as out:
        out.write("icd_9,icd_10,flags\n")
        for query, targets in pairs.items():
            for choice, target in enumerate(targets):  # the second and third stand in one choice list: only `choices` take both
                flags = "00000" if len(targets) == 1 else f"1011{min(choice, 1)}"
                out.write(f"{codes[query]['code'].replace('.', '')},{codes[target]['code'].replace('.', '')},{flags}\n")
    with open(os.path.join(folder, "chapters.tsv"), "w", encoding="utf-8") as out:
        out.write("chapter_num\tcode_start\tcode_end\n")
        for number, (first, last) in enumerate((("A00", "D49"), ("D50", "E89"), ("F01", "G99"), ("H00", "I99"), ("J00", "Z99"))):
            out.write(f"{number}\t{first}\t{last}\n")
    return pairs


def chapter(code):
    return next(i for i, last in enumerate(("D49", "E89", "G99", "I99", "Z99")) if code[:3] <= last)


with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(ROOT, "tests/sample/codes.tsv"), encoding="utf-8") as file:
        codes = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    pairs = prepare_files(folder, codes)
    paths = {name: os.path.join(folder, name + ".h5") for name in ("vocabulary", "text", "checkpoint", "table")}
    sets = [part for name, path in paths.items() for part in ("--set", f"files.{name}={path}")]
    for setting in ("train.steps=20", "probe.resamples=20", "probe.pairs=10000", "quantizer.size=300", "quantizer.dim=12", "graph.hidden=16", "text.dim=64",
                    f"probe.maps={folder}/map.csv", f"probe.classes={folder}/chapters.tsv", f"probe.report={folder}/probe.json"):
        sets += ["--set", setting]
    for job in ("prepare", "encode", "train", "tokenize", "probe"):
        subprocess.run([MEDTOK, job, "--config", "configs/quickstart.yaml", "--config", "tests/support/plain.yaml"] + sets, check=True, cwd=ROOT,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(folder, "probe.json"), encoding="utf-8") as report:
        probes = json.load(report)["probes"]
    with h5py.File(paths["table"]) as table:
        tokens, weights, embedding = table["tokens"][:], table["weights"][:], table["embedding"][:].astype(numpy.float64)
        size, dim = table["codebook"].shape
    text = unit(text_means(paths["text"]))

    map_probe, chapters = probes["ICD9CM to ICD10CM"], probes["ICD10CM"]
    assert map_probe["queries"] == len(pairs) and any(len(targets) == 3 for targets in pairs.values())
    candidates = [i for i, row in enumerate(codes) if row["system"] == "ICD10CM"]
    classes = {i: chapter(codes[i]["code"]) for i in candidates}
    categories = {i: codes[i]["code"][:3] for i in candidates}
    assert chapters["queries"] == len(candidates)
    asked = [i for i, row in enumerate(codes) if row["system"] in ("ICD9CM", "ICD9PROC", "ICD10CM", "ICD10PCS", "ATC")]
    centred = text - text[asked].mean(axis=0)
    values, vectors = numpy.linalg.eigh(centred[asked].T @ centred[asked])
    rows = {"embedding": unit(embedding), "embedding, graph-specific": unit(embedding[:, dim:2 * dim]),
            "tokens": bags(tokens, weights, 1000, size), "frozen text, mean of its tokens": text,
            "frozen text, principal components": unit(centred @ vectors[:, ::-1][:, :4 * dim])}
    for name, vectors in rows.items():
        likeness, there = (vectors @ vectors.T).tolist(), vectors.any(axis=1).tolist()
        # a bag finds what it shares an item with, a vector all that are vectors
        exists = (lambda a, b: likeness[a][b] > 0) if name == "tokens" else (lambda a, b: there[a] and there[b])
        for metric, value in rank_figures(likeness, pairs, candidates, exists).items():
            check((name, metric), map_probe["figures"][name][metric], value, len(pairs))
        check((name, "chapter"), chapters["figures"][name]["nearest, chapter"],
              nearest_figure(likeness, classes, categories, exists), len(candidates))
    numbers, category_number = {}, {}
    for i, row in enumerate(codes):
        form = row["code"].replace(".", "")
        front = {"ICD9CM": 4 if form[0] == "E" else 3, "ICD10CM": 3, "ICD9PROC": 2, "ICD10PCS": 3, "ATC": 5}.get(row["system"], 99)
        key = (row["system"], form[:front] if len(form) >= front else form, len(form) >= front)
        category_number[i] = numbers.setdefault(key, len(numbers))
    linear = probes["ICD10CM, linear map"]
    for name, vectors in rows.items():
        wanted, held, learned, asked = linear_figure(vectors, name == "tokens", classes, category_number)
        assert (linear["queries"], linear["learned_from"]) == (held, learned), (linear["queries"], held, learned)
        check((name, "linear"), linear["figures"][name]["linear, chapter"], wanted, asked)
    for system in ("ICD9CM", "ICD9PROC", "ICD10PCS"):
        paths = {i: path_of(system, row["code"]) for i, row in enumerate(codes) if row["system"] == system}
        for name, vectors in rows.items():
            likeness = lambda a, b: overlap(vectors, a, b) if name == "tokens" else (
                vectors[a] @ vectors[b] if vectors[a].any() and vectors[b].any() else math.nan)
            wanted, n = distance_figure(likeness, paths)
            found = probes[f"{system}, hierarchy"]
            assert found["pairs"] == n, (system, found["pairs"], n)
            value = found["figures"][name]["distance, Spearman"]["value"]
            assert (value is None and math.isnan(wanted)) or abs(value - wanted) < 1e-3, (system, name, value, wanted)
    for most in (1, 5):
        first = bags(tokens, weights, most, size)
        likeness = (first @ first.T).tolist()
        figures = rank_figures(likeness, pairs, candidates, lambda a, b: likeness[a][b] > 0)
        for metric, value in figures.items():
            assert map_probe["curve"][metric][most - 1]["tokens"] == most
            check((most, metric), map_probe["curve"][metric][most - 1], value, len(pairs))
    assert map_probe["seen"]["MRR"] == 1  # all pairs share a node
    assert 0 < chapters["seen"]["nearest, chapter"] < 1
    difference = map_probe["differences"]["embedding - frozen text, mean of its tokens"]["MRR"]["value"]
    figures = map_probe["figures"]
    assert abs(difference - figures["embedding"]["MRR"]["value"] + figures["frozen text, mean of its tokens"]["MRR"]["value"]) < 1e-8
print("all good")
