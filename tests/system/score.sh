#!/usr/bin/env bash
# score: anyone's predictions, in whatever form, get scikit-learn's values and, where it is installed, meds-evaluation's; intervals and paired
# differences; the same on two ranks; EHRSHOT's leaderboard; and what cannot be scored is refused.
# MEDS_PYTHON in the environment names a Python with meds-evaluation (pip install meds-evaluation), if PYTHON's has none.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

score() { "$MEDTOK" score --set score.resamples=200 "$@"; }
cat >make.py <<'PYTHON'
"""Predictions of 400 samples of 90 subjects as CSV of several spellings, and what a second, better model says; validation samples."""
import csv, gzip, random

rng = random.Random(4)
rows = []
for i in range(400):
    label = rng.random() < 0.3
    score = min(max(rng.gauss(0.42 if label else 0.3, 0.15), 0), 1)
    better = min(max(0.5 * score + (0.4 if label else 0.1) + rng.gauss(0, 0.05), 0), 1)
    rows.append((rng.randrange(90), f"20{i // 28 + 10}-02-{i % 28 + 1:02d}", label, score, better))

def write(path, score, names=("subject_id", "prediction_time", "boolean_value", "predicted_boolean_value", "predicted_boolean_probability"),
          opened=open, decided=lambda value: value > 0.35, rows=rows, text=str):
    with opened(path, "wt", newline="") as out:
        table = csv.writer(out, delimiter="\t" if path.endswith("tsv") else ",")
        table.writerow(names)
        for row in rows:
            fields = {"subject_id": row[0], "prediction_time": row[1] + " 23:59:00", "boolean_value": text(row[2]),
                      "predicted_boolean_value": text(decided(row[score])), "predicted_boolean_probability": repr(row[score])}
            table.writerow(fields.get(name, "x") for name in names)

write("a.csv", 3)
write("b.csv", 4)
rng.shuffle(rows)
write("shuffled.csv.gz", 3, opened=gzip.open, text=lambda b: str(b).lower())
write("other.tsv", 3, ("note", "predicted_boolean_probability", "boolean_value", "prediction_time", "subject_id"), text=lambda b: int(b))
write("tuning.csv", 3, rows=[(1000 + s, t, l, a, b) for s, t, l, a, b in rows[:150]])
write("ties.csv", 3, rows=[(s, t, l, round(a, 1), b) for s, t, l, a, b in rows])
PYTHON
python3 make.py || fail "make.py"

# ---- forms ----
score --set score.predictions=a.csv score.report=a.json score.meds=a.meds.json score.tuning=tuning.csv >out 2>log || fail "score: $(cat log)"
grep -q '^400 samples of 8[0-9] subjects, 1[0-9]* true: a random score has an average precision of 0' out || fail "the prevalence: $(cat out)"
grep -q 'f1_given ' out && grep -q 'threshold chosen on other samples: 0.' out || fail "decisions: $(cat out)"
score --set score.predictions=shuffled.csv.gz score.report=s.json score.meds=s.meds.json score.tuning=tuning.csv >out 2>log || fail "gzip: $(cat log)"
cmp a.meds.json s.meds.json || fail "another order, other spellings: other scores"
score --set score.predictions=other.tsv score.report=other.json >out 2>log || fail "TSV: $(cat log)"
grep -q f1_given out && fail "decisions that nobody gave: $(cat out)"
score --set score.predictions=ties.csv score.report=ties.json score.meds=ties.meds.json >out 2>log || fail "ties: $(cat log)"
score --set score.predictions=a.csv score.report=two.json score.against=b.csv score.against_tuning=tuning.csv >out 2>log ||
    fail "two files: $(cat log)"
grep -q '^a.csv less b.csv$' out || fail "no difference: $(cat out)"
"$MPIRUN" -n 2 "$MEDTOK" score --set score.resamples=200 score.predictions=a.csv score.report=ranks.json score.against=b.csv \
    score.against_tuning=tuning.csv >out 2>log || fail "on two ranks: $(cat log)"
