"""What ehr_synth.sh needs beside medtok: a terminology for a made-up hospital, a knowledge source for its codes, and tables of scores beside those of
the Bayes probabilities.

codes FORMS FILE        a code table with FORMS diagnosis codes a disease. Half of the unnamed diseases are runs of neighbouring codes, which ICD's
                        hierarchy tells; the codes of the others are scattered over categories, and one node of a graph has them
knowledge FOLDER        from the hospital's codes.csv: codes.tsv, kg.csv: a description that names each code's disease, and a node of it
first FOLDER            labels of the task first_return: readmission after each patient's first admission alone
report FOLDER SCORES [PREDICTIONS]
                        of evaluate's scores.h5, and of a logistic regression's predictions: average precision of each model and arm, and how far it is
                        from the Bayes probabilities of the same samples and from the arm base; means over seeds; intervals: 95 %, from 1,000
                        resamples of subjects
futures FOLDER SCORES...
                        of evaluate's folders, one training each: average precision, AUROC, the mean score beside the prevalence, by fifths of the Bayes
                        probabilities too, and the correlation with them
"""
import csv
import datetime
import json
import pathlib
import random
import sys

import h5py
import numpy as np

DISEASES, GRAPH = 20, 8
NAMED = (("401", "I10"), ("272", "E78"), ("157", "C25"), ("410", "I21"))  # synth/catalogue.c
TASK = "readmission_30d"
START, MIDDLE, END = ["bar", "cel", "dom", "fer", "gan", "hel", "jor"], ["a", "ani", "emo", "ido", "olu", "usi"], ["tia", "sis", "pathy", "oma", "itis"]


