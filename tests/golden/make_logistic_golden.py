#!/usr/bin/env python3
"""Logistic regressions on made-up rows, fitted by scikit-learn, for tests/mpi/test_baselines_mpi.c.

usage: make_logistic_golden.py write | check          (scikit-learn and numpy)

`write` makes tests/golden/baselines/logistic.txt; `check` fits everything anew and compares with that file to 1e-6. Columns are scaled
by the largest absolute value of the rows, rows count as their weight says. The solver is newton-cholesky, which finds the optimum to
rounding; lbfgs, which stops where the loss no longer falls, must be within 1e-4 of it.

    case NAME ROWS COLUMNS CLASSES C          then a line a row: LABEL WEIGHT ENTRIES COLUMN VALUE ...
    objective VALUE                           then a line a column, and one of intercepts: a weight for each output
"""
import pathlib
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression

FILE = pathlib.Path(__file__).parent / "baselines" / "logistic.txt"


def make_rows(draw, n, columns, classes):
    """Counts of a few common and many rare columns, one that all rows have, and a dense one of other size (age)."""
    common = draw.integers(1, columns, size=(classes, 3))
    x = np.zeros((n, columns))
    label = draw.integers(classes, size=n)
    label[draw.random(n) < 0.5] = 0
    label[:classes] = np.arange(classes)
    for i in range(n):
        for _ in range(draw.integers(1, 9)):
            x[i, min(int(draw.exponential(columns / 6)), columns - 1)] += 1
        x[i, draw.choice(common[label[i]])] += 1
    x[:, 0] = np.round(90 * draw.random(n), 3).astype(np.float32)
    x[:, columns - 1] = 1
    return x, label


def fit(x, label, weight, strength):
    scaled = x / np.maximum(np.abs(x).max(axis=0), 1e-300)
    solved = []
    for solver in "lbfgs", "newton-cholesky":
        model = LogisticRegression(C=strength, solver=solver, tol=1e-12, max_iter=100000)
        model.fit(scaled, label, sample_weight=weight)
        solved.append(np.vstack([model.coef_.T, model.intercept_ - (model.intercept_.mean() if len(model.classes_) > 2 else 0)]))
    assert np.abs(solved[0] - solved[1]).max() < 1e-4, "lbfgs ends elsewhere"
    coefficients = solved[1]
    probability = model.predict_proba(scaled)[np.arange(len(label)), label]
    return coefficients, strength * np.sum(-weight * np.log(probability)) + np.sum(model.coef_ ** 2) / 2


def cases():
    for name, n, columns, classes, strength in [("usual", 700, 60, 2, 1.0), ("strong_penalty", 300, 40, 2, 1e-3),
                                                ("weak_penalty", 400, 50, 2, 100.0), ("more_columns_than_rows", 12, 80, 2, 0.3),
                                                ("three_classes", 600, 40, 3, 1.0), ("ten_classes", 900, 30, 10, 0.1)]:
        draw = np.random.default_rng(len(name) + n)
        x, label = make_rows(draw, n, columns, classes)
        weight = np.where(draw.random(n) < 0.2, draw.integers(2, 5, size=n), 1).astype(float)
        yield name, x, label, weight, classes, strength


def text():
    lines = []
    for name, x, label, weight, classes, strength in cases():
        coefficients, objective = fit(x, label, weight, strength)
        lines.append(f"case {name} {x.shape[0]} {x.shape[1]} {classes} {strength!r}")
        for row, y, w in zip(x, label, weight):
            at = np.flatnonzero(row)
            lines.append(f"{y} {w:g} {len(at)} " + " ".join(f"{c} {row[c]:.9g}" for c in at))
        lines.append(f"objective {float(objective)!r}")
        lines += [" ".join(f"{value:.12g}" for value in row) for row in coefficients]
    return "\n".join(lines) + "\n"


def check(new, old):
    new, old = new.split("\n"), old.split("\n")
    assert len(new) == len(old), "other lines"
    for a, b in zip(new, old):
        for x, y in zip(a.split(), b.split(), strict=True):
            if x != y and abs(float(x) - float(y)) > 1e-6 * max(1, abs(float(y))):
                raise SystemExit(f"scikit-learn gives\n{a}\nnot\n{b}")
    print("the golden fits are scikit-learn's")


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(text())
    elif sys.argv[1:] == ["check"]:
        check(text(), FILE.read_text())
    else:
        raise SystemExit(__doc__)