cmp two.json ranks.json || fail "two ranks, other scores"
python3 - <<'PYTHON' || fail "the report"
import json
a, two = json.load(open("a.json")), json.load(open("two.json"))
s, t = json.load(open("s.json")), json.load(open("other.json"))
for report in (s, t): # the rows' order and form do not matter
    assert report["arms"][0]["by_samples"]["auroc"] == a["arms"][0]["by_samples"]["auroc"]
assert t["arms"][0]["by_samples"]["f1_chosen"]["value"] is None and a["arms"][0]["by_samples"]["f1_chosen"]["value"] > 0
assert two["arms"][0]["by_samples"]["auroc"] == a["arms"][0]["by_samples"]["auroc"], "the same resamples whatever stands beside"
for by in ("by_samples", "by_subjects"):
    first, second, less = (part[by] for part in (*two["arms"], two["difference"]))
    for name, value in less.items():
        if value["value"] is None:
            continue
        assert abs(first[name]["value"] - second[name]["value"] - value["value"]) < 1e-8, (name, value)
        assert value["low"] <= value["value"] <= value["high"], (name, value)
    assert less["auroc"]["high"] < 0, "the second is far better"
    own = (first["auroc"]["high"] - first["auroc"]["low"]) ** 2 + (second["auroc"]["high"] - second["auroc"]["low"]) ** 2
    assert (less["auroc"]["high"] - less["auroc"]["low"]) ** 2 < own, "paired, so narrower than of two that know nothing of each other"
PYTHON

# ---- others' values ----
cat >check.py <<'PYTHON'
import csv, json, math, sys
import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, f1_score, roc_auc_score

for name in ("a", "ties"):
    rows = list(csv.DictReader(open(f"{name}.csv")))
    subject = np.array([int(row["subject_id"]) for row in rows])
    label = np.array([row["boolean_value"] == "True" for row in rows])
    given = np.array([row["predicted_boolean_value"] == "True" for row in rows])
    score = np.array([float(row["predicted_boolean_probability"]) for row in rows])
    meds = json.load(open(f"{name}.meds.json"))
    _, unit, count = np.unique(subject, return_inverse=True, return_counts=True)
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], score)
    for by, weight in (("samples_equally_weighted", np.ones(len(rows))), ("subjects_equally_weighted", 1 / count[unit])):
        calibration = np.mean([abs(np.average(label[bins == b], weights=weight[bins == b]) -
                                   np.average(score[bins == b], weights=weight[bins == b])) for b in set(bins.tolist())])
        wanted = {"binary_accuracy": accuracy_score(label, given, sample_weight=weight), "f1_score": f1_score(label, given, sample_weight=weight),
                  "roc_auc_score": roc_auc_score(label, score, sample_weight=weight),
                  "average_precision_score": average_precision_score(label, score, sample_weight=weight),
                  "calibration_error": calibration, "brier_score": brier_score_loss(label, score, sample_weight=weight)}
        assert list(meds[by]) == list(wanted), meds
        for key, value in wanted.items():
            assert abs(meds[by][key] - value) < 1e-12, (name, by, key, meds[by][key], value)
    true, predicted = calibration_curve(label, score, n_bins=10)
    assert abs(meds["samples_equally_weighted"]["calibration_error"] - np.abs(true - predicted).mean()) < 1e-12
PYTHON
if "$PYTHON" -c 'import sklearn' 2>/dev/null; then
    "$PYTHON" check.py || fail "the values are not scikit-learn's"
else
    echo "scikit-learn is not installed for $PYTHON: its values were not compared"
fi
if "$PYTHON" -c 'import pyarrow' 2>/dev/null; then
    "$PYTHON" - <<'PYTHON' || fail "a Parquet file of them"
import pyarrow as pa, pyarrow.csv as csv, pyarrow.parquet as pq
table = csv.read_csv("a.csv", convert_options=csv.ConvertOptions(column_types={
    "prediction_time": pa.timestamp("us"), "predicted_boolean_probability": pa.float32()}))
