#!/usr/bin/env bash
# A grid of trainings: the same predictions on 1, 2 and 3 ranks, bit for bit; killed at random moments and resumed on other numbers of
# ranks it ends with those of an undisturbed run; the tables compare arms; a training that fails leaves the others whole.
# usage: evaluate_grid.sh [KILLS [SEED]]: so many kills (3), their moments drawn from this seed
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
kills=${1:-3}
RANDOM=${2:-$$}
echo "seed ${2:-$$}"

export PYTHON
"$PYTHON" -c 'import pyarrow, h5py' 2>/dev/null || skip "pyarrow and h5py are not installed for $PYTHON"
"$PYTHON" "$ROOT/tests/support/made_meds.py" make meds || fail "made_meds.py"
medtok cohort --set cohort.folder=meds --set cohort.tasks=death,nested/stay --set files.cohort=cohort.h5 2>log || fail "cohort: $(cat log)"
cat >grid.yaml <<YAML
files: {cohort: $work/cohort.h5}
run: {threads: 1}
ehr:
  dim: 16
  heads: 2
  layers: 1
  inner: 16
  batch: 16
  steps: 30
  eval_every: 6
  checkpoint_every: 5
  resamples: 40
  seeds: 2
  grid:
    tasks: [death, nested/stay]
    arms: [base, hierarchy]
    samples: [14, all]
    ranks: 1
    settings: [behrt.rate=2e-3]
YAML
grid() { # ranks, where, settings...
    local ranks=$1 folder=$2
    shift 2
    "$MPIRUN" -n "$ranks" "$MEDTOK" evaluate --config grid.yaml --set files.scores="$folder/scores.json" "$@"
}
same_predictions() { # of two folders
    local file n=0
    for file in one/scores.trials/*.csv; do
        cmp -s "$file" "$1/scores.trials/${file##*/}" || { fail "$1: other predictions: ${file##*/}"; return; }
        n=$((n + 1))
    done
    [ "$n" -eq 16 ] || fail "$n trainings, not 16"
}

# ---- what comes out, on any number of ranks ----
since=$(date +%s%N)
grid 1 one --set ehr.report=one/evaluation.md >out 2>log || fail "on one rank: $(cat log)"
took=$((($(date +%s%N) - since) / 1000000))
! grep -q 'stages of' log || fail "a table of stages on one rank, not asked for"
for ranks in 2 3; do
    grid $ranks on-$ranks >out 2>log || fail "on $ranks ranks: $(cat log)"
    same_predictions on-$ranks
    grep -q "stages of evaluate on $ranks rank(s)" log || fail "no table of stages on $ranks ranks: $(cat log)"
    sed 's/"seconds": [^,}]*//g' one/scores.json >a
    sed 's/"seconds": [^,}]*//g' on-$ranks/scores.json >b
    grep -q '"threshold"' a || fail "no trainings are compared"
    cmp a b || fail "other scores on $ranks ranks"
done
"$PYTHON" - <<'PYTHON' || fail "where the time went is not said: $(cat on-2/scores.stages.json)"
import json

table = json.load(open("on-2/scores.stages.json"))
seconds = {s["stage"]: s["seconds"] for s in table["stages"]}
assert (table["job"], table["ranks"], table["done"], table["unit"]) == ("evaluate", 2, 16, "trainings"), table
assert {"plan", "load", "train behrt", "score", "write", "wait", "report"} <= set(seconds), seconds
assert not any(name.startswith("train ") for name in set(seconds) - {"train behrt"}), seconds
assert 0 < seconds["plan"] < seconds["train behrt"], seconds
PYTHON
grep -q '^| behrt | 14 samples | hierarchy | 2 | ' one/evaluation.md || fail "no row of an arm: $(cat one/evaluation.md)"
grep -qE '^- behrt, all: hierarchy over base: [+-][0-9.]+ \([0-9.-]+ to [0-9.-]+\)(: not told apart)?\.$' one/evaluation.md ||
    fail "no sentence: $(cat one/evaluation.md)"
