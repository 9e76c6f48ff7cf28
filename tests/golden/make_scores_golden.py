#!/usr/bin/env python3
"""Scores of made-up predictions, computed by scikit-learn, for tests/unit/measure/test_scores_golden.c.

usage: make_scores_golden.py write | check          (scikit-learn and numpy)

`write` makes tests/golden/scores/scores.txt; `check` computes everything anew and compares with that file to 1e-12.
What scikit-learn has no function for (calibration with weights, prevalences of averages, the threshold with the best F1) is computed here
by its definition. A class without positive samples, without negative ones, or that nobody has or is thought to have is left out of
averages, as src/measure/class_scores.h says; scikit-learn then gets the classes that are left.
"""
import math
import pathlib
import sys
import warnings

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import (accuracy_score, average_precision_score, brier_score_loss, cohen_kappa_score, f1_score, log_loss,
                             roc_auc_score)

FILE = pathlib.Path(__file__).parent / "scores" / "scores.txt"
NAN = math.nan


# ---- binary ----
def calibration_error(label, score, weight):
    """Mean over the bins that hold samples."""
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], score)
    off = [abs(np.average(label[bins == b], weights=weight[bins == b]) - np.average(score[bins == b], weights=weight[bins == b]))
           for b in range(10) if (bins == b).any()]
    return float(np.mean(off))


def best_threshold(label, score):
    best, at = 0, math.inf
    for threshold in sorted(set(score.tolist()), reverse=True):
        f1 = f1_score(label, score >= threshold, zero_division=0)
        if f1 > best:
            best, at = f1, threshold
    return at


def binary_scores(label, score, chosen, given, weight):
    both = 0 < label.sum() < len(label)
    out = {"prevalence": np.average(label, weights=weight),
           "auroc": roc_auc_score(label, score, sample_weight=weight) if both else NAN,
           "average_precision": average_precision_score(label, score, sample_weight=weight) if label.any() else NAN}
    if ((score >= 0) & (score <= 1)).all():
        out["brier"] = brier_score_loss(label, score, sample_weight=weight, pos_label=1)
        out["log_loss"] = log_loss(label, score, sample_weight=weight, labels=[0, 1])
        out["calibration_error"] = calibration_error(label, score, weight)
        if (weight == 1).all():
            true, predicted = calibration_curve(label, score, n_bins=10)
            assert abs(out["calibration_error"] - np.abs(true - predicted).mean()) < 1e-14
    else:
        out |= {"brier": NAN, "log_loss": NAN, "calibration_error": NAN}
    for ending, decision in (("", score >= 0.5), ("_chosen", chosen), ("_given", given)):
        out["accuracy" + ending] = NAN if decision is None else accuracy_score(label, decision, sample_weight=weight)
        out["f1" + ending] = NAN if decision is None else f1_score(label, decision, sample_weight=weight, zero_division=0)
    return out


def binary(name, subject, label, score, threshold=None, given=None):
    subject, label, score = np.asarray(subject), np.asarray(label, int), np.asarray(score, float)
    chosen = None if threshold is None else score >= threshold
    given = None if given is None else np.asarray(given)
    lines = [f"binary {name} {len(label)} {number(best_threshold(label, score))}"]
    for i in range(len(label)):
        decisions = [-1 if d is None else int(d[i]) for d in (chosen, given)]
        lines.append(f"{subject[i]} {label[i]} {number(score[i])} {decisions[0]} {decisions[1]}")
    for by, weight in weightings(subject):
        for measure, value in binary_scores(label, score, chosen, given, weight).items():
            lines.append(f"{by} {measure} {number(value)}")
    return lines + ["end"]


# ---- classes and sets ----
def averages(measure, keep, label, score, weight):
    """micro, macro, weighted: the last two over the classes of keep."""
    if not keep.any():
        return measure(label, score, "micro", weight), NAN, NAN
    left, scores = label[:, keep], score[:, keep]
    if keep.sum() == 1: # scikit-learn takes one column for a binary task
        one = measure(left[:, 0], scores[:, 0], "binary", weight)
        return measure(label, score, "micro", weight), one, one if np.average(left[:, 0], weights=weight) > 0 else NAN
    weighted = measure(left, scores, "weighted", weight) if left.any() else NAN
    return measure(label, score, "micro", weight), measure(left, scores, "macro", weight), weighted


def average_precision(label, score, average, weight):
    if not label.any():
        return NAN
    return average_precision_score(label, score, average=None if average == "binary" else average, sample_weight=weight)


def auroc(label, score, average, weight):
    if label.all() or not label.any():
        return NAN
    return roc_auc_score(label, score, average=None if average == "binary" else average, sample_weight=weight)