pq.write_table(table, "a.parquet")
pq.write_table(table.drop_columns(["predicted_boolean_value"]), "bare.parquet")
pq.write_table(table.set_column(1, "prediction_time", table["prediction_time"].cast(pa.string())), "texts.parquet")
null = pa.array([None] + table["boolean_value"].to_pylist()[1:], pa.bool_())
pq.write_table(table.set_column(2, "boolean_value", null), "null.parquet")
pq.write_table(table.drop_columns(["boolean_value"]), "lacks.parquet")
PYTHON
    export PYTHON
    score --set score.predictions=a.parquet score.report=parquet.json score.meds=parquet.meds.json >out 2>log || fail "Parquet: $(cat log)"
    score --set score.predictions=bare.parquet score.report=bare.json >out 2>log || fail "Parquet without decisions: $(cat log)"
    expect_error 1 'texts.parquet: the column prediction_time holds string, not times' score --set score.predictions=texts.parquet
    expect_error 1 'null.parquet, row 1: boolean_value is "": expected true or false' score --set score.predictions=null.parquet
    expect_error 1 'lacks.parquet: the file lacks the column boolean_value; it has ' score --set score.predictions=lacks.parquet
    expect_error 1 'nopython cannot be started: .* by score.python, or by PYTHON' score --set score.predictions=a.parquet score.python=./nopython
    MEDS_PYTHON=${MEDS_PYTHON:-$PYTHON}
    if "$MEDS_PYTHON" -c 'import meds_evaluation' 2>/dev/null; then
        "$MEDS_PYTHON" - <<'PYTHON' || fail "the scores are not those of meds-evaluation"
import json, statistics
import polars as pl
from meds_evaluation.evaluate import evaluate_binary_classification
ours, rows = json.load(open("parquet.meds.json")), pl.read_parquet("a.parquet")
theirs = evaluate_binary_classification(rows)
assert list(ours) == list(theirs) and all(list(ours[by]) == list(theirs[by]) for by in ours), (ours, theirs)
for key, value in theirs["samples_equally_weighted"].items():
    assert abs(ours["samples_equally_weighted"][key] - value) < 1e-12, (key, value)
# By subjects the package draws; the mean over many draws comes near the expectation, but for F1, average precision and the like, which
# are no means: there it need not, quite.
draws = [evaluate_binary_classification(rows, samples_per_subject=50, resampling_seed=seed)["subjects_equally_weighted"] for seed in range(30)]
for key, value in ours["subjects_equally_weighted"].items():
    drawn = [draw[key] for draw in draws]
    mean, error = statistics.mean(drawn), statistics.stdev(drawn) / 30 ** 0.5
    assert abs(mean - value) < 5 * error + 0.003, (key, value, mean, error)
PYTHON
    else
        echo "meds-evaluation is not installed for $MEDS_PYTHON: its scores were not compared"
    fi
else
    echo "pyarrow is not installed for $PYTHON: Parquet was not tried"
fi

