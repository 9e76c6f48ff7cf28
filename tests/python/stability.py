"""What inspect says of two tables is what NumPy, and scikit-learn where it is, calculate from both: of other numbers, order, spelling and sizes."""
import json
import os
import random
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)
try:
    from sklearn.metrics import adjusted_rand_score
except ImportError:
    adjusted_rand_score = None

ROOT = os.environ.get("ROOT", os.path.join(os.path.dirname(__file__), "..", ".."))
MEDTOK = os.environ.get("MEDTOK", os.path.join(ROOT, "build", "medtok"))
MPIRUN = os.environ.get("MPIRUN", "mpirun")
GROUPS = ("text_specific", "graph_specific", "shared_text", "shared_graph")
NEAR = 10


def medtok(folder, job, *sets, ranks=None, codes=None):
    files = {"vocabulary": "v.h5", "text": "x.h5", "checkpoint": "c.h5", "table": "t.h5"}
    sets = [f"files.{key}={folder}/{name}" for key, name in files.items()] + ["run.threads=1", *sets]
    if codes:
        sets.append(f"files.codes={codes}")
    command = ([MPIRUN, "-n", str(ranks)] if ranks else []) + [MEDTOK, job, "--config", "configs/quickstart.yaml", "--config", "tests/support/plain.yaml"]
    subprocess.run(command + [a for s in sets for a in ("--set", s)], cwd=ROOT, check=True, capture_output=True)


def make(folder, codes, *sets):
    os.mkdir(folder)
    for job in ("prepare", "encode", "train", "tokenize"):
        medtok(folder, job, "train.batch=128", "train.checkpoint_every=0", *sets, codes=codes)


def rand_index(a, b):
    """By all pairs of codes: how many are together in both, beside what chance would give."""
    upper = numpy.triu_indices(len(a), 1)
    x, y = (a[:, None] == a)[upper].astype(float), (b[:, None] == b)[upper].astype(float)
    chance = x.mean() * y.mean()
    return ((x * y).mean() - chance) / ((x.mean() + y.mean()) / 2 - chance)


def scattered(row):
    """Which of equally near codes comes first: MurmurHash3's finaliser."""
    x = int(row) + 1
    x = ((x ^ x >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    x = ((x ^ x >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return x ^ x >> 16


def near(embedding, rows):
    """Of equally near codes, as those with one vector are, chance says which row of the table counts as nearer."""
    unit = embedding / numpy.linalg.norm(embedding, axis=1, keepdims=True)
    cosine, order = numpy.round(unit @ unit.T, 7), numpy.argsort([scattered(row) for row in rows])
    numpy.fill_diagonal(cosine, -2)
    return order[numpy.argsort(-cosine[:, order], axis=1, kind="stable")[:, :NEAR]]


def bags(tokens, weights, size):
    """[n, size] of norm 1."""
    out = numpy.zeros((len(tokens), size))
    numpy.put_along_axis(out, tokens.astype(int), weights, axis=1)
    return out / numpy.maximum(numpy.linalg.norm(out, axis=1, keepdims=True), 1e-300)


def expected(tables, rows):
    tokens, weights, vectors = ([t[name][:][r] for t, r in zip(tables, rows)] for name in ("tokens", "weights", "embedding"))
    values = {}
    a, b = (near(v.astype(float), r) for v, r in zip(vectors, rows))
    for g, group in enumerate(GROUPS):
        both = (tokens[0][:, g, 0] >= 0) & (tokens[1][:, g, 0] >= 0)
        now, before = (t[both, g] for t in tokens)
        values["kept", group] = numpy.mean([len(numpy.intersect1d(x, y)) / tokens[1].shape[2] for x, y in zip(now, before)]), both.sum()
        values["rand_index", group] = rand_index(now[:, 0], before[:, 0]), both.sum()
        if adjusted_rand_score:
            assert abs(adjusted_rand_score(now[:, 0], before[:, 0]) - values["rand_index", group][0]) < 1e-9, group
        pairs = [(q, c) for q in range(len(both)) for c in set(a[q]) | set(b[q]) if both[q] and both[c]]
        q, c = numpy.array(pairs).T
        overlaps = []
        for t, table in enumerate(tables):
            bag = bags(numpy.maximum(tokens[t][:, g], 0), weights[t][:, g].astype(float) * both[:, None], table["codebook"].shape[0])
            overlaps.append((bag[q] * bag[c]).sum(axis=1))
        values["overlap_correlation", group] = numpy.corrcoef(*overlaps)[0, 1], len(both)
    values["nearest", None] = numpy.mean([len(set(x) & set(y)) / NEAR for x, y in zip(a, b)]), len(a)
    return values


with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(ROOT, "tests/sample/codes.tsv"), encoding="utf-8") as file:
        head, *lines = file.read().splitlines()
    random.Random(0).shuffle(lines)
    mine = lines[40:] + ["HCPCS\tZ9999\tof the second table alone\t"]
    mine = [line.replace("\tE11.9\t", "\te119\t", 1) for line in mine]
    with open(f"{folder}/codes.tsv", "w", encoding="utf-8") as file:
        file.write("\n".join([head, *mine]) + "\n")
    # The first goes on from the second, so to say: the same first values, and some steps more, so that both have much in common.
    make(f"{folder}/a", "tests/sample/codes.tsv", "train.steps=12")
    make(f"{folder}/b", f"{folder}/codes.tsv", "train.steps=9", "quantizer.top_k=4")
    reports = []
    for ranks in (None, 2):
        report = f"{folder}/report{ranks or 1}.json"
        medtok(f"{folder}/a", "inspect", f"inspect.other={folder}/b/t.h5", f"files.report={report}", "inspect.resamples=100", ranks=ranks)
        with open(report, encoding="utf-8") as file:
            reports.append(json.load(file))
    assert reports[0] == reports[1], "the report depends on the number of ranks"
    found = reports[0]["stability"]
    with h5py.File(f"{folder}/a/t.h5") as a, h5py.File(f"{folder}/b/t.h5") as b:
        spelled = lambda t: [(s.decode(), c.decode().replace(".", "").upper()) for s, c in zip(t["system"][:], t["code"][:])]
        second = {name: row for row, name in enumerate(spelled(b))}
        names = [name for name in spelled(a) if name in second]
        assert found["codes"] == len(names) == 670 and found["other_id"] == b.attrs["content_id"].decode().rstrip("\0")
        first = {name: row for row, name in enumerate(spelled(a))}
        values = expected((a, b), ([first[name] for name in names], [second[name] for name in names]))
    for (name, group), (value, n) in values.items():
        got = found[name][group] if group else found[name]
        # Codes that are equally near in float32 and not quite in double precision change a few of 6,700 pairs.
        tolerance = {"kept": 1e-6, "rand_index": 1e-6, "nearest": 5e-4}.get(name, 2e-4)
        assert abs(got["value"] - value) < tolerance and got["n"] == n, (name, group, got, value, n)
        assert got["low"] <= got["value"] <= got["high"], (name, group, got)
    assert 0.05 < values["rand_index", "text_specific"][0] < 0.99, "the two tables have nothing in common, or all"
print("all good" if adjusted_rand_score else "all good, without scikit-learn beside it")
