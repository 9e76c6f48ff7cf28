"""Which settings give good tokens: trains, tokenises and inspects the whole vocabulary under each row of settings below, and adds a line
of measures to a table.

usage: study.py WORK [--steps N] [--ranks N] [--seeds 0,1,2] [--out results/study.tsv] [ROW...]
WORK holds v.h5 and t.h5 (prepare and encode of ../shared/data, with the MiniLM model). MEDTOK names the program. Lines that the
table has already (same row, steps and seed) are not made again. `study.gp` draws the table.
"""
import argparse
import json
import os
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# Each row: the row it is built on, and what it changes.
ROWS = {
    "reference": (None, "train.rate=1e-4 quantizer.loss_space=raw quantizer.update=gradient quantizer.init=normal quantizer.revive_after=0 "
                        "quantizer.shared_region=all loss.sibling_negatives=keep train.schedule=constant train.warmup=0"),
    "rate": ("reference", "train.rate=1e-3 train.schedule=cosine train.warmup=50"),
    "normalized": ("rate", "quantizer.loss_space=normalized"),
    "normalized-siblings": ("normalized", "loss.sibling_negatives=leave-out"),
    "no-revival": ("normalized-siblings", "quantizer.shared_region=middle"),
    "tuned": ("no-revival", "quantizer.revive_after=50"),
    "keep-siblings": ("tuned", "loss.sibling_negatives=keep"),
    "all-rows": ("tuned", "quantizer.shared_region=all"),
    "ema": ("tuned", "quantizer.update=ema"),
    "kmeans": ("tuned", "quantizer.init=kmeans"),
    "weak-orthogonality": ("tuned", "loss.orthogonality=0.01"),
    "text-only": ("tuned", "model.sides=text"),
    "graph-only": ("tuned", "model.sides=graph"),
}
MEASURES = ["usage_text", "usage_graph", "usage_shared", "perplexity_text", "perplexity_graph", "perplexity_shared", "duplicates_other_text",
            "sibling_overlap", "sibling_ratio", "cross_modal_own", "neighbour_recall", "neighbour_ratio"]

options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
options.add_argument("work")
options.add_argument("rows", nargs="*")
options.add_argument("--steps", type=int, default=300)
options.add_argument("--ranks", type=int, default=os.cpu_count())
options.add_argument("--seeds", default="0")
options.add_argument("--out", default=os.path.join(ROOT, "results", "study.tsv"))
options = options.parse_intermixed_args()
MEDTOK = os.environ.get("MEDTOK", os.path.join(ROOT, "build", "medtok"))


def settings(row):
    base, changes = ROWS[row]
    return {**(settings(base) if base else {}), **dict(change.split("=") for change in changes.split())}


def medtok(job, **keys):
    sets = [part for key, value in keys.items() for part in ("--set", f"{key}={value}")]
    command = ["mpirun", "--allow-run-as-root", "-n", str(options.ranks), MEDTOK, job, *([] if job == "inspect" else ["--force"]), *sets]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(command)}\n{run.stderr}")


def run(row, seed):
    at = os.path.join(options.work, "")
    files = {"files.vocabulary": at + "v.h5", "files.text": at + "t.h5", "files.checkpoint": at + "c.h5", "files.table": at + "table.h5",
             "files.report": at + "quality.json"}
    start = time.time()
    medtok("train", **files, **settings(row), **{"train.steps": options.steps, "train.checkpoint_every": 0, "run.seed": seed, "train.log_every": 100})
    seconds = time.time() - start
    medtok("tokenize", **files)
    medtok("inspect", **files)
    with open(at + "quality.json") as file:
        measures = json.load(file)["measures"]
    with open(at + "c.jsonl") as file:
        losses = [json.loads(line)["loss"] for line in file]
    values = []
    for name in MEASURES:
        m = measures.get(name)
        values += [f"{m['value']:.5g}", f"{m['low']:.5g}", f"{m['high']:.5g}"] if m and m["value"] is not None else ["", "", ""]
    return [row, str(options.steps), str(seed), f"{seconds:.0f}", f"{losses[0]:.4g}", f"{sum(losses[-20:]) / len(losses[-20:]):.4g}", *values,
            " ".join(f"{k}={v}" for k, v in settings(row).items())]


header = ["row", "steps", "seed", "seconds", "first_loss", "last_loss", *(m + end for m in MEASURES for end in ("", "_low", "_high")), "settings"]
done = set()
if os.path.exists(options.out):
    with open(options.out) as file:
        done = {tuple(line.split("\t")[:3]) for line in file}
else:
    with open(options.out, "w") as file:
        file.write("\t".join(header) + "\n")
for seed in options.seeds.split(","):
    for row in options.rows or ROWS:
        if (row, str(options.steps), seed) in done:
            continue
        line = run(row, int(seed))
        with open(options.out, "a") as file:
            file.write("\t".join(line) + "\n")
        print(dict(zip(header, line)), flush=True)
