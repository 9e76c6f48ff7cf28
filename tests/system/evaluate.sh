#!/usr/bin/env bash
# evaluate: a model of health records is trained on a cohort and scored; the scores are those of its predictions, which are the samples
# of held_out; the same on two ranks; run again it trains nothing; and what cannot be is refused.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export PYTHON
"$PYTHON" -c 'import pyarrow' 2>/dev/null || skip "pyarrow is not installed for $PYTHON"
"$PYTHON" "$ROOT/tests/support/made_meds.py" make meds || fail "made_meds.py"
medtok cohort --set cohort.folder=meds --set cohort.tasks=death,nested/stay --set files.cohort=cohort.h5 2>log || fail "cohort: $(cat log)"
cat >>small.yaml <<YAML
ehr: {task: nested/stay, dim: 16, heads: 2, layers: 1, inner: 16, batch: 16, steps: 24, eval_every: 8, resamples: 50}
YAML
sed -i "s|^files:|files:\n  cohort: $work/cohort.h5|" small.yaml
scores() { # where, settings...
    local folder=$1
    shift
    medtok evaluate --set files.scores="$folder/scores.json" "$@"
}

# ---- what comes out ----
scores one --set ehr.seeds=2 >out 2>log || fail "evaluate: $(cat log)"
grep -q '^held_out: .* samples, .* true: a random score has an average precision of' out || fail "no prevalence: $(cat out)"
grep -q 'samples of tuning at step 8: ' log || fail "what is measured on the way: $(cat log)"
grep -q 'held-out' log && fail "held_out is looked at on the way: $(cat log)"
for file in scores.json scores.h5 scores.seed-{0,1}.{csv,h5,jsonl,meds.json,results.h5}; do [ -s "one/$file" ] || fail "no one/$file"; done
cat >check.py <<'PYTHON'
import csv, json, sys
import pyarrow.parquet as pq

folder, split = sys.argv[1:3]
report = json.load(open(f"{folder}/scores.json"))
(cell,) = report["comparisons"]
assert report["split"] == split and cell["task"] == "nested/stay" and cell["model"] == "behrt", report
(arm,) = cell["arms"]
splits = {row["subject_id"]: row["split"] for row in pq.read_table("meds/metadata/subject_splits.parquet").to_pylist()}
labels = {(row["subject_id"], str(row["prediction_time"])): row["boolean_value"]
          for row in pq.read_table("meds/labels/nested/stay").to_pylist()}
wanted = {key: label for key, label in labels.items() if splits[key[0]] == split}
assert cell["n"] == len(wanted) and cell["true"] == sum(wanted.values()), cell
for trial in report["trainings"]:
    assert trial["learned"] == sum(splits[key[0]] == "train" for key in labels), trial
    rows = list(csv.DictReader(open(f"{folder}/scores.seed-{trial['seed']}.csv")))
    got = {(int(row["subject_id"]), row["prediction_time"]): row["boolean_value"] == "true" for row in rows}
    assert len(rows) == len(wanted) and got == wanted, "the predictions are not those of the split"
    pairs = [(float(row["predicted_boolean_probability"]), row["boolean_value"] == "true") for row in rows]
    assert all((p >= 0.5) == (row["predicted_boolean_value"] == "true") for (p, _), row in zip(pairs, rows))
    positive = [p for p, label in pairs if label]
    negative = [p for p, label in pairs if not label]
    auroc = sum((a > b) + (a == b) / 2 for a in positive for b in negative) / (len(positive) * len(negative))
    above = lambda p, values: sum(v >= p for v in values)
    precision = sum(above(p, positive) / (above(p, positive) + above(p, negative)) for p in positive) / len(positive)
    assert abs(auroc - trial["auroc"]["value"]) < 1e-6, (auroc, trial)
    assert abs(precision - trial["average_precision"]["value"]) < 1e-6, (precision, trial)
    assert trial["auroc"]["low"] <= trial["auroc"]["value"] <= trial["auroc"]["high"]
    assert abs(cell["prevalence"] - len(positive) / len(pairs)) < 1e-8
    f1 = lambda t: 2 * above(t, positive) / (above(t, positive) + above(t, negative) + len(positive))
    assert abs(trial["f1"]["value"] - f1(0.5)) < 1e-8, (f1(0.5), trial)
    if split == "held_out":
        assert abs(trial["f1_chosen"]["value"] - f1(trial["threshold"] - 2e-9)) < 1e-8, trial
    else: # a threshold must come from other samples
        assert trial["threshold"] is None and trial["f1_chosen"]["value"] is None, trial
    meds = json.load(open(f"{folder}/scores.seed-{trial['seed']}.meds.json"))
    for name, by in (("samples_equally_weighted", trial), ("subjects_equally_weighted", trial["by_subjects"])):
        for theirs, ours in (("roc_auc_score", "auroc"), ("f1_score", "f1"), ("brier_score", "brier")):
            assert abs(meds[name][theirs] - by[ours]["value"]) < 1e-8, (name, theirs)