"$PYTHON" - <<'PYTHON' || fail "results.h5, scores.json and the predictions differ"
import csv, glob, json
import h5py, numpy

file = h5py.File("one/scores.h5")
text = lambda name: [t.decode() for t in file[name][()]]
names, tasks, arms = text("trial_name"), text("trial_task"), text("trial_arm")
report = json.load(open("one/scores.json"))
assert len(names) == 16 == len(report["trainings"]) and not any(text("trial_failure"))
assert names == [t["name"] for t in report["trainings"]]
assert sorted(glob.glob("one/scores.trials/*.csv")) == sorted(f"one/scores.trials/{name}.csv" for name in names)
starts, lists = file["score_offsets"][()].ravel(), file["list_offsets"][()].ravel()
score, scored = file["score"][()].ravel(), {}
for i, name in enumerate(names):
    rows = list(csv.DictReader(open(f"one/scores.trials/{name}.csv")))
    held_out = file["trial_samples"][i, 1]
    of = slice(lists[held_out], lists[held_out + 1])
    got = score[starts[2 * i + 1] : starts[2 * i + 2]]
    assert [int(row["subject_id"]) for row in rows] == file["sample_subject"][()].ravel()[of].tolist()
    assert numpy.allclose([float(row["predicted_boolean_probability"]) for row in rows], got, rtol=1e-8, atol=0)
    scored[name] = (got, file["sample_label"][()].ravel()[of], file["sample_subject"][()].ravel()[of])
    assert "ehr.rate: 0.002" in text("trial_settings")[i], text("trial_settings")[i]
    curve = file["curve_step"][()].ravel()[file["curve_offsets"][()].ravel()[i] : file["curve_offsets"][()].ravel()[i + 1]]
    assert curve[0] == 6 and file["trial_step"][()].ravel()[i] in curve

def precision(score, label):
    positive = score[label == 1]
    return numpy.mean([(positive >= p).sum() / (score >= p).sum() for p in positive])

for cell in report["comparisons"]: # arms: means over seeds, and their differences
    size = f"n{cell['train_samples']}" if cell["train_samples"] else "all"
    task = cell["task"].replace("/", "-")
    mean = lambda arm: numpy.mean([precision(*scored[f"{task}.behrt.{arm}.{size}.seed-{seed}"][:2]) for seed in (0, 1)])
    base, frozen = mean("base"), mean("hierarchy")
    got = {arm["arm"]: arm for arm in cell["arms"]}
    assert cell["base"] == "base" and cell["control"] == "hierarchy"
    assert abs(got["base"]["average_precision"]["value"] - base) < 1e-7
    over = got["hierarchy"]["average_precision"]["over_base"]
    assert abs(over["value"] - (frozen - base)) < 1e-7 and over["low"] <= over["high"], (over, frozen, base)
    n = sum(part["n"] for part in cell["parts"][2:]) # every sample with codes is in one band
    assert 0 < n <= cell["n"] and cell["parts"][1]["n"] <= cell["parts"][0]["n"], cell["parts"]
PYTHON

# ---- nothing is made twice ----
grid 2 one >out 2>log || fail "once more: $(cat log)"
[ "$(grep -c 'results.h5 is up to date' log)" -eq 16 ] || fail "trained anew: $(cat log)"
grid 2 one --set ehr.grid.samples=[all] >out 2>log || fail "a part of the grid: $(cat log)"
[ "$(grep -c 'results.h5 is up to date' log)" -eq 8 ] || fail "a part of the grid trained anew: $(cat log)"

