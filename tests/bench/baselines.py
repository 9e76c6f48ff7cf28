"""What tests/bench/baselines.sh has run, as markdown; and scikit-learn on the same rows.

usage: baselines.py FOLDER TASK...     FOLDER has TASK.ARM.json, .csv and .log, and TASK.svm, the rows of the arm `codes`
"""
import csv
import json
import os
import re
import sys
import time
import warnings

import numpy
from scipy.sparse import diags
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

STRENGTHS, RESAMPLES = [0.01, 0.03, 0.1, 0.3, 1, 3], 400
ARMS = {"age_sex": "age, sex", "codes": "codes", "hierarchy": "codes + hierarchy", "words": "codes + words", "trees": "trees: codes",
        "trees_hierarchy": "trees: codes + hierarchy"}
# ../shared/specs/ehr-conventions.md: whole sources, another split, all rows but where the task has more
PUBLISHED = {"death_at_admission": (".045", ".150", ".156", ".157"), "los7_at_admission": (".249 (20,000 rows)", ".404", ".414", ".412"),
             "death_from_discharge_codes": (".047", ".510", ".504", ".509"), "death_within_10y_of_65": (".070", ".236", ".257", ".269"),
             "hospital_death_24h": (".127", ".235", ".243", ".200")}
SIZE = {"los7_at_admission": 20000}


def load(folder, task, arm):
    path = os.path.join(folder, f"{task}.{arm}.json")
    return json.load(open(path)) if os.path.exists(path) else None


def interval(value, digits=3):
    if value["value"] is None:
        return "-"
    return f"{value['value']:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"


def over_draws(fits, part, measure):
    """mean, and the means of the intervals' ends, and the deviation over draws"""
    values = [fit[part][measure] for fit in fits]
    values = [value for value in values if value["value"] is not None]
    if not values:
        return "-"
    mean = {end: numpy.mean([value[end] for value in values]) for end in ("value", "low", "high")}
    text = interval(mean)
    return text + (f"; sd {numpy.std([value['value'] for value in values], ddof=1):.3f}" if len(values) > 1 else "")


def sizes_of(report, kind):
    return sorted({fit["size"] for fit in report["fits"] if fit["training"] == kind})


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def fits_of(report, size):
    return [fit for fit in report["fits"] if fit["training"] in ("rows", "all") and fit["size"] == size]


def curve(reports, part, measure):
    report = next(iter(reports.values()))
    sizes = sizes_of(report, "rows") + sizes_of(report, "all")
    table(["training rows"] + [ARMS[arm] for arm in reports],
          [[f"{size:,}"] + [over_draws(fits_of(reports[arm], size), part, measure) for arm in reports] for size in sizes])


def settings_of(report):
    fit = report["fits"][-1]
    return f"C {fit['strength']:g}" if "strength" in fit else f"{fit['trees']} trees, rate {fit['rate']:g}, depth {fit['depth']}"


# ---- paired differences ----
def predictions(folder, task, arm):
    rows = list(csv.DictReader(open(os.path.join(folder, f"{task}.{arm}.csv"))))
    return (numpy.array([int(row["subject_id"]) for row in rows]), numpy.array([row["boolean_value"] == "true" for row in rows]),
            numpy.array([float(row["predicted_boolean_probability"]) for row in rows]))


def difference(folder, task, arm, other):
    """of average precision, with 95 % from resamples of subjects, the same for both"""
    subject, label, a = predictions(folder, task, arm)
    _, _, b = predictions(folder, task, other)
    of = numpy.unique(subject, return_inverse=True)[1]
    draw = numpy.random.default_rng(0)
    measure = lambda weight: average_precision_score(label, a, sample_weight=weight) - average_precision_score(label, b, sample_weight=weight)
    values = []
    for _ in range(RESAMPLES):
        weight = draw.poisson(1, of.max() + 1)[of].astype(float)
        values.append(measure(weight) if weight[label].any() else numpy.nan)
    low, high = numpy.nanpercentile(values, [2.5, 97.5])
    return f"{measure(numpy.ones(len(label))):+.3f} ({low:+.3f} to {high:+.3f})"


# ---- scikit-learn ----
def read_rows(path):
    names, splits = [], []
    for line in open(path, encoding="utf-8"):
        if line.startswith("# column"):
            names.append(line.rstrip("\n").split(" ", 3)[3])
        elif not line.startswith("#"):
            splits.append(line.split(" # ")[1].split()[0])
    x, y = load_svmlight_file(path, n_features=len(names), zero_based=True)
    return names, numpy.array(splits), x.tocsr(), y


