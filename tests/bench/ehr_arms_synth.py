"""A made-up hospital whose codes are mostly rare (ehr_arms_synth.sh): its splits, what a knowledge source says of its codes, and average precision of
each arm beside that of the Bayes probabilities, on all samples of held_out and on those of whose diagnoses train has few or none.

codes FOLDER      writes FOLDER/codes.tsv and kg.csv: a description that names a code's disease and a node of it; and moves subjects, so that few
                  are in train: rare codes are then such that train never saw
report FOLDER A.. reads FOLDER/ARM/scores.seed-N.csv of each arm
"""
import csv
import glob
import pathlib
import sys

import numpy as np

TRAIN, TUNING = 0.10, 0.10
TASK = "readmission_30d"
START, MIDDLE, END = ["bar", "cel", "dom", "fer", "gan", "hel", "jor"], ["a", "ani", "emo", "ido", "olu", "usi"], ["tia", "sis", "pathy", "oma", "itis"]


def word(i):
    return START[i % 7] + MIDDLE[i // 7 % 6] + END[i // 42 % 5]


def write_codes(folder):
    rows = list(csv.DictReader(open(folder / "codes.csv")))
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
    path = folder / "meds" / "metadata" / "subject_splits.csv"
    subjects = [row["subject_id"] for row in csv.DictReader(open(path))]
    draws = np.random.default_rng(1).random(len(subjects))
    with open(path, "w") as out:
        print("subject_id,split", file=out)
        for subject, u in zip(subjects, draws):
            print(subject, "train" if u < TRAIN else "tuning" if u < TRAIN + TUNING else "held_out", sep=",", file=out)


def average_precision(label, score):
    order = np.argsort(-score, kind="stable")
    label, score = label[order], score[order]
    last = np.append(score[1:] != score[:-1], True)  # of equal scores
    hits, n = np.cumsum(label)[last], (np.arange(len(label)) + 1)[last]
    return float((np.diff(np.append(0, hits)) * hits / n).sum() / label.sum())


def share_unseen(folder):
    """Of the different diagnoses of each sample's history, the share that no sample of train has."""
    split = {row["subject_id"]: row["split"] for row in csv.DictReader(open(folder / "meds/metadata/subject_splits.csv"))}
    events = {}
    for path in glob.glob(str(folder / "meds/data/*/*.csv")):
        for row in csv.DictReader(open(path)):
            if row["code"].startswith("DIAGNOSIS//"):
                events.setdefault(row["subject_id"], []).append((row["time"], row["code"]))
    truth = [row for row in csv.DictReader(open(folder / "truth.csv")) if row["task"] == TASK]
    history = [{code for time, code in events.get(row["subject_id"], []) if time <= row["prediction_time"]} for row in truth]
    seen = set().union(*(codes for row, codes in zip(truth, history) if split[row["subject_id"]] == "train"))
    return {(row["subject_id"], row["prediction_time"]): (sum(c not in seen for c in codes) / max(len(codes), 1), int(row["label"]), float(row["probability"]))
            for row, codes in zip(truth, history)}


def report(folder, arms):
    truth = share_unseen(folder)
    bands = {"all": (0, 1), "under .2 unseen": (0, 0.2), ".5 or more unseen": (0.5, 1), "all unseen": (1, 1)}
    table = {}
    for arm in arms:
        for path in sorted(glob.glob(str(folder / arm / "scores.seed-*.csv"))):
            rows = list(csv.DictReader(open(path)))
            keys = [(row["subject_id"], row["prediction_time"]) for row in rows]
            share, label, bayes = (np.array(x) for x in zip(*(truth[key] for key in keys)))
            assert all(int(row["boolean_value"] == "true") == y for row, y in zip(rows, label)), f"{path}: other labels than the truth's"
            score = np.array([float(row["predicted_boolean_probability"]) for row in rows])
            for band, (low, high) in bands.items():
                of = (share >= low) & (share <= high)
                table.setdefault(("prevalence", band), [label[of].mean()])
                table.setdefault(("samples", band), [int(of.sum())])
                table.setdefault(("Bayes", band), [average_precision(label[of], bayes[of])])
                table.setdefault((arm, band), []).append(average_precision(label[of], score[of]))
    print("| | " + " | ".join(bands) + " |\n|" + "---|" * (len(bands) + 1))
    for row in ("samples", "prevalence", "Bayes", *arms):
        cells = [table.get((row, band), []) for band in bands]
        show = lambda x: f"{x[0]:,}" if row == "samples" else f"{np.mean(x):.3f}" + (f" ({min(x):.3f} to {max(x):.3f})" if len(x) > 1 else "")
        print(f"| {row} | " + " | ".join(show(x) if x else "-" for x in cells) + " |")


if __name__ == "__main__":
    where = pathlib.Path(sys.argv[2])
    write_codes(where) if sys.argv[1] == "codes" else report(where, sys.argv[3:])
