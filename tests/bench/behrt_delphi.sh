#!/usr/bin/env bash
# BEHRT on simulated life-long histories (delphi_sim_meds: death within ten years of the 65th birthday), with a random table and with
# MedTok's vectors, beside a logistic regression on one-hot codes (scikit-learn), on the same split; three seeds. Writes a markdown
# table to standard output. On two cores it takes some 20 minutes, most of them for the token table; with TABLE=table.h5 (of ICD10CM codes)
# that is not made. BEHRT's settings were chosen by folds of train and tuning (results/behrt_delphi.md); more settings may follow as key=value.
# usage: behrt_delphi.sh DATA [key=value...]   DATA has ehr/delphi_sim_meds, vocabulary/codes.tsv.gz and graph/kg.csv.gz
# Needs pyarrow, NumPy, SciPy and scikit-learn: PYTHON=VENV/bin/python.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
for module in pyarrow numpy scipy sklearn; do need $module; done
export PYTHON=$python
data=${1:?usage: behrt_delphi.sh DATA [key=value...]}
shift
settings=(ehr.dim=256 ehr.inner=64 ehr.layers=1 ehr.position_scale=0.02 ehr.dropout=0.3 ehr.batch=512 ehr.steps=80 ehr.warmup=100
    ehr.rate=1e-3 ehr.weight_decay=5 ehr.average=0.98 ehr.eval_every=10 ehr.patience=10 ehr.seeds=3 "$@")
arms=(base medtok-init medtok-frozen random-frozen)

quietly() { "$MEDTOK" "$@" >"$work/out" 2>"$work/log" || { cat "$work/log" >&2 && exit 1; }; }

table=${TABLE:-}
if [ -z "$table" ]; then
    table=$work/table.h5
    zcat "$data/vocabulary/codes.tsv.gz" | awk -F'\t' 'NR == 1 || $1 == "ICD10CM"' | gzip -1 >"$work/codes.tsv.gz"
    cat >"$work/table.yaml" <<YAML
files: {codes: [$work/codes.tsv.gz], graph: $data/graph/kg.csv.gz, vocabulary: $work/v.h5, text: $work/t.h5, checkpoint: $work/c.h5, table: $table}
train: {steps: 300, checkpoint_every: 0}
YAML
    for job in prepare encode train tokenize; do quietly $job --config "$work/table.yaml"; done
fi
quietly cohort --set cohort.folder="$data/ehr/delphi_sim_meds" files.cohort="$work/cohort.h5"
for arm in "${arms[@]}"; do
    mkdir -p "$work/$arm"
    quietly evaluate --set files.cohort="$work/cohort.h5" files.table="$table" files.scores="$work/$arm/scores.json" \
        ehr.embedding="$arm" "${settings[@]}"
done
echo "\`tests/bench/behrt_delphi.sh\`, settings: ${settings[*]}"
echo
"$python" tests/bench/behrt_delphi.py "$data/ehr/delphi_sim_meds" death_within_10y_of_65 "$work" "${arms[@]}"