# ---- many classes ----
cat >classes.py <<'PYTHON'
"""Predictions as baseline writes them: ten classes, one a sample; and sets of six, of which nobody has the last."""
import csv, random
rng = random.Random(9)
def write(path, names, rows):
    with open(path, "w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["subject_id", "prediction_time", "classes", *names])
        table.writerows(rows)
def times(first, n):
    return [[first + rng.randrange(40), f"2019-0{i // 28 % 9 + 1}-{i % 28 + 1:02d} {i // 252:02d}:00:00"] for i in range(n)]
keys, one, any_, worse = times(0, 200), [], [], []
for key in keys:
    label = rng.randrange(10)
    scores = [rng.random() + (c == label) * 0.5 for c in range(10)]
    one.append([*key, label, *(f"{s / sum(scores):.9g}" for s in scores)])
    held = [c for c in range(5) if rng.random() < 0.3]
    scores = [round(min(rng.random() * 0.6 + (c in held) * 0.3, 1), 2) for c in range(6)]
    any_.append([*key, ";".join(map(str, held[::-1])), *scores])
    worse.append([*key, ";".join(map(str, held)), *(round(0.3 * s + 0.7 * rng.random(), 4) for s in scores)])
names = ["a, b", 'the "second"', *"cdef"]
write("one.csv", [f"day {c}" for c in range(10)], one)
write("any.csv", names, any_)
write("worse.csv", names, worse[::-1])
write("other.csv", names, [[*key, *row[2:]] for key, row in zip(times(500, 150), any_)])
PYTHON
python3 classes.py || fail "classes.py"
score --set score.predictions=one.csv score.report=one.json >out 2>log || fail "one of many classes: $(cat log)"
score --set score.predictions=any.csv score.against=worse.csv score.tuning=other.csv score.classes=any score.report=any.json >out 2>log ||
    fail "sets: $(cat log)"
grep -q '6 classes, 1 without a positive sample and 0 without a negative one' out && grep -q '^any.csv less worse.csv$' out || fail "sets: $(cat out)"
"$MPIRUN" -n 2 "$MEDTOK" score --set score.resamples=200 score.predictions=any.csv score.against=worse.csv score.tuning=other.csv \
    score.classes=any score.report=any2.json >out 2>log && cmp any.json any2.json || fail "sets on two ranks: $(cat log)"
cat >check.py <<'PYTHON'
import csv, json
import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score, cohen_kappa_score, f1_score, roc_auc_score
def load(path):
    rows = list(csv.reader(open(path)))[1:]
    label = np.zeros((len(rows), len(rows[0]) - 3), bool)
    for i, row in enumerate(rows):
        label[i, [int(c) for c in row[2].split(";") if c]] = True
    subject = np.array([int(row[0]) for row in rows])
    return label, np.array([row[3:] for row in rows], np.float32).astype(float), subject
def compare(found, wanted):
    for name, value in wanted.items():
        assert abs(found[name]["value"] - value) < 1e-8, (name, found[name], value)
        assert found[name]["low"] <= value <= found[name]["high"], (name, found[name])
for path, report in (("one.csv", "one.json"), ("any.csv", "any.json")):
    label, score, subject = load(path)
    arm = json.load(open(report))["arms"][0]
    _, unit, count = np.unique(subject, return_inverse=True, return_counts=True)
    for by, weight in (("by_samples", np.ones(len(label))), ("by_subjects", 1 / count[unit])):
        had = label.any(axis=0)
        wanted = {}
        for average in ("micro", "macro", "weighted"):
            left = slice(None) if average == "micro" else had
            wanted["average_precision_" + average] = average_precision_score(label[:, left], score[:, left], average=average, sample_weight=weight)
            wanted["auroc_" + average] = roc_auc_score(label[:, left], score[:, left], average=average, sample_weight=weight)
        if path == "one.csv":
            true, decided = label.argmax(axis=1), score.argmax(axis=1)
            wanted["accuracy"] = accuracy_score(true, decided, sample_weight=weight)
            wanted["kappa"] = cohen_kappa_score(true, decided, labels=range(10), weights="linear", sample_weight=weight)
            wanted["f1_weighted"] = f1_score(true, decided, average="weighted", sample_weight=weight)
        else:
            wanted["f1_micro"] = f1_score(label, score >= 0.5, average="micro", sample_weight=weight)
            wanted["f1_chosen_micro"] = f1_score(label, score >= arm["threshold"] - 1e-7, average="micro", sample_weight=weight)
        compare(arm[by], wanted)
        assert abs(arm[by]["average_precision_micro"]["prevalence"] - np.average(label.mean(axis=1), weights=weight)) < 1e-8
    for c, one in enumerate(arm["classes"]):
        assert one["true"] == label[:, c].sum() and (one["auroc"] is None) == (not label[:, c].any()), one
        if one["true"]:
            assert abs(one["auroc"] - roc_auc_score(label[:, c], score[:, c])) < 1e-8, one
assert [one["class"] for one in arm["classes"]] == ["a, b", 'the "second"', *"cdef"]
difference = json.load(open("any.json"))["difference"]["by_samples"]
assert difference["auroc_macro"]["low"] > 0 and difference["f1_chosen_micro"]["value"] is None, difference
PYTHON
if "$PYTHON" -c 'import sklearn' 2>/dev/null; then
    "$PYTHON" check.py || fail "the values of many classes are not scikit-learn's"
fi

# ---- the leaderboard ----
echo 'score: {shots: [guo_los:all=a.csv, "Long LOS:8=ties.csv", guo_los:8=b.csv, new_acutemi:128=a.csv]}' >shots.yaml
score --config shots.yaml --set score.leaderboard=board.csv score.model='Mine, the first' >out 2>log || fail "leaderboard: $(cat log)"
python3 - <<'PYTHON' || fail "the leaderboard"
import csv, json, statistics
header = "model,metric,task,all,all_ci_low,all_ci_high,all_std".split(",")
ks = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128]
header += [f"k_{k}" for k in ks] + [f"k_{k}_std" for k in ks]
table = list(csv.reader(open("board.csv")))
assert table[0] == header and len(table) == 5, table
rows = [dict(zip(header, row, strict=True)) for row in table[1:]]
assert [(row["metric"], row["task"]) for row in rows] == [(m, t) for m in ("auroc", "auprc") for t in ("Long LOS", "Acute MI")], rows
assert {row["model"] for row in rows} == {"Mine, the first"}
arms = json.load(open("two.json"))["arms"] + json.load(open("ties.json"))["arms"]
for row in rows:
    a, b, ties = (arm["by_samples"][{"auroc": "auroc", "auprc": "average_precision"}[row["metric"]]] for arm in arms)
    filled = {key: float(value) for key, value in row.items() if value and key not in ("model", "metric", "task")}
    if row["task"] == "Acute MI":
        wanted = {"k_128": a["value"]}
    else:
        eight = [ties["value"], b["value"]]
        wanted = {"all": a["value"], "all_ci_low": a["low"], "all_ci_high": a["high"], "k_8": statistics.mean(eight),
                  "k_8_std": statistics.stdev(eight)}
    assert filled.keys() == wanted.keys() and all(abs(filled[k] - wanted[k]) < 1e-6 for k in wanted), (filled, wanted)