def f1(label, decision, average, weight):
    if average == "micro" and not (label | decision).any():
        return NAN
    return f1_score(label, decision, average=average, sample_weight=weight, zero_division=NAN)


def over_rows(measure, rows, label, score, weight):
    values = [measure(label[i:i + 1].T[:, 0], score[i:i + 1].T[:, 0]) for i in np.flatnonzero(rows)]
    return np.average(values, weights=weight[rows]) if len(values) else NAN


def prevalences(label, weight):
    share, any_positive = np.average(label, axis=0, weights=weight), label.any(axis=0)
    rows = label.any(axis=1)
    return {"prevalence_micro": share.mean(), "prevalence_macro": share[any_positive].mean() if any_positive.any() else NAN,
            "prevalence_weighted": np.average(share, weights=share) if any_positive.any() else NAN,
            "prevalence_samples": np.average(label[rows].mean(axis=1), weights=weight[rows]) if rows.any() else NAN}


def class_scores(form, label, score, threshold, weight, classes):
    positive, negative = label.any(axis=0), (~label).any(axis=0)
    out = {}

    def put(name, values):
        out.update(zip((f"{name}_micro", f"{name}_macro", f"{name}_weighted", f"{name}_samples"), values))

    is_set = form == "set"
    decided = score >= 0.5 if is_set else np.arange(score.shape[1]) == score.argmax(axis=1)[:, None]
    rows = label.any(axis=1)
    put("average_precision", (*averages(average_precision, positive, label, score, weight),
                              over_rows(average_precision_score, rows, label, score, weight) if is_set else NAN))
    put("auroc", (*averages(auroc, positive & negative, label, score, weight),
                  over_rows(roc_auc_score, rows & (~label).any(axis=1), label, score, weight) if is_set else NAN))
    for name, decision in (("f1", decided), ("f1_chosen", None if threshold is None else score >= threshold)):
        if decision is None:
            put(name, (NAN,) * 4)
            continue
        some = (label | decision).any(axis=1)
        put(name, (*averages(f1, (label | decision).any(axis=0), label, decision, weight),
                   over_rows(f1_score, some, label, decision, weight) if is_set else NAN))
    out["accuracy"] = NAN if is_set else accuracy_score(classes, score.argmax(axis=1), sample_weight=weight)
    out["kappa"] = NAN if is_set else kappa(classes, score.argmax(axis=1), score.shape[1], weight)
    prevalence = prevalences(label, weight)
    if not is_set:
        prevalence["prevalence_samples"] = NAN
    return out | prevalence


def kappa(classes, decided, n, weight):
    if len(set(classes.tolist()) | set(decided.tolist())) == 1:
        return NAN
    return cohen_kappa_score(classes, decided, labels=range(n), weights="linear", sample_weight=weight)


def many_classes(name, form, subject, label, score, threshold=None):
    """label: classes of a sample each, or lists of them."""
    subject, score = np.asarray(subject), np.asarray(score, np.float32).astype(float)
    n, n_classes = score.shape
    one_hot = np.zeros((n, n_classes), bool)
    for i, classes in enumerate(label):
        one_hot[i, classes] = True
    best = best_threshold(one_hot.ravel(), score.ravel()) if form == "set" else NAN
    lines = [f"{form} {name} {n} {n_classes} {number(NAN if threshold is None else threshold)} {number(best)}"]
    for i in range(n):
        classes = np.flatnonzero(one_hot[i])
        head = [len(classes), *classes] if form == "set" else classes
        lines.append(" ".join(map(str, [subject[i], *head])) + " " + " ".join(map(number, score[i])))
    for by, weight in weightings(subject):
        for measure, value in class_scores(form, one_hot, score, threshold, weight, np.asarray(label, object)
                                           if form == "set" else np.asarray(label)).items():
            lines.append(f"{by} {measure} {number(value)}")
    ones = np.ones(n)
    for c in range(n_classes):
        positive = one_hot[:, c]
        values = [positive.mean(), auroc(positive, score[:, c], "binary", ones),
                  average_precision(positive, score[:, c], "binary", ones)]
        lines.append(f"class {c} {positive.sum()} " + " ".join(map(number, values)))
    return lines + ["end"]


# ---- cases ----
def number(value):
    return repr(float(value))


def weightings(subject):
    _, unit, rows = np.unique(subject, return_inverse=True, return_counts=True)
    return ("samples", np.ones(len(subject))), ("subjects", 1 / rows[unit])