def word(i):
    return START[i % 7] + MIDDLE[i // 7 % 6] + END[i // 42 % 5]


def write_codes(forms, path):
    """ICD-9-CM and what is no diagnosis has to be there, but is not used."""
    size = 10 if forms >= 20 else 3  # of a category
    of_runs = DISEASES - len(NAMED) - GRAPH
    of_runs += (of_runs + 3) // 4  # every fifth run is background
    categories = (f"{letter}{i:02d}" for letter in "ABDFGHJKLMNOPQRSTVWXYZ" for i in range(100))
    nodes = [node for node in range(GRAPH) for _ in range(forms)]
    random.Random(1).shuffle(nodes)
    rows = []
    for nine, ten in NAMED:
        rows += [("ICD9CM", f"{nine}.{i}", "") for i in range(4)] + [("ICD10CM", f"{ten}.{i:03d}", "") for i in range(forms)]
    for members in (nodes, [""] * of_runs * forms):
        for first in range(0, len(members), size):
            category = next(categories)
            rows += [("ICD10CM", f"{category}.{i}", node) for i, node in enumerate(members[first:first + size])]
    rows += [("ICD9CM", f"{500 + i // 10}.{i % 10}", i % GRAPH) for i in range(GRAPH * 4)]
    rows += [("ICD9CM", f"{600 + i // 10}.{i % 10}", "") for i in range(of_runs * 20)]
    for i in range(100):
        rows += [("ICD9PROC", f"{i:02d}.1", ""), ("ICD10PCS", f"0{i:02d}0ZZZ", ""), ("ATC", f"A{i // 10:02d}AA{i % 10:02d}", "")]
    with open(path, "w") as out:
        print("system", "code", "description", "nodes", sep="\t", file=out)
        for system, code, node in rows:
            print(system, code, code, node, sep="\t", file=out)


def write_knowledge(folder):
    rows = [row for row in csv.DictReader(open(folder / "codes.csv")) if row["system"] == "ICD10CM"]
    groups = sorted({int(row["group"]) for row in rows})
    with open(folder / "codes.tsv", "w") as out:
        print("system", "code", "description", "nodes", sep="\t", file=out)
        for row in rows:
            group = int(row["group"])
            print(row["system"], row["code"], f"{word(group)} of form {int(row['rank']) + 1}", group, sep="\t", file=out)
    with open(folder / "kg.csv", "w") as out:
        print("relation,display_relation,x_index,x_id,x_type,x_name,x_source,y_index,y_id,y_type,y_name,y_source", file=out)
        for group in groups:
            organ = len(groups) + group % 7
            a, b = f"{group},d:{group},disease,{word(group)},made", f"{organ},a:{organ},anatomy,organ {organ},made"
            print(f"disease_anatomy,located in,{a},{b}\ndisease_anatomy,located in,{b},{a}", file=out)


def write_first(folder):
    seen, rows = set(), csv.DictReader(open(folder / "truth.csv"))
    labels = folder / "meds" / "labels" / "first_return"
    labels.mkdir(exist_ok=True)
    with open(labels / "labels.csv", "w") as out:
        print("subject_id,prediction_time,boolean_value", file=out)
        for row in rows:
            if row["task"] == TASK and row["subject_id"] not in seen:
                seen.add(row["subject_id"])
                print(row["subject_id"], row["prediction_time"], row["label"] == "1", sep=",", file=out)


# ---- scores ----
TUNING, HELD_OUT, N_SPLITS, RESAMPLES = 0, 1, 2, 1000


def average_precision(label, last, weights):
    """Of samples by descending score; last: behind it comes another score. Of equal scores none comes before another."""
    hits, n = np.cumsum(weights * label)[last], np.cumsum(weights)[last]
    return (np.diff(hits, prepend=0) * hits / np.maximum(n, 1)).sum() / hits[-1]


def read_truth(folder):
    """(subject, time) -> label, Bayes probability"""
    rows = csv.DictReader(open(folder / "truth.csv"))
    return {(row["subject_id"], row["prediction_time"]): (int(row["label"]), float(row["probability"])) for row in rows if row["task"] == TASK}


class Samples:
    """Those that a training was scored on."""

    def __init__(self, file, number, truth):
        begin, end = file["list_offsets"][number:number + 2]
        subject, time, self.label, codes, unseen = (file[f"sample_{name}"][begin:end] for name in ("subject", "time", "label", "codes", "unseen"))
        epoch = datetime.datetime(1970, 1, 1)
        self.keys = [(str(s), str(epoch + datetime.timedelta(microseconds=int(t)))) for s, t in zip(subject, time)]
        facts = [truth[key] for key in self.keys]
        self.bayes = np.array([probability for _, probability in facts])
        assert (self.label == [label for label, _ in facts]).all(), "other labels than the truth's"
        self.parts = {"all": codes >= 0, "some code unseen": unseen > 0, "half the codes unseen or more": (unseen > 0) & (2 * unseen >= codes)}
        subjects, of = np.unique(subject, return_inverse=True)
        draws = np.random.default_rng(0).multinomial(len(subjects), np.full(len(subjects), 1 / len(subjects)), RESAMPLES)
        self.weights = np.vstack([np.ones(len(subject)), draws[:, of]])  # first as they are
        self.best = {part: self.score(self.bayes, part) for part, of in self.parts.items() if self.label[of].any()}

    def score(self, scores, part):
        """[1 + resamples]"""
        order = np.flatnonzero(self.parts[part])
        order = order[np.argsort(-scores[order], kind="stable")]
        last = np.append(np.diff(scores[order]) != 0, True)
        return np.array([average_precision(self.label[order], last, weights[order]) for weights in self.weights])


def interval(values, sign=""):
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return f"{values[0]:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def add_scores(scored, name, samples, scores):
    """scored: (model, arm) -> part -> of each seed AP and the Bayes probabilities' AP, of all resamples"""
    for part, best in samples.best.items():
        scored.setdefault(name, {}).setdefault(part, []).append((samples.score(scores, part), best))


def report(folder, path, regression=None):
    lists, scored = {}, {}
    with h5py.File(path) as file:
        truth = read_truth(folder)
        for trial, (model, arm) in enumerate(zip(file["trial_model"], file["trial_arm"])):
            split = HELD_OUT if file["trial_samples"][trial, HELD_OUT] >= 0 else TUNING  # with ehr.score=tuning
            number = int(file["trial_samples"][trial, split])
            samples = lists[number] = lists.get(number) or Samples(file, number, truth)
            begin, end = file["score_offsets"][N_SPLITS * trial + split:][:2]
            add_scores(scored, (model.decode(), arm.decode()), samples, file["score"][begin:end])
    first = next(iter(lists.values()))
    if regression:
        own = {(row["subject_id"], row["prediction_time"]): float(row["predicted_boolean_probability"]) for row in csv.DictReader(open(regression))}
        add_scores(scored, ("logistic regression", "one-hot"), first, np.array([own[key] for key in first.keys]))
    parts = list(first.best)
    print("| model | arm | seeds |", *(f"{part} | to Bayes | to base |" for part in parts))
    print("|---|---|---|" + "---|---|---|" * len(parts))
    print("| Bayes | | |", *(f"{interval(first.best[part])} | | |" for part in parts))
    for (model, arm), rows in scored.items():
        cells = []
        for part in parts:
            own, best = np.mean(rows[part], axis=0)
            base = scored.get((model, "base"), {}).get(part)
            over = interval(own - np.mean(base, axis=0)[0], "+") if base and arm != "base" else ""
            cells.append(f"{interval(own)} | {interval(own - best, '+')} | {over} |")
        print(f"| {model} | {arm} | {len(rows['all'])} |", *cells)
    print()
    for part in parts:
        print(f"- {part}: {first.parts[part].sum():,} samples, prevalence {first.label[first.parts[part]].mean():.3f}")


def auroc(label, scores):
    negative = np.sort(scores[label == 0])
    below, up_to = (np.searchsorted(negative, scores[label == 1], side) for side in ("left", "right"))
    return (below + up_to).mean() / 2 / len(negative)


def futures(folder, paths):
    truth = read_truth(folder)
    print("| scores | average precision | AUROC | mean | correlation with Bayes | mean by fifths of Bayes |\n|---|---|---|---|---|---|")
    for path in map(pathlib.Path, paths):
        rows = list(csv.DictReader(open(path / "scores.seed-0.csv")))
        label, bayes = np.array([truth[row["subject_id"], row["prediction_time"]] for row in rows]).T
        scores = np.array([float(row["predicted_boolean_probability"]) for row in rows])
        fifths = np.array_split(np.argsort(bayes, kind="stable"), 5)
        means = lambda values: " ".join(f"{values[fifth].mean():.3f}" for fifth in fifths)
        if path == pathlib.Path(paths[0]):
            order = np.argsort(-bayes, kind="stable")
            last = np.append(np.diff(bayes[order]) != 0, True)
            precision = average_precision(label[order], last, np.ones(len(label)))
            print(f"| Bayes | {precision:.3f} | {auroc(label, bayes):.3f} | {bayes.mean():.3f} | | {means(bayes)} |")
            print(f"| labels | | | {label.mean():.3f} | | {means(label)} |")
        training = json.load(open(path / "scores.json"))["trainings"][0]
        cells = [f"{e['value']:.3f} ({e['low']:.3f} to {e['high']:.3f})" for e in (training["average_precision"], training["auroc"])]
        print(f"| {path.name} | {cells[0]} | {cells[1]} | {scores.mean():.3f} | {np.corrcoef(bayes, scores)[0, 1]:.3f} | {means(scores)} |")


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "codes":
        write_codes(int(rest[0]), rest[1])
    elif what == "knowledge":
        write_knowledge(pathlib.Path(rest[0]))
    elif what == "first":
        write_first(pathlib.Path(rest[0]))
    elif what == "futures":
        futures(pathlib.Path(rest[0]), rest[1:])
    else:
        report(pathlib.Path(rest[0]), *rest[1:])
