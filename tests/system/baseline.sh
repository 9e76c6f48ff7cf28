#!/usr/bin/env bash
# baseline: count features of a made-up MEDS data set are those that Python makes of its files, the scores are those of the predictions,
# logistic regression and trees are scikit-learn's and XGBoost's on the same rows, the same on 1, 2 and 3 ranks; and what cannot be is
# refused.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export PYTHON
"$PYTHON" -c 'import pyarrow' 2>/dev/null || skip "pyarrow is not installed for $PYTHON"
"$PYTHON" "$ROOT/tests/support/made_meds.py" make meds || fail "made_meds.py"
needed() { fail "$@" && finish; } # nothing of what follows can be
medtok cohort --set cohort.folder=meds --set cohort.tasks=death,nested/stay --set files.cohort=cohort.h5 2>log || needed "cohort: $(cat log)"
medtok prepare 2>log || needed "prepare: $(cat log)"
cat >>small.yaml <<YAML
baseline: {task: nested/stay, tolerance: 1e-6, resamples: 50, shown: 100000, features: [codes, hierarchy, words, age, sex], vocabulary: $work/vocabulary.h5}
YAML
sed -i "s|^files:|files:\n  cohort: $work/cohort.h5|" small.yaml
baseline() { # where, settings...
    local folder=$1
    shift
    medtok baseline --set files.scores="$folder/scores.json" baseline.matrix="$folder/rows.svm" "$@"
}

# ---- rows, and scores of predictions ----
cat >check.py <<'PYTHON'
import csv, datetime, json, re, sys
import pyarrow.parquet as pq

folder, counts = sys.argv[1], sys.argv[2] == "counts"
report = json.load(open(f"{folder}/scores.json"))
splits = {row["subject_id"]: row["split"] for row in pq.read_table("meds/metadata/subject_splits.parquet").to_pylist()}
labels = sorted((row["subject_id"], row["prediction_time"], row["boolean_value"])
                for row in pq.read_table("meds/labels/nested/stay").to_pylist())
events = {}
for row in pq.read_table("meds/data", columns=["subject_id", "time", "code"], partitioning=None).to_pylist():
    events.setdefault(row["subject_id"], []).append((row["time"], row["code"]))

# the columns of each code, by hand: the data set's codes are few
names, rows = {}, []
for line in open(f"{folder}/rows.svm"):
    if line.startswith("# column "):
        number, name = line[len("# column "):].rstrip("\n").split(" ", 1)
        names[int(number)] = name
    elif not line.startswith("#"):
        values, comment = line.split(" # ")
        label, *entries = values.split()
        rows.append((int(label), {names[int(e.split(":")[0])]: float(e.split(":")[1]) for e in entries}, comment.split()))
assert len(rows) == len(labels), (len(rows), len(labels))
described = {row.split("\t")[1]: row.split("\t")[2] for row in open(sys.argv[3]) if row.startswith("ICD10CM")}
used = set()
for (subject, time, label), (got_label, got, (split, got_subject, _)) in zip(labels, rows):
    assert (got_label, int(got_subject), split) == (label, subject, splits[subject])
    known = [code for t, code in events[subject] if t is None or t <= time]
    wanted = {}
    def add(name, value=1):
        wanted[name] = wanted.get(name, 0) + value if counts else 1
    for code in known:
        if code.startswith("SEX//"):
            wanted["sex female" if code.endswith("F") else "sex male"] = 1
        elif code != "MEDS_BIRTH":
            icd = code.startswith("DIAGNOSIS//ICD//10//")
            add("code " + ("ICD10CM/" + code[-3:] if icd else code))
            if icd:
                text = described.get(code[-3:], "")
                for word in set(re.findall(r"[a-z0-9]{2,}", text.lower())):
                    add("word " + word)
    birth = [t for t, code in events[subject] if code == "MEDS_BIRTH"][0]
    years = (time - birth) / datetime.timedelta(days=365.25)
    if years > 0:
        wanted["age"] = years
        wanted[f"age {int(years / 10) * 10} to {int(years / 10) * 10 + 9}"] = 1
    used |= set(wanted) if split == "train" else set()
    for name in set(got) | set(wanted):
        if name in names.values():
            assert abs(got.get(name, 0) - wanted.get(name, 0)) < 1e-5, (subject, time, name, got, wanted)