PYTHON

# ---- what is there from a run before is replaced ----
for file in a.json one.json any.json; do
    score --set score.predictions=ties.csv score.report=$file score.meds=a.meds.json >out 2>log && cmp $file ties.json || fail "over $file: $(cat log)"
done
cmp a.meds.json ties.meds.json || fail "over a.meds.json"
score --set score.leaderboard=board.csv score.shots=guo_icu:all=b.csv >out 2>log && [ "$(wc -l <board.csv)" -eq 3 ] || fail "over board.csv: $(cat log)"

# ---- what is refused ----
edit() { sed "$1" a.csv >bad.csv; } # of a.csv
refuse() { expect_error 1 "$1" score --set score.predictions=bad.csv; }
edit '4s/[^,]*$/nan/' && refuse 'bad.csv, line 4: predicted_boolean_probability is "nan": expected a probability, a number from 0 to 1'
edit '4s/[^,]*$/1.5/' && refuse 'line 4: predicted_boolean_probability is "1.5": expected a probability'
edit '4s/[^,]*$/-0.1/' && refuse 'line 4: predicted_boolean_probability is "-0.1"'
edit '4s/[^,]*$/inf/' && refuse 'line 4: predicted_boolean_probability is "inf"'
edit '4s/[^,]*$//' && refuse 'line 4: predicted_boolean_probability is ""'
edit '5s/True\|False/maybe/' && refuse 'line 5: boolean_value is "maybe": expected true or false'
edit '5s/^[0-9]*/x/' && refuse 'line 5: subject_id is "x": expected a whole number'
edit '5s/20..-02-../yesterday/' && refuse 'line 5: prediction_time is "yesterday 23:59:00": expected a time'
edit '1s/prediction_time/time/' && refuse 'prediction_time'
edit '$p' && refuse 'line 402: subject [0-9]+ at 20[0-9-]+ 23:59:00 is predicted already in line 401: a sample is scored once'
edit '2,$d' && refuse 'bad.csv has no predictions in it'
head -c 3 a.csv >bad.csv && refuse 'bad.csv'
sed 7d b.csv >fewer.csv
expect_error 1 'a.csv, line 7: subject [0-9]+ at [0-9: -]+ is not in fewer.csv: both must predict the same samples' \
    score --set score.predictions=a.csv score.against=fewer.csv
