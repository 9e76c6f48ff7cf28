#!/usr/bin/env bash
# ETHOS on a cohort: average precision of scores by generation and of the probe on its representation, settings chosen on tuning, one
# seed, beside the prevalence and a logistic regression on the same samples. Markdown to standard output.
# By hand, a quarter of an hour of one core: ethos_cohort.sh COHORT.h5 TASK OUTCOME > table.md
# OUTCOME: what a future must hold (ehr.outcome). QUICK=1: one setting each, so that nothing is chosen, and 10 futures.
# WORK=FOLDER keeps there what was run, and goes on from it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
medtok=${MEDTOK:-$root/build/medtok}
python=${PYTHON:-python3}
cohort=${1:?usage: ethos_cohort.sh COHORT.h5 TASK OUTCOME} task=$2 outcome=$3
work=${WORK:-$(mktemp -d)}
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work"

# run SPLIT MODEL FOLDER settings...: the report in FOLDER/SPLIT.json. The model is trained once for both splits.
run() {
    local split=$1 model=$2 folder=$work/$3
    shift 3
    [ -s "$folder/$split.json" ] && return
    "$medtok" evaluate --set files.cohort="$cohort" ehr.task="$task" ehr.model="$model" run.threads=1 ehr.visits=admissions \
        ehr.batch=32 ehr.max_length=256 ehr.outcome="[$outcome]" ehr.horizon=30 ehr.log_every=100 ehr.score="$split" \
        files.scores="$folder/scores.json" "$@" >"$work/out" 2>"$work/log" || { cat "$work/log" >&2 && exit 1; }
    cp "$folder/scores.json" "$folder/$split.json"
}
precision() { "$python" -c "import json; print(json.load(open('$work/$1/tuning.json'))['trainings'][0]['average_precision']['value'])"; }

shaping=("ehr.pretrain_steps=100 ehr.dropout=0.1" "ehr.pretrain_steps=300 ehr.dropout=0.1")
rates=(1e-4 1e-3) # of the probe's training
futures=20
[ -z "${QUICK:-}" ] || { shaping=("${shaping[0]}") rates=(1e-3) futures=10; }
list() { # MODEL: its settings, one a line
    local s rate
    for s in "${shaping[@]}"; do
        [ "$1" = ethos ] && echo "$s ehr.pretrain_rate=1e-3" && continue
        for rate in "${rates[@]}"; do
            echo "$s ehr.pretrain_rate=1e-3 ehr.rate=$rate ehr.steps=100 ehr.warmup=20 ehr.eval_every=10 ehr.patience=8"
        done
    done
}

chosen=()
for model in ethos-probe ethos; do
    most=-1 best=
    while read -r settings; do
        name=$model.$(tr -c 'a-z0-9.\n' - <<<"$settings")
        settings+=" ehr.futures=$futures"
        run tuning "$model" "$name" $settings
        ap=$(precision "$name")
        echo "$model $settings: average precision on tuning $ap" >&2
        tried="${tried:-}| $model | \`$settings\` | $(printf %.3f "$ap") |"$'\n'
        awk "BEGIN {exit !($ap > $most)}" && most=$ap best=$settings at=$name
    done < <(list "$model")
    chosen+=("$best")
    run held_out "$model" "$at" $best
    cp "$work/$at/held_out.json" "$work/$model.json"
done
[ -s "$work/codes.json" ] || "$medtok" baseline --set files.cohort="$cohort" files.scores="$work/codes.json" baseline.task="$task" run.threads=1 >"$work/out" 2>"$work/log"
[ -s "$work/age_sex.json" ] || "$medtok" baseline --set files.cohort="$cohort" files.scores="$work/age_sex.json" baseline.task="$task" baseline.features=age,sex run.threads=1 >"$work/out" 2>"$work/log"

"$python" - "$work" <<'PYTHON'
import json, sys

work = sys.argv[1]
interval = lambda e: f"{e['value']:.3f} ({e['low']:.3f} to {e['high']:.3f})"
load = lambda name: json.load(open(f"{work}/{name}.json"))
cell = load("ethos")["comparisons"][0]
print(f"held_out: {cell['n']} samples, {cell['true']} true: prevalence {cell['prevalence']:.3f}, what a random score has as average precision\n")
print("| scores | average precision | AUROC |\n|---|---|---|")
for name, what in (("ethos", "ethos, generation"), ("ethos-probe", "ethos-probe")):
    t = load(name)["trainings"][0]
    print(f"| {what} | {interval(t['average_precision'])} | {interval(t['auroc'])} |")
for name, what in (("age_sex", "logistic regression, age and sex"), ("codes", "logistic regression, codes, age and sex")):
    s = load(name)["fits"][-1]["scores"]
    print(f"| {what} | {interval(s['average_precision'])} | {interval(s['auroc'])} |")
PYTHON
printf '\nTried, and average precision on tuning (one seed):\n\n| model | settings | tuning |\n|---|---|---|\n%s' "$tried"
printf '\nChosen: ethos-probe `%s`; ethos `%s`.\n' "${chosen[@]}"