def binary_cases(rng):
    def draw(n, subjects):
        return rng.integers(0, subjects, n), rng.integers(0, 2, n), rng.random(n)

    subject, label, score = draw(60, 17)
    yield binary("plain", subject, label, score, 0.37, rng.integers(0, 2, 60))
    yield binary("ties", subject, label, np.round(score, 1), 0.3)
    yield binary("float32", subject, label, score.astype(np.float32))
    yield binary("few_positive", subject, (rng.random(60) < 0.05) | (np.arange(60) == 7), score * 0.2, 0.1)
    yield binary("all_tied", subject, label, np.full(60, 0.3), 0.3)
    yield binary("no_positive", subject, np.zeros(60, int), score, 0.5)
    yield binary("all_positive", subject, np.ones(60, int), score, 0.9)
    yield binary("nobody_thought_positive", subject, np.zeros(60, int), score * 0.4)
    yield binary("perfect", subject, label, label * 0.8 + 0.1, 0.9, label)
    yield binary("reversed", subject, label, 1 - label * 1.0, 1.0, 1 - label)
    yield binary("logits", subject, label, (score - 0.5) * 8, 0.0)
    yield binary("negative_zero", [1, 1, 2, 3], [1, 0, 1, 0], [0.0, -0.0, 0.5, -0.0])
    yield binary("one_sample", [4], [1], [0.7], 0.8, [0])
    yield binary("edges_of_bins", np.arange(11) // 2, np.arange(11) % 2, np.linspace(0, 1, 11), 0.3)
    yield binary("extreme", subject, label, np.where(rng.random(60) < 0.5, label, 1 - label).astype(float), 1.0)
    yield binary("one_subject_of_many", np.r_[np.zeros(50, int), np.arange(1, 11)], label, score, 0.6)
    subject, label, score = draw(300, 40)
    yield binary("more", -subject, label, np.where(label == 1, score ** 0.7, score), 0.45, score > 0.6)
    yield binary("denormal", subject[:40], label[:40], np.ldexp(score[:40], -1060), 0.5)


def class_cases(rng):
    def softmax(logits):
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    n, subject = 80, rng.integers(0, 23, 80)
    label = rng.integers(0, 5, n)
    score = softmax(rng.normal(size=(n, 5)) + 1.5 * np.eye(5)[label])
    yield many_classes("classes", "class", subject, label, score)
    yield many_classes("classes_tied", "class", subject, label, np.round(score, 1))
    yield many_classes("a_class_that_nobody_has", "class", subject, np.where(label == 2, 3, label), score)
    yield many_classes("one_class_for_all", "class", subject, np.full(n, 1), score)
    yield many_classes("one_class_for_all_and_found", "class", subject, np.full(n, 1), np.tile(np.eye(5)[1], (n, 1)))
    yield many_classes("all_scores_equal", "class", subject, label, np.full((n, 5), 0.2))
    yield many_classes("two_classes", "class", subject, label % 2, softmax(rng.normal(size=(n, 2))))
    sets = rng.random((n, 6)) < [0.5, 0.3, 0.1, 0, 1, 0.05]
    sets[:5] = False
    sets[5] = True
    sets[6, 2] = True
    score = np.clip(rng.random((n, 6)) * 0.6 + sets * 0.25, 0, 1)
    lists = [np.flatnonzero(row) for row in sets]
    yield many_classes("sets", "set", subject, lists, score, 0.625)
    yield many_classes("sets_tied", "set", subject, lists, np.round(score, 1), 0.4)
    yield many_classes("sets_low", "set", subject, lists, score * 0.25)
    yield many_classes("no_sets", "set", subject, [[] for _ in range(n)], score, 0.5)
    yield many_classes("full_sets", "set", subject, [range(6) for _ in range(n)], score, 0.25)
    yield many_classes("one_set_each", "set", np.arange(n), [[i % 6] for i in range(n)], np.full((n, 6), 0.5), 0.5)


def make():
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(20261126)
    lines = ["# Made by tests/golden/make_scores_golden.py. Not to be edited."]
    for case in (*binary_cases(rng), *class_cases(rng)):
        lines += case
    return lines


def same(a, b):
    words = list(zip(a.split(), b.split(), strict=True))
    return all(x == y or (("." in x or "e-" in x) and abs(float(x) - float(y)) <= 1e-12) for x, y in words)


def main(action):
    lines = make()
    if action == "write":
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text("\n".join(lines) + "\n")
        print(f"{len(lines)} lines in {FILE}")
    elif action == "check":
        kept = FILE.read_text().splitlines()
        assert len(kept) == len(lines), f"{FILE} has {len(kept)} lines, not {len(lines)}: another version of numpy may draw other cases"
        for at, (a, b) in enumerate(zip(kept, lines), 1):
            assert same(a, b), f"{FILE}:{at}: {a}, but scikit-learn says now: {b}"
        print(f"{len(lines)} lines are what scikit-learn computes")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
