"""What inspect and the evaluation in train report is what NumPy calculates from the files, with random numbers of our own Philox."""
import json
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from philox import uniform

ROOT = os.environ.get("ROOT", os.path.join(os.path.dirname(__file__), "..", ".."))
MEDTOK = os.environ.get("MEDTOK", os.path.join(ROOT, "build", "medtok"))
HOLDOUT, RNG_HOLDOUT = 0.4, 0x010


def entropy(picks):
    _, counts = numpy.unique(picks[picks >= 0], return_counts=True)
    p = counts / counts.sum()
    return -(p * numpy.log2(p)).sum()


def usage(picks, region):
    return len(numpy.unique(picks[picks >= 0])) / (region[1] - region[0])


def links(vocabulary, chosen):
    """For each chosen code the set of chosen codes that share a listed node with it, or list one joined to one of its own; and of the
    first alone."""
    offsets, nodes, listed = (vocabulary[k][:] for k in ("node_offsets", "nodes", "n_listed"))
    edge_offsets, source, target = (vocabulary[k][:] for k in ("edge_offsets", "edge_source", "edge_target"))
    own = {i: set(nodes[offsets[i]:offsets[i] + listed[i]].tolist()) for i in chosen}
    everywhere, joined = set().union(*own.values()), {}
    for i in chosen:
        for e in range(edge_offsets[i], edge_offsets[i + 1]):
            if source[e] < listed[i] or target[e] < listed[i]:
                a, b = int(nodes[offsets[i] + source[e]]), int(nodes[offsets[i] + target[e]])
                if a != b and a in everywhere and b in everywhere:
                    joined.setdefault(a, set()).add(b)
                    joined.setdefault(b, set()).add(a)
    degree = {a: len(b) for a, b in joined.items()}
    joined = {a: {x for x in b if degree[x] <= 64} for a, b in joined.items() if degree[a] <= 64}
    codes = {}
    for i in chosen:
        for node in own[i]:
            codes.setdefault(node, set()).add(i)
    codes = {node: found for node, found in codes.items() if len(found) <= 256}
    reach = {i: own[i].union(*(joined.get(node, set()) for node in own[i])) for i in chosen}
    everything = {i: set().union(*(codes.get(node, set()) for node in reach[i])) - {i} for i in chosen}
    return everything, {i: set().union(*(codes.get(node, set()) for node in own[i])) - {i} for i in chosen}


def recall(vocabulary, embedding, chosen):
    graph = [i for i in chosen if vocabulary["node_offsets"][i + 1] > vocabulary["node_offsets"][i]]
    unit = embedding[graph] / numpy.linalg.norm(embedding[graph], axis=1, keepdims=True)
    cosine, (everything, same_node) = unit @ unit.T, links(vocabulary, graph)
    numpy.fill_diagonal(cosine, -2)
    nearest = {code: {graph[j] for j in numpy.argsort(-cosine[row], kind="stable")[:50]} for row, code in enumerate(graph)}
    edge = {code: everything[code] - same_node[code] for code in graph}
    values = {}
    for name, linked in (("neighbour", everything), ("same_node", same_node), ("edge", edge)):
        most = {code: min(50, len(linked[code])) for code in graph if linked[code]}
        values[name + "_recall"] = numpy.mean([len(nearest[code] & linked[code]) / most[code] for code in most])
        values[name + "_chance"] = numpy.mean([50 * len(linked[code]) / (len(graph) - 1) / most[code] for code in most])
        values[name + "_n"] = len(most)
    return values


def expected(table, vocabulary, chosen):
    tokens, region = table["tokens"][:][chosen], table["region"][:]
    values = {"usage_text": usage(tokens[:, 0], region[0]), "usage_graph": usage(tokens[:, 1], region[1]),
              "usage_shared": usage(tokens[:, 2:], region[2]), "perplexity_shared": 2 ** entropy(tokens[:, 2:]),
              "perplexity_graph": 2 ** entropy(tokens[:, 1])}
    for group, name in enumerate(("text_specific", "graph_specific", "shared_text", "shared_graph")):
        values["entropy_" + name] = entropy(tokens[:, group])
    _, inverse, counts = numpy.unique(numpy.sort(tokens, axis=2).reshape(len(chosen), -1), axis=0, return_inverse=True,
                                      return_counts=True)
    values["duplicates"] = (counts[inverse.ravel()] > 1).mean()
    values["distinct_sets"] = len(counts)
    both = [(set(t[2]), set(t[3])) for t in tokens if t[2, 0] >= 0 and t[3, 0] >= 0]
    values["cross_modal_own"] = numpy.mean([len(a & b) / len(a | b) for a, b in both])
    return values | recall(vocabulary, table["embedding"][:], chosen)


def compare(measures, values, tolerance):
    for kind in ("neighbour", "same_node", "edge"):
        assert measures[kind + "_recall"]["n"] == values.pop(kind + "_n") > 0
    for name, value in values.items():
        found = measures[name]
        assert abs(found["value"] - value) <= tolerance * abs(value), (name, found, value)
        assert found["low"] <= found["value"] + 1e-9 and found["value"] <= found["high"] + 1e-9, (name, found)


with tempfile.TemporaryDirectory() as folder:
    paths = {name: os.path.join(folder, name + ".h5") for name in ("vocabulary", "text", "checkpoint", "table")}
    sets = [part for name, path in paths.items() for part in ("--set", f"files.{name}={path}")]
    for setting in (f"train.holdout={HOLDOUT}", "train.eval_every=20", "train.steps=20", "inspect.resamples=50"):
        sets += ["--set", setting]
    for job in ("prepare", "encode", "train", "tokenize", "inspect"):
        subprocess.run([MEDTOK, job, "--config", "configs/quickstart.yaml", "--config", "tests/support/plain.yaml"] + sets, check=True, cwd=ROOT,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(folder, "table.quality.json"), encoding="utf-8") as report:
        whole = json.load(report)["measures"]
    with open(os.path.join(folder, "checkpoint.jsonl"), encoding="utf-8") as lines:
        held_out = [line for line in map(json.loads, lines) if "eval_step" in line]
    assert len(held_out) == 1
    with h5py.File(paths["table"]) as table, h5py.File(paths["vocabulary"]) as vocabulary:
        n = len(table["code"])
        # The report has nine digits; of near-equal cosines another may come 50th by float32 rounding.
        compare(whole, expected(table, vocabulary, list(range(n))), 1e-3)
        # A batch of other size rounds otherwise, so a token or two of some thousands may differ from the table's.
        chosen = [i for i in range(n) if uniform(0, RNG_HOLDOUT, 0, i) < HOLDOUT]
        assert held_out[0]["entropy_text_specific"]["n"] == len(chosen)
        compare(held_out[0], expected(table, vocabulary, chosen), 5e-3)
print("all good")