# ---- killed and resumed ----
for ((i = 0; i < kills; i++)); do
    "$MPIRUN" -n $((i % 3 + 1)) "$MEDTOK" evaluate --config grid.yaml --set files.scores=killed/scores.json >out 2>log &
    job=$!
    moment=$((took * (RANDOM % 100) / (60 * kills) + 100))
    sleep $((moment / 1000)).$(printf %03d $((moment % 1000)))
    if [ $((RANDOM % 2)) -eq 0 ]; then
        for rank in $(ranks_of "$job"); do kill -KILL "$rank" 2>/dev/null; done
    else
        kill -TERM "$job" 2>/dev/null
    fi
    wait "$job"
    code=$?
    [[ $code =~ ^(2|134|136|139)$ ]] && fail "kill $i ended with $code: $(cat log)" # a refusal, a crash; others are the launcher's word
    echo "kill $i at $moment of $took ms: exit code $code, $(ls killed/scores.trials 2>/dev/null | grep -c results.h5) of 16 trainings whole"
done
grid 2 killed >out 2>log || fail "resumed: $(cat log)"
same_predictions killed
ls killed killed/scores.trials | grep -q 'tmp-medtok\|step-\|best' && fail "left behind: $(ls killed killed/scores.trials)"

# ---- a training that fails ----
grid 2 bad --set ehr.grid.tasks=[death,sepsis] ehr.grid.samples=[all] ehr.seeds=1 >out 2>log
[ $? -eq 1 ] || fail "a task that is none: $(cat log)"
grep -q 'error: 2 of 4 trainings failed; the first, sepsis.behrt.base.all.seed-0: .*has no task sepsis' log || fail "which failed: $(cat log)"
grep -q '^- sepsis.behrt.base.all.seed-0: ' out && grep -q '^| behrt | all | base | 1 | ' out ||
    fail "the others are not shown: $(cat out)"

# ---- weights that are not kept ----
grid 1 dropped --set ehr.grid.tasks=[death] ehr.grid.samples=[14] ehr.seeds=1 ehr.weights=drop >out 2>log || fail "drop: $(cat log)"
[ -z "$(ls dropped/scores.trials | grep -v results | grep 'h5$')" ] || fail "weights were to go: $(ls dropped/scores.trials)"
grid 1 dropped --set ehr.grid.tasks=[death] ehr.grid.samples=[14] ehr.seeds=1 ehr.weights=drop >out 2>log &&
    [ "$(grep -c 'results.h5 is up to date' log)" -eq 2 ] || fail "trained anew without weights: $(cat log)"

# ---- rates to choose from: 1e6 diverges, which is said, and no reason to stop ----
rates=(ehr.grid.settings=[] "ehr.grid.rates=[3e-3, 1e-4, 1e6]" ehr.max_loss=100 "ehr.grid.tasks=[death]")
grid 3 rates --set "${rates[@]}" ehr.report=rates/evaluation.md >out 2>log
[ $? -eq 1 ] || fail "rates: $(cat log)"
grep -q 'error: 4 of 12 trainings failed; the first, death.behrt.base.n14.rate-1e6.seed-0: ' log || fail "which failed: $(cat log)"
[ "$(ls rates/scores.trials/*.csv | wc -l)" -eq 12 ] || fail "two sizes, two seeds, two rates of base and hierarchy: $(ls rates/scores.trials)"
grep -q '^| death | behrt | 14 samples | .* | failed |$' rates/evaluation.md || fail "no row of rates: $(cat rates/evaluation.md)"
[ "$(grep -c '^- death.behrt.base.*.rate-1e6.seed-.: ' rates/evaluation.md)" -eq 4 ] || fail "why is not said: $(cat rates/evaluation.md)"
"$PYTHON" - <<'PYTHON' || fail "another rate than the best: $(cat rates/evaluation.md)"
import json
import h5py

