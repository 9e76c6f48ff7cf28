#!/usr/bin/env bash
# By hand: do models and arms do what they are for? Two hospitals with planted effects, whose Bayes probabilities are known, which no model can beat:
#   models   few codes, each of them often in training: every model with the arm base, beside a logistic regression
#   arms     so many codes, drawn evenly, that training lacks many that held_out has; what is known of them is their disease, from a knowledge source
#            that names it (descriptions, graph), from which MedTok's table is made: BEHRT with each arm. It is the best case of a table: it knows all
#   futures  ETHOS's scores by generation, by how long it was pre-trained: STEPS; effects are stronger and more patients come back
# The task is readmission within 30 days: its log odds are a sum over the diseases that were coded up to then. Admissions hold few codes, no drugs
# and no laboratory values, and few patients come back often, so that histories are short. For arms it is readmission after the first admission alone: so
# how long a history is tells nothing.
# usage: ehr_synth.sh PART FOLDER [key=value...]   PART: models, arms or futures; FOLDER keeps all that is made, and a grid goes on where it was stopped;
#                                                  key=value: settings over those below
# SEEDS: 1 of models, 3 of arms. Writes a table as markdown to standard output. Needs NumPy and h5py: PYTHON=VENV/bin/python. MEDTOK: the program.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
usage='usage: ehr_synth.sh models|arms|futures FOLDER [key=value...]'
part=${1:?$usage} folder=${2:?$usage}
shift 2
for module in numpy h5py; do need $module; done
mkdir -p "$folder"
run() { "$MEDTOK" "$@" >>"$folder/log" 2>&1 || { tail -5 "$folder/log" >&2 && exit 1; }; }
tables() { "$python" tests/bench/ehr_synth.py "$@"; }

# hospital TASK PATIENTS FORMS RARE GRAPH [key=value...]: FORMS codes a disease, RARE of the diagnoses drawn evenly from them; GRAPH of the diseases
# scattered over ICD's categories, so that its hierarchy does not tell them; settings over those below.
hospital() {
    [ ! -e "$folder/cohort.h5" ] || return 0
    tables codes "$3" "$folder/terminology.tsv"
    run synth --set synth.folder="$folder/hospital" synth.formats=[meds] synth.gzip=0 synth.codes=tables files.codes=["$folder/terminology.tsv"] \
        synth.patients="$2" synth.rare="$4" synth.icd=10 synth.diseases=20 synth.graph_share="$5" synth.effect=1.5 synth.effect_share=0.5 \
        synth.diagnoses=4 synth.admissions=0.78 synth.readmission=0.15 synth.procedures=0 synth.drugs=0 synth.lab_days=0 "${@:6}"
    tables first "$folder/hospital"
    run cohort --set cohort.folder="$folder/hospital/meds" cohort.tasks="$1" files.cohort="$folder/cohort.h5"
}

# table: of the hospital's codes, from descriptions and a graph that name their diseases.
table() {
    local job
    [ ! -e "$folder/table.h5" ] || return 0
    tables knowledge "$folder/hospital"
    cat >"$folder/table.yaml" <<YAML
files:
  codes: [$folder/hospital/codes.tsv]
  graph: $folder/hospital/kg.csv
  vocabulary: $folder/vocabulary.h5
  text: $folder/text.h5
  checkpoint: $folder/checkpoint.h5
  table: $folder/table.h5
text: {dim: 128}
quantizer: {size: 600}
train: {batch: 256, steps: 200}
YAML
    for job in prepare encode train tokenize; do run $job --config "$folder/table.yaml"; done
}

# grid key=value...
grid() {
    run evaluate --set files.cohort="$folder/cohort.h5" files.scores="$folder/scores.json" ehr.visits=admissions \
        ehr.max_length=64 ehr.batch=128 ehr.warmup=100 ehr.rate=1e-3 ehr.average=0.98 ehr.report="$folder/report.md" "$@"
}

case $part in
    models) # ETHOS spells a code in parts, and tells times and markers: 160 of its units are about as much of a history as 64 tokens
        hospital readmission_30d 200000 6 0 0
        run baseline --set files.cohort="$folder/cohort.h5" files.scores="$folder/regression.json" baseline.features=[codes]
        grid ehr.grid.models=[behrt,transformehr,ethos-probe,gt-behrt,mult-ehr,medtok-transformer] ehr.seeds="${SEEDS:-1}" \
            ehr.steps=1200 ehr.eval_every=300 \
            ehr.grid.settings=[mult-ehr.dim=64,mult-ehr.inner=64,mult-ehr.heads=16,mult-ehr.rate=2e-3,mult-ehr.steps=2400,mult-ehr.eval_every=600,ethos-probe.max_length=160] "$@"
        tables report "$folder/hospital" "$folder/scores.h5" "$folder/regression.csv"
        ;;
    arms)
        hospital first_return 80000 290 1 0.5
        table
        grid files.table="$folder/table.h5" files.text="$folder/text.h5" ehr.model=behrt \
            ehr.grid.arms=[base,hierarchy,medtok-init,medtok-frozen,medtok-tokens,random-frozen,shuffled,text-only,graph-only] \
            ehr.grid.samples=[3000] ehr.seeds="${SEEDS:-3}" ehr.min_count=2 ehr.steps=300 ehr.eval_every=20 ehr.patience=5 "$@"
        tables report "$folder/hospital" "$folder/scores.h5"
        ;;
    futures)
        hospital readmission_30d 30000 6 0 0 synth.effect=2 synth.admissions=1.2 synth.readmission=0.25
        for steps in ${STEPS:-300 1000 3000}; do
            mkdir -p "$folder/steps-$steps"
            run evaluate --set files.cohort="$folder/cohort.h5" files.scores="$folder/steps-$steps/scores.json" ehr.model=ethos ehr.visits=admissions \
                ehr.max_length=128 ehr.batch=64 ehr.pretrain_steps="$steps" ehr.pretrain_rate=2e-3 "$@"
        done
        tables futures "$folder/hospital" $(printf "$folder/steps-%s " ${STEPS:-300 1000 3000})
        ;;
    *) echo "$usage" >&2 && exit 2 ;;
esac
