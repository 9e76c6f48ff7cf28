#!/usr/bin/env bash
# By hand: do arms do what they are for? A made-up hospital whose diagnoses are mostly rare, so that what train never saw is known from its relatives alone;
# a knowledge source (descriptions, graph) that names the disease of each code; MedTok's table made from it; BEHRT with each arm on readmission within 30 days.
# Beside them the Bayes probabilities, which no model can beat. The table of codes is the best case of one: it knows all that there is to know.
set -euo pipefail
usage='usage: tests/bench/ehr_arms_synth.sh [FOLDER]

Writes its files to FOLDER (results/ehr_arms_synth) and the table of average precision to stdout. SEEDS (3), PATIENTS (20000) and
ARMS from the environment; MEDTOK: the program (build/medtok); PYTHON: one with numpy. Half an hour on 2 cores.'
case ${1:-} in -*) echo "$usage"; exit 0 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=${1:-results/ehr_arms_synth}
medtok=${MEDTOK:-build/medtok}
python=${PYTHON:-python3}
arms=${ARMS:-base hierarchy medtok-init medtok-frozen medtok-tokens random-frozen shuffled text-only graph-only}
mkdir -p "$folder"

if [ ! -e "$folder/table.h5" ]; then
    "$medtok" synth --set synth.folder="$folder" synth.formats=meds synth.gzip=0 synth.patients="${PATIENTS:-20000}" synth.icd=10 synth.rare=1 \
        synth.diseases=40 synth.effect=1 synth.procedures=0 synth.drugs=0 synth.lab_days=0
    "$python" tests/bench/ehr_arms_synth.py codes "$folder"
    "$medtok" cohort --set cohort.folder="$folder/meds" cohort.tasks=readmission_30d files.cohort="$folder/cohort.h5"
    cat >"$folder/table.yaml" <<YAML
files:
  codes: [$folder/codes.tsv]
  graph: $folder/kg.csv
  vocabulary: $folder/vocabulary.h5
  text: $folder/text.h5
  checkpoint: $folder/checkpoint.h5
  table: $folder/table.h5
text: {dim: 256}
quantizer: {size: 600}
train: {batch: 256, steps: 300}
YAML
    for job in prepare encode train tokenize; do "$medtok" $job --config "$folder/table.yaml"; done
fi
for arm in $arms; do
    "$medtok" evaluate --set files.cohort="$folder/cohort.h5" files.table="$folder/table.h5" files.text="$folder/text.h5" \
        files.scores="$folder/$arm/scores.json" ehr.task=readmission_30d ehr.model=behrt ehr.embedding="$arm" ehr.seeds="${SEEDS:-3}" \
        ehr.steps=600 ehr.rate=1e-3 ehr.eval_every=60 ehr.patience=5 ehr.max_length=128 ehr.resamples=20
done >&2
# shellcheck disable=SC2086
"$python" tests/bench/ehr_arms_synth.py report "$folder" $arms
