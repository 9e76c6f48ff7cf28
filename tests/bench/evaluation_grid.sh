#!/usr/bin/env bash
# What are MedTok's tokens worth to models of health records, on open data? NHDS (real discharges), the eICU demo (real intensive care) and
# Delphi's simulated lives: BEHRT and MedTok's transformer over nine arms, three seeds and three training sizes, the other models over five
# arms at full size. A token table is trained for the codes of these sets first. Grids are tests/bench/evaluation_grid/SET.*.yaml; each goes
# on where it was stopped: run the same command again. It takes hours; it ends with the reports, as markdown, on standard output.
# RANKS: trainings side by side, 2. STEPS: of the token table, 1000. MODEL: a Hugging Face folder that reads the descriptions, such as
# MiniLM's; without: hashed n-grams. MEDTOK: the program.
# usage: evaluation_grid.sh DATA FOLDER [GRID...]     DATA has ehr/{nhds2010,eicu_demo,delphi_sim}_meds, vocabulary/ and graph/;
#                                                     FOLDER keeps all that is made; GRID: nhds2010.all_arms, ..., without: all
# Needs pyarrow: PYTHON=VENV/bin/python.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need pyarrow
export PYTHON=$python
usage='usage: evaluation_grid.sh DATA FOLDER [GRID...]'
data=${1:?$usage} folder=${2:?$usage}
shift 2
grids=tests/bench/evaluation_grid
ranks=${RANKS:-2} steps=${STEPS:-1000} model=${MODEL:-}
sets=(nhds2010 eicu_demo delphi_sim)
folders=("${sets[@]/#/$data/ehr/}")
folders=("${folders[@]/%/_meds}")
[ $# -gt 0 ] || set -- {eicu_demo,delphi_sim,nhds2010}.{all_arms,other_models}
for grid in "$@"; do
    [ -f "$grids/$grid.yaml" ] || { echo "there is no grid $grid: $(cd "$grids" && echo *.yaml)" >&2 && exit 2; }
done
mkdir -p "$folder"

# logged NAME JOB...: its log is $folder/NAME.log, shown if it fails.
logged() {
    local log=$folder/$1.log
    shift
    "$@" >>"$log" 2>&1 || { tail -5 "$log" >&2 && exit 1; }
}

# The codes of the sets and their ancestors, from whatever terminology.
used_codes() {
    {
        zcat "$data/vocabulary/codes.tsv.gz"
        zcat "$data/vocabulary/icd9cm_headers.tsv.gz" | tail -n +2 | cut -f1-4
    } | awk -F'\t' '!seen[$1 "\t" $2]++' | "$python" "$grids/codes.py" "${folders[@]}"
}

make_table() {
    local job
    used_codes >"$folder/codes.tsv"
    cat >"$folder/table.yaml" <<YAML
files: {codes: [$folder/codes.tsv], graph: $data/graph/kg.csv.gz, vocabulary: $folder/v.h5, text: $folder/t.h5, checkpoint: $folder/c.h5, table: $folder/table.h5}
train: {steps: $steps, checkpoint_every: 100}
YAML
    [ -z "$model" ] || echo "text: {encoder: bert, model: $model}" >>"$folder/table.yaml"
    for job in prepare encode train tokenize; do
        echo "$job" >&2
        logged table "$MEDTOK" "$job" --config "$folder/table.yaml"
    done
}

[ -s "$folder/table.h5" ] || make_table
for set in "${sets[@]}"; do
    [ -s "$folder/$set.h5" ] ||
        logged "$set" "$MEDTOK" cohort --set cohort.folder="$data/ehr/${set}_meds" files.cohort="$folder/$set.h5"
done
for grid in "$@"; do
    echo "$grid: its log is $folder/$grid.log" >&2
    mkdir -p "$folder/$grid"
    logged "$grid" mpirun --oversubscribe -n "$ranks" "$MEDTOK" evaluate --config "$grids/$grid.yaml" --set run.threads=1 \
        files.cohort="$folder/${grid%%.*}.h5" files.table="$folder/table.h5" files.text="$folder/t.h5" \
        files.scores="$folder/$grid/scores.json" ehr.report="$folder/$grid.md"
done
for grid in "$@"; do
    printf '# %s\n\n' "$grid"
    cat "$folder/$grid.md"
done
