"""A logistic regression on one-hot codes beside the predictions of `medtok evaluate`, as a markdown table.

usage: behrt_delphi.py MEDS TASK FOLDER ARM...     FOLDER/ARM has scores.json and the predictions beside it

The regression sees the codes of each sample at or before its prediction time (those of train), its strength C is chosen by the average
precision on tuning, and by that of five folds of train and tuning. Intervals and differences: 95 %, 1000 resamples of subjects, the same for all; of the model the mean over seeds.
"""
import collections
import csv
import json
import os
import sys

import numpy
import pyarrow.parquet as parquet
from scipy.sparse import lil_matrix, vstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

RESAMPLES, STRENGTHS = 1000, [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3]


def read_samples(folder, task):
    """{split: [(subject, time, label)]}, and the known codes of each (subject, time)"""
    splits = parquet.read_table(f"{folder}/metadata/subject_splits.parquet").to_pydict()
    split_of = dict(zip(splits["subject_id"], splits["split"]))
    labels = parquet.read_table(f"{folder}/labels/{task}").to_pydict()
    samples, times = collections.defaultdict(list), collections.defaultdict(list)
    for row in zip(labels["subject_id"], labels["prediction_time"], labels["boolean_value"]):
        samples[split_of[row[0]]].append(row)
        times[row[0]].append(row[1])
    known = collections.defaultdict(set)
    for split in samples:
        events = parquet.read_table(f"{folder}/data/{split}").to_pydict()
        for subject, time, code in zip(events["subject_id"], events["time"], events["code"]):
            for prediction in times.get(subject, []):
                if time is None or time <= prediction:
                    known[subject, prediction].add(code)
    return samples, known


def one_hot(rows, known, index):
    x = lil_matrix((len(rows), len(index)))
    for i, (subject, time, _) in enumerate(rows):
        for code in known[subject, time]:
            if code in index:
                x[i, index[code]] = 1
    return x.tocsr(), numpy.array([label for _, _, label in rows])


def fit(strength, x, y):
    return LogisticRegression(C=strength, max_iter=5000).fit(x, y)


def precision_of(model, x, y):
    return average_precision_score(y, model.predict_proba(x)[:, 1])


def best_by_folds(x, y):
    """The strength with the best mean over five folds."""
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(x, y))
    return max(STRENGTHS, key=lambda c: numpy.mean([precision_of(fit(c, x[a], y[a]), x[b], y[b]) for a, b in folds]))


def regress(samples, known):
    """(how C was chosen, C, average precision on tuning, scores of held_out), all fitted to train: C by tuning, and by folds of train and
    tuning, as BEHRT's settings were."""
    codes = sorted({code for subject, time, _ in samples["train"] for code in known[subject, time]})
    index = {code: i for i, code in enumerate(codes)}
    data = {split: one_hot(rows, known, index) for split, rows in samples.items()}
    by_tuning = max(STRENGTHS, key=lambda c: precision_of(fit(c, *data["train"]), *data["tuning"]))
    both = [stack([data["train"][i], data["tuning"][i]]) for i, stack in enumerate((vstack, numpy.concatenate))]
    chosen = [("tuning", by_tuning), ("folds", best_by_folds(both[0].tocsr(), both[1]))]
    out = []
    for how, strength in chosen:
        model = fit(strength, *data["train"])
        out.append((how, strength, precision_of(model, *data["tuning"]), model.predict_proba(data["held_out"][0])[:, 1]))
    return out


def read_predictions(path):
    with open(path, encoding="utf-8") as file:
        return {(int(row["subject_id"]), row["prediction_time"]): float(row["predicted_boolean_probability"])
                for row in csv.DictReader(file)}


def resample(subjects, label, columns, measure):
    """measure over all samples and over resamples of subjects, [1 + RESAMPLES, columns]"""
    draw = numpy.random.default_rng(0)
    names, of = numpy.unique(subjects, return_inverse=True)
    rows = [numpy.arange(len(subjects))]
    order = numpy.argsort(of, kind="stable")
    ends = numpy.cumsum(numpy.bincount(of))
    for _ in range(RESAMPLES):
        drawn = draw.integers(len(names), size=len(names))
        rows.append(numpy.concatenate([order[(ends[d - 1] if d else 0):ends[d]] for d in drawn]))
    return numpy.array([[measure(label[r], column[r]) for column in columns] for r in rows])


def interval(values, digits=3):
    low, high = numpy.percentile(values[1:], [2.5, 97.5])
    return f"{values[0]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main(folder, task, where, arms):
    samples, known = read_samples(folder, task)
    held_out = samples["held_out"]
    label = numpy.array([row[2] for row in held_out])
    regressions, spans = regress(samples, known), {}
    columns = [scores for *_, scores in regressions]
    for arm in arms:
        report = json.load(open(os.path.join(where, arm, "scores.json"), encoding="utf-8"))
        first = len(columns)
        for trial in report["trainings"]:
            got = read_predictions(os.path.join(where, arm, f"scores.seed-{trial['seed']}.csv"))
            columns.append(numpy.array([got[subject, str(time)] for subject, time, _ in held_out]))
        spans[arm] = report, slice(first, len(columns))
    subjects = numpy.array([row[0] for row in held_out])
    precision = resample(subjects, label, columns, average_precision_score)
    auroc = resample(subjects, label, columns, roc_auc_score)
    print(f"held_out: {len(label)} samples, prevalence {label.mean():.4f} (what a random score has as average precision)\n")
    print("| model | tuning AP | AP | AP of each seed | to the regression by tuning | to that by folds | AUROC |\n|---|---|---|---|---|---|---|")
    for i, (how, strength, tuning, _) in enumerate(regressions):
        print(f"| logistic regression, C {strength:g} by {how} | {tuning:.3f} | {interval(precision[:, i])} | | | | {interval(auroc[:, i])} |")
    for arm, (report, span) in spans.items():
        tuned = numpy.mean([trial["tuning_average_precision"] for trial in report["trainings"]])
        mean = precision[:, span].mean(axis=1)
        seeds = precision[0, span]
        assert abs(mean[0] - report["average_precision"]["mean"]) < 1e-6
        print(f"| {report['model']}, {arm} | {tuned:.3f} | {interval(mean)} | {', '.join(f'{v:.3f}' for v in seeds)} (sd {seeds.std(ddof=1):.3f}) | "
              f"{interval(mean - precision[:, 0])} | {interval(mean - precision[:, 1])} | {interval(auroc[:, span].mean(axis=1))} |")


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
