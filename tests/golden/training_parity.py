"""Trains on real codes with `medtok train` and with the PyTorch implementation of medtok_reference.py, both in float32, from the
same initial weights, batches, dropped elements and dropped edges, and compares the losses and the token tables.

usage: training_parity.py [--steps 500] [--codes 20000] [--set KEY=VALUE ...]    (needs torch, numpy, h5py; PYTHON of your choice)
       MEDTOK=build/medtok python tests/golden/training_parity.py            the whole comparison: about ten minutes on two cores
       MEDTOK=build/medtok python tests/golden/training_parity.py --steps 30 --codes 4000       whether it runs, in a minute

Reads ../shared/data (--table, --graph: other files of the same form) and takes the first codes with a graph. The whole comparison
writes results/training_parity.md; a smaller one only prints. Exits with 1 if the mean losses of the last 20 steps differ by
more than 1 %.

The curves part when a code's fifth and sixth nearest rows are equally far but for rounding: the two sides pick differently, and
every later step sees it. With 1,536 picks a step and distances rounded by 1e-7, that happens within some ten steps; until
then the terms agree to about 1e-6. Ours therefore runs a second time on two ranks, whose sums are rounded in another order:
by so much do two tables of the same training differ in float32 anyway.
"""
import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
import torch

import medtok_reference as reference

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FULL_STEPS, FULL_CODES, LAST = 500, 20000, 20
SETTINGS = {"train.batch": 256, "train.rate": 1e-3, "quantizer.size": 21000}
MPI_ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=FULL_STEPS)
    parser.add_argument("--codes", type=int, default=FULL_CODES)
    parser.add_argument("--table", default=os.path.join(ROOT, "../shared/data/vocabulary/codes.tsv.gz"))
    parser.add_argument("--graph", default=os.path.join(ROOT, "../shared/data/graph/kg.csv.gz"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the method, for both sides")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def settings_of(options):
    settings = reference.DEFAULTS | SETTINGS | {"train.steps": options.steps}
    for assignment in options.set:
        key, value = assignment.split("=", 1)
        if key not in settings:
            sys.exit(f"{key} is no setting of medtok_reference.py; it knows {', '.join(sorted(settings))}")
        settings[key] = type(settings[key])(value)
    return settings


# ---- ours ----
def first_codes_with_a_graph(options, path):
    with gzip.open(options.table, "rt", encoding="utf-8") as table, open(path, "w", encoding="utf-8") as out:
        out.write(next(table))
        kept = (line for line in table if line.rstrip("\n").split("\t")[3])
        for _, line in zip(range(options.codes), kept):
            out.write(line)


def medtok(folder, job, ranks, settings):
    command = ["mpirun", "-n", str(ranks), os.environ.get("MEDTOK", os.path.join(ROOT, "build/medtok")), job, "--config",
               os.path.join(ROOT, "tests", "support", "plain.yaml"), "--config", os.path.join(folder, "config.yaml")]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    done = subprocess.run(command, env=os.environ | MPI_ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stderr}")


def write_config(options, settings, folder):
    """One configuration for all jobs; what a job does not use is passed over."""
    lines = [f"files.codes: [{folder}/codes.tsv]", f"files.graph: {options.graph}", "text.dim: 256", "text.precision: fp32",
             "train.checkpoint_every: 0", "train.resume: never"]
    lines += [f"files.{name}: {folder}/{name}.h5" for name in ("vocabulary", "text")]
    lines += [f"{key}: {value}" for key, value in settings.items()]
    with open(os.path.join(folder, "config.yaml"), "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


def train_ours(folder, ranks):
    """Terms of the loss [steps, terms], tokens [codes, 4, K], seconds of training."""
    checkpoint, table = f"{folder}/checkpoint{ranks}.h5", f"{folder}/table{ranks}.h5"
    since = time.time()
    medtok(folder, "train", ranks, {"files.checkpoint": checkpoint})
    seconds = time.time() - since
    medtok(folder, "tokenize", ranks, {"files.checkpoint": checkpoint, "files.table": table})
    with open(f"{folder}/checkpoint{ranks}.jsonl", encoding="ascii") as lines:
        terms = [[step[name] for name in reference.TERMS] for step in map(json.loads, lines)]
    with h5py.File(table) as file:
        return np.array(terms), file["tokens"][:], seconds


# ---- PyTorch ----
def read_codes(folder):
    with h5py.File(f"{folder}/vocabulary.h5") as v, h5py.File(f"{folder}/text.h5") as t:
        names = "node_offsets", "nodes", "edge_offsets", "edge_source", "edge_target"
        arrays = {name: v[name][:] for name in names} | {name: t[name][:] for name in ("token_offsets", "token_row", "features")}
        return reference.Codes(**arrays), int(v.attrs["n_nodes"])


def train_torch(settings, steps, codes, n_nodes):
    training = reference.Training(settings, codes, n_nodes, torch.float32)
    terms, since = [], time.time()
    for step in range(steps):
        terms.append([float(x.detach()) for x in training.step()["terms"]])
        if (step + 1) % 50 == 0 or step == 0:
            print(f"PyTorch: step {step + 1} of {steps}, loss {sum(terms[-1]):.4f}, {(time.time() - since) / (step + 1):.2f} s a step",
                  file=sys.stderr)
    seconds = time.time() - since
    parts = np.array_split(np.arange(codes.n), -(-codes.n // 256))
    tokens = [reference.token_table(training.P, settings, codes, part, torch.float32)[0].numpy() for part in parts]
    return np.array(terms), np.concatenate(tokens), seconds


# ---- the comparison ----
def agreement(a, b):
    """For each group: share of codes with the same set of tokens, and mean share of common tokens."""
    common = (a[..., :, None] == b[..., None, :]).any(-1).mean(-1)
    return (common == 1).mean(0), common.mean(0)


def report(options, settings, n_codes, ours, twin, theirs):
    a, b = ours[0], theirs[0]
    last = min(LAST, options.steps)
    difference = lambda x, y: 100 * (x / y - 1)
    lines = ["| step | loss, ours | loss, PyTorch | difference |", "|---|---|---|---|"]
    marks = sorted({1, 2, 5, 10, 20, 50} | set(range(100, options.steps + 1, 100)) | {options.steps})
    for step in (s for s in marks if s <= options.steps):
        x, y = a[step - 1].sum(), b[step - 1].sum()
        lines.append(f"| {step} | {x:.5f} | {y:.5f} | {difference(x, y):+.4f} % |")
    x, y = a[-last:].sum(1).mean(), b[-last:].sum(1).mean()
    lines.append(f"| mean of the last {last} | {x:.5f} | {y:.5f} | {difference(x, y):+.4f} % |")
    lines += ["", f"Terms, mean of the last {last} steps:", "", "| term | ours | PyTorch | difference |", "|---|---|---|---|"]
    for name, p, q in zip(reference.TERMS, a[-last:].mean(0), b[-last:].mean(0)):
        lines.append(f"| {name} | {p:.5f} | {q:.5f} | {difference(p, q):+.3f} % |")
    lines += ["", "| tokens of | same set, ours and PyTorch | common tokens | same set, ours on 1 and on 2 ranks | common tokens |",
              "|---|---|---|---|---|"]
    columns = agreement(ours[1], theirs[1]) + agreement(ours[1], twin[1])
    for name, *shares in zip(reference.GROUPS, *columns):
        lines.append(f"| {name} | " + " | ".join(f"{100 * share:.2f} %" for share in shares) + " |")
    lines += ["", f"Seconds of training: ours {ours[2]:.0f} (1 rank, {options.threads} threads), PyTorch {theirs[2]:.0f} "
              f"({options.threads} threads)."]
    changed = ", ".join(f"{key} {settings[key]}" for key in sorted(settings) if settings[key] != reference.DEFAULTS[key])
    head = ["# Training parity with PyTorch", "",
            f"`tests/golden/training_parity.py` on {time.strftime('%Y-%m-%d')}: {options.steps} steps on the first {n_codes} codes with a "
            f"graph, features from hashed n-grams (256 wide), float32 on both sides, the same initial weights, batches, dropped elements and "
            f"edges. Settings other than those of the publication: {changed or 'none'}. PyTorch {torch.__version__}, NumPy {np.__version__}, "
            f"{platform.machine()}.", ""]
    return "\n".join(head + lines) + "\n", abs(x / y - 1)


def main():
    options = arguments()
    settings = settings_of(options)
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="medtok-parity-") as folder:
        first_codes_with_a_graph(options, f"{folder}/codes.tsv")
        write_config(options, settings, folder)
        medtok(folder, "prepare", 1, {})
        medtok(folder, "encode", 1, {})
        ours, twin = train_ours(folder, 1), train_ours(folder, 2)
        codes, n_nodes = read_codes(folder)
        theirs = train_torch(settings, options.steps, codes, n_nodes)
    text, difference = report(options, settings, codes.n, ours, twin, theirs)
    print(text)
    if options.steps >= FULL_STEPS and options.codes >= FULL_CODES:
        with open(os.path.join(ROOT, "results/training_parity.md"), "w", encoding="utf-8") as out:
            out.write(text)
    sys.exit(int(difference > 0.01))


if __name__ == "__main__":
    main()