values = [trial["average_precision"]["value"] for trial in report["trainings"]]
mean = sum(values) / len(values)
assert abs(arm["average_precision"]["value"] - mean) < 1e-8 and arm["seeds"] == len(values)
assert arm["average_precision"]["low"] <= mean <= arm["average_precision"]["high"]
if len(values) > 1:
    sd = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    assert abs(arm["average_precision"]["sd_over_seeds"] - sd) < 1e-8
PYTHON
"$PYTHON" check.py one held_out || fail "the scores of held_out"
cmp -s one/scores.seed-0.csv one/scores.seed-1.csv && fail "two seeds give the same predictions"
scores tuning --set ehr.score=tuning >out 2>log && "$PYTHON" check.py tuning tuning || fail "the scores of tuning: $(cat log)"
grep -q held_out out && fail "held_out was to stay unseen: $(cat out)"

# ---- once more, and on two ranks ----
cp one/scores.json first.json
scores one --set ehr.seeds=2 >out 2>log || fail "a second time: $(cat log)"
[ "$(grep -c 'seed-[01].results.h5 is up to date' log)" -eq 2 ] || fail "trained anew: $(cat log)"
cmp one/scores.json first.json || fail "scored otherwise"
medtok_ranks 2 evaluate --set files.scores=two/scores.json >out 2>log || fail "on two ranks: $(cat log)"
"$PYTHON" - <<'PYTHON' || fail "two ranks score otherwise"
import csv
one, two = (list(csv.DictReader(open(f"{folder}/scores.seed-0.csv"))) for folder in ("one", "two"))
assert len(one) == len(two)
for a, b in zip(one, two):
    p, q = (float(row.pop("predicted_boolean_probability")) for row in (a, b))
    assert abs(p - q) < 1e-4 and a["subject_id"] == b["subject_id"] and a["prediction_time"] == b["prediction_time"], (a, b, p, q)
PYTHON

# ---- Parquet ----
scores parquet --set ehr.seeds=2 ehr.predictions=parquet >out 2>log || fail "parquet: $(cat log)"
[ -e parquet/scores.seed-0.csv ] && fail "predictions as CSV too"
"$PYTHON" - <<'PYTHON' || fail "the predictions as Parquet"
import csv
import pyarrow as pa
import pyarrow.parquet as pq
table = pq.read_table("parquet/scores.seed-1.parquet")
assert table.schema.types == [pa.int64(), pa.timestamp("us"), pa.bool_(), pa.bool_(), pa.float32()], table.schema
rows = list(csv.DictReader(open("one/scores.seed-1.csv")))
assert table.schema.names == list(rows[0]), table.schema.names
for a, b in zip(table.to_pylist(), rows, strict=True):
    assert str(a["subject_id"]) == b["subject_id"] and str(a["prediction_time"]) == b["prediction_time"], (a, b)
    assert [str(a[k]).lower() for k in ("boolean_value", "predicted_boolean_value")] == [b["boolean_value"], b["predicted_boolean_value"]]
    assert abs(a["predicted_boolean_probability"] - float(b["predicted_boolean_probability"])) < 1e-7, (a, b)
PYTHON

# ---- arms ----
printf 'system\tcode\tdescription\tnodes\nICD10CM\tZ99.9\tSomething else\t\n' >other.tsv
for job in prepare encode train tokenize; do medtok $job 2>log || fail "$job: $(cat log)"; done
for arm in hierarchy medtok-init medtok-frozen medtok-tokens random-frozen shuffled text-only graph-only; do
    scores $arm --set ehr.embedding=$arm >out 2>$arm.log && "$PYTHON" check.py $arm held_out || fail "$arm: $(cat $arm.log)"