assert {name for name in names.values() if name[:3] != "age"} == {name for name in used if name[:3] != "age"}

held_out = [(row[0], row[1], row[2]) for row in labels if splits[row[0]] == report["split"]]
predictions = list(csv.DictReader(open(f"{folder}/scores.csv")))
assert [(int(p["subject_id"]), p["prediction_time"], p["boolean_value"] == "true") for p in predictions] == \
    [(subject, str(time), label) for subject, time, label in held_out], "the predictions are not those of the split"
pairs = [(float(p["predicted_boolean_probability"]), p["boolean_value"] == "true") for p in predictions]
positive, negative = [p for p, label in pairs if label], [p for p, label in pairs if not label]
auroc = sum((a > b) + (a == b) / 2 for a in positive for b in negative) / (len(positive) * len(negative))
scores = report["fits"][-1]["scores"]
assert abs(auroc - scores["auroc"]["value"]) < 1e-6 and scores["n"] == len(pairs), (auroc, scores)
assert scores["auroc"]["low"] <= scores["auroc"]["value"] <= scores["auroc"]["high"]
PYTHON
baseline one >out 2>log || needed "baseline: $(cat log)"
"$PYTHON" check.py one one-hot "$SAMPLE/codes.tsv" || fail "rows or scores"
grep -q '^held_out: .* samples, .* true: a random score has an average precision of' out || fail "no prevalence: $(cat out)"
baseline counts --set baseline.values=counts >out 2>log && "$PYTHON" check.py counts counts "$SAMPLE/codes.tsv" || fail "counts: $(cat log)"
baseline tuning --set baseline.score=tuning >out 2>log && "$PYTHON" check.py tuning one-hot "$SAMPLE/codes.tsv" || fail "tuning: $(cat log)"
grep -q held_out out && fail "held_out was to stay unseen: $(cat out)"

# ---- ranks ----
curves=(--set 'baseline.shots=[1,2,8]' --set 'baseline.rows=[20]' --set baseline.replicates=2)
baseline curves "${curves[@]}" >out 2>log || fail "curves: $(cat log)"
grep -Eq '^8 of each +2 ' out && grep -Eq '^20 rows +2 ' out || fail "no curves: $(cat out)"
for ranks in 2 3; do
    medtok_ranks $ranks baseline --set files.scores=ranks/scores.json --set baseline.matrix=ranks/rows.svm "${curves[@]}" >out 2>log ||
        fail "on $ranks ranks: $(cat log)"
    for file in scores.json scores.csv rows.svm; do
        cmp "ranks/$file" "curves/$file" || fail "$ranks ranks write another $file"
    done
done

# ---- the libraries that others use ----
cat >peers.py <<'PYTHON'
import csv, json, sys
import numpy as np

folder, peer = sys.argv[1:]
rows = [line for line in open(f"{folder}/rows.svm") if not line.startswith("#")]
names = [line.split(" ", 3)[3].rstrip("\n") for line in open(f"{folder}/rows.svm") if line.startswith("# column")]
x, y = np.zeros((len(rows), len(names)), np.float32), np.zeros(len(rows))
for i, line in enumerate(rows):
    y[i], *entries = line.split(" # ")[0].split()
    for entry in entries:
        x[i, int(entry.split(":")[0])] = entry.split(":")[1]
split = np.array([line.split(" # ")[1].split()[0] for line in rows])
report = json.load(open(f"{folder}/scores.json"))
fit, train, scored = report["fits"][-1], split == "train", split == report["split"]
got = np.array([float(row["predicted_boolean_probability"]) for row in csv.DictReader(open(f"{folder}/scores.csv"))])
if peer == "sklearn":
    from sklearn.linear_model import LogisticRegression
    largest = np.abs(x[train]).max(axis=0).astype(float)
    scaled = x / np.where(largest > 0, largest, 1)
    model = LogisticRegression(C=fit["strength"], tol=1e-10, max_iter=100000).fit(scaled[train], y[train])
    weights = dict(zip(names, model.coef_[0] / np.where(largest > 0, largest, 1)))
    off = max([abs(weights[row["column"]] - row["weight"]) for row in report["weights"]] + [abs(model.intercept_[0] - report["intercepts"][0])])
    assert off < 1e-4 and len(report["weights"]) > 3, off
    assert np.abs(model.predict_proba(scaled[scored])[:, 1] - got).max() < 1e-4