file = h5py.File("rates/scores.h5")
text = lambda name: [t.decode() for t in file[name][()]]
report = json.load(open("rates/scores.json"))
assert [(r["task"], r["train_samples"], r["arm"]) for r in report["rates"]] == [("death", 14, "base"), ("death", 0, "base")]
assert len(report["failures"]) == 4
for cell in report["rates"]:
    tuning = {c["rate"]: c["tuning_average_precision"] for c in cell["candidates"]}
    assert list(tuning) == ["3e-3", "1e-4", "1e6"] and tuning["1e6"] is None, tuning
    best, other = ("3e-3", "1e-4") if tuning["3e-3"] > tuning["1e-4"] else ("1e-4", "3e-3")
    assert cell["rate"] == best, cell
    of = [i for i, n in enumerate(file["trial_train_samples"][()].ravel()) if n == cell["train_samples"]]
    assert [text("trial_arm")[i] for i in of] == ["base", "base", "hierarchy", "hierarchy"]
    assert all(f"ehr.rate: {float(best):g}" in text("trial_settings")[i] for i in of)
    size = f"n{cell['train_samples']}" if cell["train_samples"] else "all"
    assert [text("trial_name")[i] for i in of] == [f"death.behrt.base.{size}.rate-{best}.seed-{s}" for s in (0, 1)] + [
        f"death.behrt.hierarchy.{size}.seed-{s}" for s in (0, 1)]
    assert abs(sum(file["trial_tuning"][()].ravel()[i] for i in of[:2]) / 2 - tuning[best]) < 1e-8
    for seed in (0, 1): # held_out has not been looked at with the other rate
        scored = [h5py.File(f"rates/scores.trials/death.behrt.base.{size}.rate-{rate}.seed-{seed}.results.h5")["trial_samples"][0, 1] >= 0
                  for rate in (best, other)]
        assert scored == [True, False], scored
PYTHON
cp -r rates again
rates[1]="ehr.grid.rates=[3e-3, 1e-4]"
grid 1 again --set "${rates[@]}" >out 2>log || fail "rates, once more: $(cat log)"
[ "$(grep -c 'trainings that are left' log)" -eq 0 ] || fail "trained anew: $(cat log)"
grid 1 again --force --set "${rates[@]}" ehr.weights=drop >out 2>log || fail "rates, by force: $(cat log)"
[ "$(grep -c ': training, ' log)" -eq 12 ] || fail "more than twelve trainings, or fewer: $(cat log)"
[ -z "$(ls again/scores.trials | grep -v 'results\|1e6' | grep 'h5$')" ] || fail "weights were to go: $(ls again/scores.trials)"
cmp rates/scores.trials/death.behrt.hierarchy.all.seed-1.csv again/scores.trials/death.behrt.hierarchy.all.seed-1.csv || fail "other predictions by force"

# ---- what is refused ----
expect_error 2 'ehr.rate is set, and ehr.grid.rates is to choose it' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.settings=[] ehr.grid.rates=[1e-3] ehr.rate=1e-3
expect_error 2 'rates are chosen by base: name it first' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.settings=[] ehr.grid.rates=[1e-3] ehr.grid.arms=[hierarchy,base]
expect_error 2 'ehr.grid.rates: 1e-3 and 0.001 are the same rate' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.settings=[] ehr.grid.rates=[1e-3,0.001]
expect_error 2 'ehr.grid.rates: ethos learns no labels' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.settings=[] ehr.grid.rates=[1e-3] ehr.grid.models=[behrt,ethos] ehr.pretrain_steps=5
expect_error 2 'would be called .*, too long for a file' "$MEDTOK" evaluate --config grid.yaml --set "ehr.grid.tasks=[$(printf 'x%.0s' {1..260})]"
expect_error 2 'ehr.grid.settings has behrt.rate=2e-3, and ehr.grid.rates is to choose it' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.rates=[1e-3]
expect_error 2 'ehr.grid.rates: .*ehr.rate.*fast' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.settings=[] ehr.grid.rates=[fast]
expect_error 2 'ehr.grid.arms: .*ehr.embedding.*one of base' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.arms=[randm]
expect_error 2 'ehr.grid.settings: behrt.shots=3: expected MODEL.KEY=VALUE' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.settings=[behrt.shots=3]
expect_error 2 'ehr.grid.settings: .*ehr.model.*bert' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.settings=[bert.rate=3]
expect_error 2 'ehr.grid lists the training .* twice' "$MEDTOK" evaluate --config grid.yaml --set ehr.grid.arms=[base,base]
finish