def beside_sklearn(folder, task):
    names, split, x, y = read_rows(os.path.join(folder, f"{task}.svm"))
    train, tuning, held_out = (split == name for name in ("train", "tuning", "held_out"))
    largest = numpy.asarray(abs(x[train]).max(axis=0).todense()).ravel()
    scale = 1 / numpy.where(largest > 0, largest, 1)
    x = (x @ diags(scale)).tocsr()
    report = load(folder, task, "codes")
    fit = report["fits"][-1]
    log = open(os.path.join(folder, f"{task}.codes.log"), encoding="utf-8").read()
    ours = float(re.findall(r"all of train.*fitted in ([0-9.]+) s", log)[0])
    row = [f"`{task}`", f"{x[train].shape[0]:,} x {fit['columns']:,}"]
    for tolerance in (1e-4, 1e-7):
        begun = time.perf_counter()
        best, model = None, LogisticRegression(tol=tolerance, max_iter=5000, warm_start=True)
        for strength in STRENGTHS:
            model.set_params(C=strength).fit(x[train], y[train])
            score = average_precision_score(y[tuning], model.predict_proba(x[tuning])[:, 1])
            if best is None or score > best[0]:
                best = score, strength, model.coef_[0].copy(), model.predict_proba(x[held_out])[:, 1]
        seconds = time.perf_counter() - begun
        ap = average_precision_score(y[held_out], best[3])
        row += [f"C {best[1]:g}, {ap:.4f}", f"{seconds:.1f}", f"{seconds / ours:.1f}"]
        if tolerance == 1e-4:
            row[2:2] = [f"{settings_of(report)}, {fit['scores']['average_precision']['value']:.4f}", f"{ours:.1f}"]
    exact = LogisticRegression(C=fit["strength"], tol=1e-10, max_iter=20000).fit(x[train], y[train])
    weights = dict(zip(names, exact.coef_[0]))
    scaled = dict(zip(names, scale))
    row.append(f"{max(abs(w['weight'] / scaled[w['column']] - weights[w['column']]) for w in report['weights']):.1e}")
    return row


def main(folder, tasks):
    warnings.filterwarnings("ignore")
    print("`tests/bench/baselines.sh`: settings chosen by average precision on tuning, held_out scored once. Average precision with 95 %"
          " from 400 resamples of subjects; of fewer rows than all the means over 3 draws, and the standard deviation over them.\n")
    differences, published, rows = [], [], []
    for task in tasks:
        reports = {arm: load(folder, task, arm) for arm in ARMS if load(folder, task, arm)}
        first = reports["codes"]
        print(f"## {task}\n")
        print(f"{first['samples']['train']['n']:,} rows of train, {first['samples']['tuning']['n']:,} of tuning, "
              f"{first['samples']['held_out']['n']:,} of held_out, {first['samples']['held_out']['true']} true: prevalence "
              f"{first['prevalence']:.3f}. Columns: {first['columns']['codes']:,} codes, {reports['hierarchy']['columns']['hierarchy']:,} "
              f"of the hierarchy, {reports['words']['columns']['words']:,} words. Chosen with all rows: "
              + "; ".join(f"{ARMS[arm]} {settings_of(reports[arm])}" for arm in reports) + ".\n")
        curve(reports, "scores", "average_precision")
        print("AUROC with all rows: " + ", ".join(f"{ARMS[arm]} {interval(reports[arm]['fits'][-1]['scores']['auroc'])}" for arm in reports)
              + ".\n")
        unseen = {size: [fit["unseen"] for fit in fits_of(first, size)] for size in sizes_of(first, "rows") + sizes_of(first, "all")}
        if any(part["true"] for parts in unseen.values() for part in parts):
            print("Held-out rows whose codes training never saw: " + "; ".join(
                f"{size:,} training rows: {numpy.mean([part['n'] for part in parts]):.0f} rows, "
                f"{numpy.mean([part['true'] for part in parts]):.1f} true" for size, parts in unseen.items()) + ".\n")
            curve(reports, "unseen", "average_precision")
        for arm in reports:
            if arm not in ("codes", "age_sex"):
                other = "trees" if arm == "trees_hierarchy" else "codes"
                differences.append([f"`{task}`", f"{ARMS[arm]} - {ARMS[other]}", difference(folder, task, arm, other)])
        size = SIZE.get(task, sizes_of(first, "all")[0])
        ours = [f"{numpy.mean([fit['scores']['average_precision']['value'] for fit in fits_of(reports[arm], size)]):.3f}"
                for arm in ("age_sex", "codes", "hierarchy", "words")]
        published.append([f"`{task}`", f"{size:,}"] + [f"{a} / {b}" for a, b in zip(ours, PUBLISHED[task])])
        rows.append(beside_sklearn(folder, task))
    print("## Differences of average precision with all rows\n")
    print("Paired: 95 % from 400 resamples of subjects, the same for both.\n")
    table(["task", "arms", "difference"], differences)
    print("## Beside the figures of ehr-conventions.md\n")
    print("Ours / theirs, which were made on the whole sources and other splits.\n")
    table(["task", "training rows", "age, sex", "codes", "+ hierarchy", "+ words"], published)
    print("## Beside scikit-learn on the same rows\n")
    print("The whole grid of six strengths, one thread each, both with warm starts; seconds of fitting and choosing. Average precision on "
          "held_out of what each chose. Weights: the largest difference of a (scaled) weight from scikit-learn's at our strength, tol 1e-10.\n")
    table(["task", "rows x columns", "ours", "s", "scikit-learn, tol 1e-4", "s", "ratio", "tol 1e-7", "s", "ratio", "weights"], rows)
    shots = {arm: load(folder, "los7_at_admission", "shots_" + arm) for arm in ("codes", "hierarchy")}
    if all(shots.values()):
        print("## Few-shot, EHRSHOT's protocol: `los7_at_admission`\n")
        print("k of each class from train and from tuning, 3 draws, chosen by AUROC; mean (standard deviation over draws).\n")
        cell = lambda value: f"{value['mean']:.3f}" + (f" ({value['sd']:.3f})" if value["sd"] is not None else "")
        names = [f"{d['size']}" if d["training"] == "shots" else "all" for d in shots["codes"]["draws"]]
        table(["k"] + [f"{m}, {ARMS[arm]}" for m in ("AUROC", "average precision") for arm in shots],
              [[name] + [cell(shots[arm]["draws"][i][m]) for m in ("auroc", "average_precision") for arm in shots]
               for i, name in enumerate(names)])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