expect_error 1 'a.csv, line 7: subject .* is not in fewer.csv' score --set score.predictions=fewer.csv score.against=a.csv
sed '9s/True/F/; 9s/False/True/; 9s/,F,/,False,/' b.csv >labels.csv
expect_error 1 'the label of subject [0-9]+ is (true|false) in a.csv, line 9, and (true|false) in labels.csv, line 9' \
    score --set score.predictions=a.csv score.against=labels.csv
expect_error 1 'a.csv, line [0-9]+: subject .* is in a.csv too: a threshold is chosen on other samples' score --set score.predictions=a.csv score.tuning=a.csv
expect_error 1 'none.csv' score --set score.predictions=none.csv
expect_error 2 'score.predictions is empty: name a file' score
edit() { sed "$1" one.csv >bad.csv; }
edit '3s/^\([^,]*,[^,]*\),[0-9]*/\1,10/' && refuse 'bad.csv, line 3: classes is "10": expected numbers of the file.s classes'
edit '3s/^\([^,]*,[^,]*\),[0-9]*/\1,1;2/' && refuse 'line 3: classes is "1;2": expected one class; .* set score.classes=any'
edit '3s/[^,]*$/nan/' && refuse 'line 3: day 9 is "nan.*": expected a number'
edit '$p' && refuse 'line 202: subject .* is predicted already in line 201'
edit '1s/day 3/day three/' && expect_error 1 'class 3 is day three in bad.csv, and day 3 in one.csv' score --set score.predictions=bad.csv score.against=one.csv
sed '5s/^\([^,]*,[^,]*\),[^,]*/\1,4/' worse.csv >bad.csv
expect_error 1 'the classes of subject [0-9]+ differ in any.csv, line [0-9]+, and bad.csv, line 5' score --set score.classes=any score.predictions=any.csv score.against=bad.csv
expect_error 1 'a threshold is chosen on other samples' score --set score.classes=any score.predictions=any.csv score.tuning=worse.csv
expect_error 2 'score.tuning: a sample that has one class' score --set score.predictions=one.csv score.tuning=one.csv
expect_error 2 'score.meds: meds-evaluation has no scores of many classes' score --set score.predictions=one.csv score.meds=one.meds.json
expect_error 2 'score.predictions and score.report are the same file' score --set score.predictions=a.csv score.report=a.csv
expect_error 2 'b.csv is there already and is nothing that this job writes' score --set score.predictions=a.csv score.meds=b.csv
expect_error 2 'score.leaderboard and score.shots go together' score --set score.leaderboard=x.csv
expect_error 2 'score.shots: "los": expected TASK:K=FILE' score --set score.leaderboard=x.csv score.shots=los
expect_error 2 'score.shots: ".*": expected 1, 2, 4, .* or all for K' score --set score.leaderboard=x.csv score.shots=guo_los:5=a.csv
expect_error 2 'score.shots: sepsis is no task of EHRSHOT' score --set score.leaderboard=x.csv score.shots=sepsis:8=a.csv
expect_error 2 'score.shots reads board.csv, which this job would write' score --set score.leaderboard=board.csv score.shots=guo_los:8=board.csv
[ -e x.csv ] && fail "a refused leaderboard was written"
finish
