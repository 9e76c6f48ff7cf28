"""train --from: on a vocabulary that grew, over a graph whose nodes have other numbers, codes keep their tokens; a checkpoint that does not fit
is one error."""
import csv
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

ROOT = os.environ.get("ROOT", os.path.join(os.path.dirname(__file__), "..", ".."))
MEDTOK = os.environ.get("MEDTOK", os.path.join(ROOT, "build", "medtok"))
MPIRUN = os.environ.get("MPIRUN", "mpirun")
SMALL = ["text.dim=64", "quantizer.size=300", "quantizer.dim=32", "train.batch=64", "train.checkpoint_every=0", "run.threads=1"]


def command(job, files, *sets, ranks=None, defaults=False):
    sets = [f"files.{key}={value}" for key, value in files.items()] + SMALL + list(sets)
    plain = [] if defaults else ["--config", "tests/support/plain.yaml"]
    return ([MPIRUN, "-n", str(ranks)] if ranks else []) + [MEDTOK, job, "--config", "configs/quickstart.yaml"] + plain + ["--set"] + sets


def medtok(job, files, *sets, ranks=None, defaults=False):
    done = subprocess.run(command(job, files, *sets, ranks=ranks, defaults=defaults), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def refused(pattern, files, *sets, ranks=None):
    done = subprocess.run(command("train", files, *sets, ranks=ranks), cwd=ROOT, capture_output=True, text=True)
    errors = [line for line in done.stderr.splitlines() if "error: " in line]
    assert done.returncode in (1, 2) and len(errors) == 1 and all(p in errors[0] for p in pattern), (pattern, done.stderr)


def renumbered(folder):
    """The sample's tables: 600 of the codes; and all codes, over a graph with other node numbers, new nodes and edges among them."""
    with open(os.path.join(ROOT, "tests/sample/codes.tsv"), encoding="utf-8") as file:
        codes = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    with open(os.path.join(ROOT, "tests/sample/kg.csv"), encoding="utf-8") as file:
        graph = list(csv.reader(file))
    x, y = graph[0].index("x_index"), graph[0].index("y_index")
    n = 1 + max(int(row[c]) for row in graph[1:] for c in (x, y))
    number = random.Random(1).sample(range(n + 5), n)
    free = sorted(set(range(n + 5)) - set(number))
    new = [["new", "new", free[0], "sample:new", "disease", "new", "sample", free[1], "sample:newer", "drug", "newer", "sample"]]
    new += [[*new[0][:2], *new[0][7:], *new[0][2:7]]]
    moved = [[*row[:x], number[int(row[x])], *row[x + 1:y], number[int(row[y])], *row[y + 1:]] for row in graph[1:]] + new
    nodes = codes[0].index("nodes")
    grown = [row[:nodes] + [";".join(str(number[int(v)]) for v in row[nodes].split(";") if v)] for row in codes[1:]]
    grown.append(["HCPCS", "Z0001", "a code with new nodes", f"{free[0]};{free[1]}"])
    for name, rows, tab in (("old.tsv", codes[:601], "\t"), ("new.tsv", [codes[0]] + grown, "\t"), ("new.csv", [graph[0]] + moved, ",")):
        with open(f"{folder}/{name}", "w", encoding="utf-8", newline="") as file:
            if tab == "\t":
                file.write("".join("\t".join(row) + "\n" for row in rows))
            else:
                csv.writer(file, lineterminator="\n").writerows(rows)


def kept(files, other, folder):
    """Share of the tokens of the other table that codes have kept, by group."""
    report = f"{folder}/report.json"
    medtok("inspect", {**files, "report": report}, f"inspect.other={other}", "inspect.resamples=20", "inspect.sample=10")
    with open(report, encoding="utf-8") as file:
        found = json.load(file)["stability"]
    assert found["codes"] == 600
    return numpy.array([group["value"] for group in found["kept"].values()])


def parameters(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file if file[name].dtype == numpy.float32 and not name.endswith((".m", ".v"))}


def text(value):
    """As an attribute of ours."""
    return numpy.array(value.encode(), dtype=h5py.string_dtype("utf-8", len(value.encode())))


with tempfile.TemporaryDirectory() as folder:
    renumbered(folder)
    at = lambda which, name: f"{folder}/{which}.{name}.h5"
    old, new = ({"codes": f"{folder}/{which}.tsv", "graph": graph, "vocabulary": at(which, "v"), "text": at(which, "x")}
                for which, graph in (("old", "tests/sample/kg.csv"), ("new", f"{folder}/new.csv")))
    old.update(checkpoint=at("old", "c"), table=at("old", "t"))
    for files in (old, new):
        for job in ("prepare", "encode"):
            medtok(job, files)
    steps = "train.steps=150"
    medtok("train", old, steps)
    medtok("tokenize", old)

    tables, going_on = {}, ["train.from=" + old["checkpoint"]]
    for name, sets in (("fresh", []), ("from", going_on), ("held", going_on + ["train.anchor=1e9"])):
        files = {**new, "checkpoint": at(name, "c"), "table": at(name, "t")}
        log = medtok("train", files, steps, *sets)
        medtok("tokenize", files)
        tables[name] = kept(files, old["table"], folder)
        if name != "fresh":
            assert "855 of 860 nodes are known" in log, log
    print({name: numpy.round(share, 3).tolist() for name, share in tables.items()})
    # The fresh one has the same seed, and so begins with the same rows and maps; one of another seed keeps what chance gives, 5 of 100 rows.
    assert (tables["from"] > 0.8).all() and (1 - tables["from"] < (1 - tables["fresh"]) / 3).all(), tables
    # Nothing but new nodes learned: the same sums in another order of nodes, so that hardly a token of 600 x 20 turns.
    assert (tables["held"] > 0.995).all(), tables

    before, after, held = (parameters(path) for path in (old["checkpoint"], at("from", "c"), at("held", "c")))
    assert (before["codebook"] == after["codebook"]).all() and (before["text.map.weight"] == held["text.map.weight"]).all()
    moved = max(abs(before[name] - after[name]).max() for name in before if name not in ("graph.nodes", "codebook.idle"))
    assert 1e-4 < moved < 1 / 300 * 1.5, moved  # Adam's steps are about the rate at most, and a little more while its moments settle
    with h5py.File(at("from", "c")) as file:
        inputs = file.attrs["inputs"].decode().rstrip("\0").splitlines()
    with open(old["checkpoint"], "rb") as file:
        assert f"from\t{old['checkpoint']}\t{hashlib.sha256(file.read()).hexdigest()}" in inputs, inputs

    # What stands above codes is the same by its name, though the grown vocabulary has more of it and in another order.
    with open(new["codes"], encoding="utf-8") as file, open(f"{folder}/turned.tsv", "w", encoding="utf-8") as out:
        out.writelines([next(file), *reversed(list(file))])
    above, rows = {}, {}
    for which, files, sets in (("old", old, []), ("new", {**new, "codes": f"{folder}/turned.tsv"}, ["train.from=" + at("oldh", "c"), "train.anchor=1e9"])):
        files = {**files, "vocabulary": at(which + "h", "v"), "text": at(which + "h", "x"), "checkpoint": at(which + "h", "c")}
        medtok("prepare", files, "graph.hierarchy=yes")
        medtok("encode", files)
        medtok("train", files, "train.steps=2", *sets)
        with h5py.File(files["vocabulary"]) as file:
            above[which] = file["hierarchy"][:].tolist()
        rows[which] = parameters(files["checkpoint"])["graph.nodes"][-len(above[which]):]
    places = [above["new"].index(name) for name in above["old"]]
    assert len(above["old"]) > 100 and places != sorted(places), places
    assert (rows["new"][places] == rows["old"]).all()

    # Of any number of ranks, and of a run that was stopped and went on.
    short = going_on + ["train.steps=30", "train.log_every=1"]
    for name, ranks in (("one", None), ("two", 2)):
        medtok("train", {**new, "checkpoint": at(name, "c")}, *short, ranks=ranks)
    stopped = subprocess.Popen(command("train", {**new, "checkpoint": at("stopped", "c")}, *short), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    for line in stopped.stderr:
        if "step 2" in line:
            stopped.send_signal(signal.SIGUSR1)
            break
    stopped.stderr.read()
    assert stopped.wait() in (0, 75)
    medtok("train", {**new, "checkpoint": at("stopped", "c")}, *short)
    one, two, again = (parameters(at(name, "c")) for name in ("one", "two", "stopped"))
    for name, value in one.items():
        # Rounding of sums over ranks; where a gradient is all but 0, Adam makes a step of it.
        assert numpy.quantile(abs(value - two[name]), 0.99) < 1e-4, (name, abs(value - two[name]).max())
        assert (value == again[name]).all(), name

    # Averages follow values that are held, and rows that are fixed are not made unit ones again (an average of such rows is shorter).
    quick = ["train.steps=6", "train.average=0.5", "train.rate=0.01", "quantizer.rows=unit"]
    medtok("train", {**old, "checkpoint": at("averaged", "c")}, *quick)
    medtok("train", {**new, "checkpoint": at("behind", "c")}, *quick, "train.from=" + at("averaged", "c"), "train.anchor=1e9")
    averaged, behind = parameters(at("averaged", "c")), parameters(at("behind", "c"))
    length = numpy.linalg.norm(averaged["codebook.average"], axis=1)
    assert length.min() < 1 - 1e-5, length.min()
    for name in ("codebook", "text.map.weight"):
        assert (averaged[name + ".average"] == behind[name]).all(), name
        assert abs(averaged[name + ".average"] - behind[name + ".average"]).max() < 1e-6, name

    # Whoever went on from a training over a hierarchy knows it, at whatever distance.
    high = {**old, "vocabulary": at("high", "v"), "text": at("high", "x"), "checkpoint": at("high", "c")}
    medtok("prepare", high, "graph.hierarchy=yes")
    medtok("encode", high)
    medtok("train", high, "train.steps=1")
    for name, parent in (("child", "high"), ("grandchild", "child")):
        files = {**old, "checkpoint": at(name, "c"), "table": at(name, "t")}
        medtok("train", files, "train.steps=1", "train.from=" + at(parent, "c"))
        medtok("tokenize", files)
        for written in (files["checkpoint"], files["table"]):
            with h5py.File(written) as file:
                assert f"hierarchy\t{high['vocabulary']}\t" in file.attrs["inputs"].decode(), (written, file.attrs["inputs"])
        medtok("inspect", {**files, "report": f"{folder}/report.json"}, "inspect.resamples=20", "inspect.sample=10")
        with open(f"{folder}/report.json", encoding="utf-8") as file:
            report = json.load(file)
            assert report["hierarchy_before"] == 1 and report["hierarchy_nodes"] == 0, report

    # Nodes that began with their names: a new one begins by the map of the training before, whatever its text map is now.
    starts = ["graph.node_start=text", "graph.encoder_start=mean", "model.text_map=principal", "graph.node_dim=32"]
    named = {which: {**files, "text": at(which + "n", "x"), "checkpoint": at(which + "n", "c")} for which, files in (("old", old), ("new", new))}
    for files in named.values():
        medtok("encode", files, "text.nodes=yes")
    medtok("train", named["old"], *starts, "train.steps=3")
    learned = parameters(named["old"]["checkpoint"])
    assert abs(learned["graph.node_map.weight"] - learned["text.map.weight"]).max() > 1e-4
    with h5py.File(new["vocabulary"]) as file:
        name_at, names = file["node_name_offsets"][:].ravel(), file["node_name_bytes"][:].tobytes().decode()
    called = [names[a:b] for a, b in zip(name_at, name_at[1:])]
    with h5py.File(named["new"]["text"]) as file:
        feature = file["features"][:].astype(numpy.float64)[file["node_row"][:].ravel()]
    wanted = feature @ learned["graph.node_map.weight"].T.astype(numpy.float64) + learned["graph.node_map.bias"]
    for ranks in (None, 2):
        files = {**named["new"], "checkpoint": at(f"n{ranks}", "c")}
        medtok("train", files, *starts, "train.steps=1", "train.rate=1e-12", "train.from=" + named["old"]["checkpoint"], ranks=ranks)
        begun = parameters(files["checkpoint"])
        for node in (called.index("new"), called.index("newer")):
            assert abs(begun["graph.nodes"][node] - wanted[node]).max() < 1e-5, (called[node], begun["graph.nodes"][node], wanted[node])
        assert (begun["graph.node_map.weight"] == learned["graph.node_map.weight"]).all()
    refused(["graph.node_start: random: train with the same"], {**named["new"], "checkpoint": at("unlike", "c")}, *going_on,
            "graph.node_start=text")
    refused(["has no features of the names of nodes", "text.nodes=yes"], {**new, "checkpoint": at("unnamed", "c")}, "graph.node_start=text", ranks=2)

    # What does not fit.
    other = {**new, "checkpoint": at("other", "c")}
    refused(["quantizer.size is 300 there and 600 here", "quantizer.dim is 32 there and 16 here", "quantizer.top_k is 5 there and 4 here",
             "quantizer.assign is nearest there and residual here"], other, *going_on, "quantizer.size=600", "quantizer.dim=16", "quantizer.top_k=4",
            "quantizer.assign=residual", ranks=2)
    for start, before in (("graph.encoder_start=mean", "random"), ("model.text_map=principal", "random"), ("quantizer.init=kmeans", "normal")):
        key, value = start.split("=")
        refused([f"began with {key}: {before}, ", f"{value} would be of no effect: set {key}={before}"], other, *going_on, start)
    medtok("encode", {**new, "text": at("wide", "x")}, "text.dim=128")
    refused(["trained on text features of 64 values, and those here have 128"], {**other, "text": at("wide", "x")}, *going_on)
    less = {**old, "vocabulary": at("less", "v"), "text": at("less", "x"), "checkpoint": at("less", "c")}
    medtok("prepare", less, "graph.remove=indication", "graph.remove_share=0.5", f"graph.removed={folder}/removed.tsv")
    medtok("encode", less)
    refused([less["vocabulary"] + " was made without edges", old["vocabulary"], "train anew"], less, *going_on)
    medtok("train", less, "train.steps=1")
    medtok("train", {**less, "checkpoint": at("lesser", "c")}, "train.from=" + less["checkpoint"], "train.steps=1")
    medtok("encode", {**new, "text": at("seeded", "x")}, "run.seed=5")
    refused(["hashed-ngrams", "another run.seed"], {**other, "text": at("seeded", "x")}, *going_on)
    with h5py.File(at("seeded", "x"), "r+") as file:  # as if a model had made them
        file.attrs["encoder"], file.attrs["first_is_mean"] = text("bert"), numpy.int64(1)
    refused(["of the encoder hashed-ngrams, and those here are of bert, text.pool: mean"], {**other, "text": at("seeded", "x")}, *going_on)
    medtok("train", {**old, "checkpoint": at("elder", "c")}, "train.steps=1")
    with h5py.File(at("elder", "c"), "r+") as file:
        lines = file.attrs["inputs"].decode().rstrip("\0").splitlines(True)
        file.attrs["inputs"] = text("".join(line for line in lines if not line.startswith("encoder\t")))
    log = medtok("train", {**other, "checkpoint": at("younger", "c")}, "train.from=" + at("elder", "c"), "train.steps=1")
    assert "does not tell what text encoder" in log, log
    with h5py.File(at("elder", "c"), "r+") as file:  # of before model.text_specific, by today's defaults
        lines = file.attrs["config"].decode().rstrip("\0").splitlines(True)
        assert "model.text_specific: map\n" in lines
        file.attrs["config"] = text("".join(line for line in lines if not line.startswith("model.text_specific")))
    medtok("tokenize", {**old, "checkpoint": at("elder", "c"), "table": at("elder", "t")}, defaults=True)
    medtok("train", {**old, "checkpoint": at("youngest", "c")}, "train.from=" + at("elder", "c"), "train.steps=1", defaults=True)
    with h5py.File(at("youngest", "c")) as file:
        assert b"model.text_specific: map\n" in file.attrs["config"]
    refused([old["table"], "a checkpoint"], other, "train.from=" + old["table"])
    refused(["train.from", "same file"], {**other, "checkpoint": old["checkpoint"]}, *going_on)
    os.rename(old["vocabulary"], at("moved", "v"))
    refused(["trained on another vocabulary", "train.from_vocabulary=PATH"], other, *going_on, ranks=2)
    refused(["trained on another vocabulary"], other, *going_on, "train.from_vocabulary=" + new["vocabulary"])
    medtok("train", other, *going_on, "train.from_vocabulary=" + at("moved", "v"), "train.steps=1")
print("all good")