else:
    import xgboost
    from scipy.sparse import csr_matrix
    x = csr_matrix(x[:, (x[train] != 0).any(axis=0)])
    settings = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": fit["depth"], "eta": fit["rate"]}
    model = xgboost.train(settings, xgboost.DMatrix(x[train], y[train]), fit["trees"])
    off = np.abs(model.predict(xgboost.DMatrix(x[scored])) - got).max()  # in single precision, printed with 9 digits
    assert off < 1e-6, off
    assert report["xgboost"] == xgboost.__version__
PYTHON
if "$PYTHON" -c 'import numpy, scipy, sklearn' 2>/dev/null; then
    "$PYTHON" peers.py one sklearn || fail "scikit-learn fits other weights"
    "$PYTHON" peers.py counts sklearn || fail "scikit-learn fits other weights to counts"
else
    echo "not compared with scikit-learn: not installed for $PYTHON"
fi
library=$("$PYTHON" -c 'import scipy, xgboost.libpath; print(xgboost.libpath.find_lib_path()[0])' 2>/dev/null)
if [ -n "$library" ]; then
    trees=(--set baseline.model=xgboost --set baseline.xgboost="$library" --set 'baseline.rounds=[5,20]')
    baseline trees "${trees[@]}" --set baseline.values=counts >out 2>log || fail "trees: $(cat log)"
    "$PYTHON" check.py trees counts "$SAMPLE/codes.tsv" && "$PYTHON" peers.py trees xgboost || fail "XGBoost in Python grows other trees"
    medtok_ranks 2 baseline --set files.scores=ranks/scores.json "${trees[@]}" --set baseline.values=counts >out 2>log && cmp ranks/scores.csv trees/scores.csv ||
        fail "trees on 2 ranks: $(cat log)"
else
    echo "not compared with XGBoost: not installed for $PYTHON"
fi

# ---- classes and sets, on the demo of MIMIC-IV where it is at hand ----
cat >classes.py <<'PYTHON'
import csv, json, sys, warnings
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

name = sys.argv[1]
rows = [line.rstrip("\n").split(" # ") for line in open(f"{name}.svm") if not line.startswith("#")]
report, predictions = json.load(open(f"{name}.json")), list(csv.reader(open(f"{name}.csv")))
classes, fit = report["classes"], report["fits"][-1]
assert predictions[0] == ["subject_id", "prediction_time", "classes"] + classes
x = np.zeros((len(rows), sum(report["columns"].values())))
y = np.zeros((len(rows), len(classes)), bool)
for i, (values, _) in enumerate(rows):
    labels, *entries = values.split(" ") if values[0] != " " else ["", *values.split()]
    for label in labels.split(",") if labels else []:
        y[i, int(label)] = True
    for entry in entries:
        x[i, int(entry.split(":")[0])] = entry.split(":")[1]
split = np.array([comment.split()[0] for _, comment in rows])
train, held_out = split == "train", split == "held_out"
got = np.array([row[3:] for row in predictions[1:]], float)
assert [set(map(int, filter(None, row[2].split(";")))) for row in predictions[1:]] == [set(np.flatnonzero(row)) for row in y[held_out]]
largest = np.abs(x[train]).max(axis=0)
x /= np.where(largest > 0, largest, 1)
regression = lambda labels: LogisticRegression(C=fit["strength"], tol=1e-10, max_iter=100000).fit(x[train], labels)
wanted = np.zeros_like(got)
if name == "length_of_stay":
    model = regression(y[train].argmax(axis=1))
    wanted[:, model.classes_] = model.predict_proba(x[held_out])
    assert abs(got.sum(axis=1) - 1).max() < 1e-6
else:
    for c in range(len(classes)):
        wanted[:, c] = regression(y[train, c]).predict_proba(x[held_out])[:, 1] if len(set(y[train, c])) > 1 else y[train, c][0]