done
for ranks in 1 2; do # of one evaluation, so that no tie decides which weights are best
    medtok_ranks $ranks evaluate --set files.scores=tokens-$ranks/scores.json ehr.embedding=medtok-tokens ehr.eval_every=24 >out 2>log ||
        fail "tokens on $ranks ranks: $(cat log)"
done
"$PYTHON" - <<'PYTHON' || fail "arms"
import csv, itertools, json
def scores(folder):
    return [float(row["predicted_boolean_probability"]) for row in csv.DictReader(open(f"{folder}/scores.seed-0.csv"))]
arms = ["one", "hierarchy", "medtok-init", "medtok-frozen", "medtok-tokens", "random-frozen", "shuffled", "text-only", "graph-only"]
for a, b in itertools.combinations(arms, 2):
    assert scores(a) != scores(b), f"{a} and {b} are one"
assert max(abs(p - q) for p, q in zip(scores("tokens-1"), scores("tokens-2"))) < 1e-4
sizes = {arm: json.load(open(f"{arm}/scores.json"))["trainings"][0]["parameters"] for arm in arms}
assert len({sizes[arm] for arm in ("medtok-frozen", "shuffled", "text-only", "graph-only")}) == 1, sizes # maps as large
PYTHON
grep -q 'table.h5 has 2 of the codes, and an ancestor of 0 others' medtok-init.log || fail "codes of the table: $(cat medtok-init.log)"
grep -q '"table_id": "[0-9a-f]' medtok-init/scores.json && grep -q '"table_id": null' one/scores.json || fail "the table's id"
expect_error 2 'ehr.embedding is "random": expected one of base, hierarchy, ' scores bad --set ehr.embedding=random
medtok prepare --set files.vocabulary=other.h5 files.codes="[$SAMPLE/codes.tsv, other.tsv]" 2>log || fail "another vocabulary: $(cat log)"
medtok encode --set files.vocabulary=other.h5 files.text=other-text.h5 2>log || fail "its text: $(cat log)"
expect_error 1 'other-text.h5 was made from another vocabulary than the token table; run `medtok encode`' \
    scores bad --set ehr.embedding=text-only files.text=other-text.h5

# ---- what is refused ----
expect_error 2 'cohort.h5 has 2 tasks: name one, --set ehr.task=NAME' scores bad --set ehr.task=
expect_error 1 'has no task sepsis; it has death, nested/stay' scores bad --set ehr.task=sepsis
expect_error 2 'ehr.dim 16 is no multiple of ehr.heads 3' scores bad --set ehr.heads=3
expect_error 1 'scores.seed-0.results.h5 are the results of another training, which would be lost .*ehr.dim 16 there and 32 here.* --set files.scores=PATH' scores one --set ehr.dim=32
mkdir left && cp one/scores.seed-0.h5 left/
expect_error 1 'scores.seed-0.h5 is the finished training of .* which would be lost .* --set files.scores=PATH' scores left --set ehr.dim=32
expect_error 2 'files.cohort and files.scores are the same file' medtok evaluate --set files.scores=cohort.h5
for ending in csv h5 jsonl meds.json; do
    rm -rf way && mkdir way && echo precious >way/scores.seed-1.$ending
    expect_error 2 "way/scores.seed-1.$ending is there already and is nothing that this job writes" scores way --set ehr.seeds=2
    [ "$(cat way/scores.seed-1.$ending)" = precious ] || fail "a file in the way is gone: $ending"
done
cp cohort.h5 way/scores.seed-0.h5
expect_error 2 'files.cohort and files.scores are the same file, .*scores.seed-0.h5' scores way --set files.cohort=way/scores.seed-0.h5
cmp cohort.h5 way/scores.seed-0.h5 || fail "the cohort was written over"
scores one --set ehr.dim=32 --force >out 2>log || fail "--force: $(cat log)"

# ---- a signal ----
"$MEDTOK" evaluate --config small.yaml --set files.scores=long/scores.json --set ehr.steps=1000000 --set ehr.patience=1000000 >out 2>log &
job=$!
for _ in $(seq 200); do [ -s long/scores.seed-0.jsonl ] && break || sleep 0.1; done
kill -TERM "$job"
wait "$job"
code=$?
[ "$code" -eq 75 ] || fail "a signal: exit code $code, not 75: $(cat log)"
[ -e long/scores.json ] && fail "a signal left scores"
finish