off = np.abs(wanted - got).max()
assert off < 1e-4, off
there = y[held_out].any(axis=0)
macro = np.mean([average_precision_score(y[held_out, c], got[:, c]) for c in np.flatnonzero(there)])
# scores are kept in single precision, which makes ties of some
assert abs(macro - fit["scores"]["average_precision_macro"]["value"]) < 1e-3, (macro, fit["scores"]["average_precision_macro"])
print(f"{name}: {len(classes)} classes, probabilities within {off:.1e} of scikit-learn's, macro average precision {macro:.4f}")
PYTHON
data=${SHARED:-$ROOT/../shared/data}
if [ -d "$data/ehr/mimic4_demo" ] && "$PYTHON" -c 'import numpy, scipy, sklearn' 2>/dev/null; then
    medtok cohort --set cohort.folder="$data/ehr/mimic4_demo" --set files.cohort=demo.h5 --set cohort.tasks=length_of_stay,phenotypes \
        --set cohort.groups="$data/maps/ccs_icd9cm.tsv.gz,$data/maps/ccs_icd10cm_2019.tsv.gz" 2>log || fail "the demo: $(cat log)"
    demo=(--set files.cohort=demo.h5 --set 'baseline.features=[codes, age, sex]' --set baseline.shown=20 --set baseline.strengths=0.01,0.1)
    for task in length_of_stay phenotypes; do
        medtok baseline "${demo[@]}" --set baseline.task=$task --set files.scores=$task.json --set baseline.matrix=$task.svm >out 2>log ||
            fail "$task: $(cat log)"
        "$PYTHON" classes.py $task || fail "$task: other scores than scikit-learn's"
        medtok_ranks 2 baseline "${demo[@]}" --set baseline.task=$task --set files.scores=ranks/$task.json >out 2>log &&
            cmp $task.json ranks/$task.json && cmp $task.csv ranks/$task.csv || fail "$task on 2 ranks: $(cat log)"
        [ -z "$library" ] || medtok_ranks 2 baseline "${demo[@]}" "${trees[@]}" --set baseline.task=$task --set files.scores=trees/$task.json >out 2>log ||
            fail "trees of $task: $(cat log)"
    done
    expect_error 2 'phenotypes has sets of classes, and few-shot draws need one class a sample' \
        medtok baseline "${demo[@]}" --set baseline.task=phenotypes --set files.scores=bad/scores.json --set baseline.shots=1
else
    echo "classes and sets were not looked at: there is no demo of MIMIC-IV in $data, or no scikit-learn for $PYTHON"
fi

# ---- what is refused ----
expect_error 1 'baseline.model is xgboost, but its library cannot be used: nowhere.so: .*pip install xgboost' \
    baseline bad --set baseline.model=xgboost --set baseline.xgboost=nowhere.so
expect_error 2 'baseline.features has "code": expected codes, hierarchy, words, age or sex' baseline bad --set baseline.features=code
expect_error 2 'baseline.features has words: name a vocabulary.h5' baseline bad --set baseline.vocabulary=
expect_error 2 'baseline.shots has "0": expected whole numbers, 1 or more' baseline bad --set baseline.shots=0
expect_error 2 'cohort.h5 has 2 tasks: name one, --set baseline.task=NAME' baseline bad --set baseline.task=
expect_error 1 'has no task sepsis; it has death, nested/stay' baseline bad --set baseline.task=sepsis
expect_error 2 'files.cohort and files.scores are the same file' medtok baseline --set files.scores=cohort.h5
mkdir -p way && echo precious >way/scores.csv
expect_error 2 'way/scores.csv is there already and is nothing that this job writes' baseline way
[ "$(cat way/scores.csv)" = precious ] || fail "a file in the way is gone"
baseline one >out 2>log || fail "over its own files: $(cat log)"
[ -e bad ] && ls bad | grep -q . && fail "left behind: $(ls bad)"

# ---- a signal ----
"$MEDTOK" baseline --config small.yaml --set files.scores=long/scores.json --set baseline.resamples=1000000 --set baseline.replicates=1000 \
    --set baseline.rows=20 >out 2>log &
job=$!
for _ in $(seq 200); do grep -q 'draw 0' log && break || sleep 0.1; done
kill -TERM "$job"
wait "$job"
code=$?
[ "$code" -eq 75 ] || fail "a signal: exit code $code, not 75: $(cat log)"
[ -e long/scores.json ] && fail "a signal left scores"
finish
