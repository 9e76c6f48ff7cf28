#!/usr/bin/env bash
# Baselines on real and simulated records: learning curves of logistic regressions on age and sex alone, codes, codes and their hierarchy,
# codes and words, and of boosted trees, with intervals; held-out rows whose codes training never saw; and scikit-learn on the same rows in
# the same run. Settings are chosen on tuning, held_out is scored once. Writes markdown to standard output; on two free cores it takes some
# 20 minutes. One thread each, for us and for scikit-learn. LIBRARY=libxgboost.so: where XGBoost is.
# WORK=FOLDER keeps there what was run, and goes on from it.
# usage: baselines.sh DATA     DATA has ehr/{nhds2010,eicu_demo,delphi_sim}_meds, vocabulary/ and graph/
# Needs pyarrow, NumPy, SciPy and scikit-learn, and for trees xgboost 1.7: PYTHON=VENV/bin/python.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
for module in pyarrow numpy scipy sklearn; do need $module; done
export PYTHON=$python OMP_NUM_THREADS=1
data=${1:?usage: baselines.sh DATA}
[ -z "${WORK:-}" ] || { rm -rf "$work" && work=$WORK && mkdir -p "$work" && trap - EXIT; }
library=${LIBRARY:-$("$python" -c 'import xgboost.libpath; print(xgboost.libpath.find_lib_path()[0])' 2>/dev/null || true)}

quietly() { "$MEDTOK" "$@" >"$work/out" 2>"$work/log" || { cat "$work/log" >&2 && exit 1; }; }

# run TASK ARM settings...: the scores of one arm in $work/TASK.ARM.json, its predictions in .csv, its log in .log
run() {
    local task=$1 arm=$2
    shift 2
    [ ! -s "$work/$task.$arm.json" ] || return 0
    quietly baseline --set files.cohort="$work/$set.h5" files.scores="$work/$task.$arm.json" baseline.task="$task" run.threads=1 \
        baseline.rows="$sizes" baseline.replicates=3 baseline.resamples=400 baseline.strengths=0.01,0.03,0.1,0.3,1,3 baseline.vocabulary="$work/v.h5" "$@"
    cp "$work/log" "$work/$task.$arm.log"
    echo "$task $arm" >&2
}

curves() { # set, sizes, tasks...
    set=$1
    [ -s "$work/$set.h5" ] || quietly cohort --set cohort.folder="$data/ehr/${set}_meds" files.cohort="$work/$set.h5"
    for task in "${@:3}"; do
        sizes=$2
        run "$task" age_sex baseline.features=age,sex
        run "$task" codes baseline.features=codes,age,sex baseline.matrix="$work/$task.svm" baseline.shown=1000000
        run "$task" hierarchy baseline.features=codes,hierarchy,age,sex
        run "$task" words baseline.features=codes,words,age,sex
        if [ -n "$library" ]; then
            sizes="[]" # it takes its time
            run "$task" trees baseline.features=codes,age,sex baseline.model=xgboost baseline.xgboost="$library"
            run "$task" trees_hierarchy baseline.features=codes,hierarchy,age,sex baseline.model=xgboost baseline.xgboost="$library"
        fi
        tasks+=("$task")
    done
}

{
    zcat "$data/vocabulary/codes.tsv.gz" | awk -F'\t' 'NR == 1 || $1 == "ICD9CM" || $1 == "ICD10CM" || $1 == "ATC" || $1 == "ICD9PROC"'
    zcat "$data/vocabulary/icd9cm_headers.tsv.gz" | tail -n +2 | cut -f1-4
} | awk -F'\t' '!seen[$1 "\t" $2]++' >"$work/codes.tsv"
quietly prepare --set files.codes="$work/codes.tsv" files.graph="$data/graph/kg.csv.gz" files.vocabulary="$work/v.h5"
tasks=()
curves delphi_sim 1000,5000 death_within_10y_of_65
curves eicu_demo 200 hospital_death_24h
curves nhds2010 1000,20000 death_at_admission los7_at_admission
curves nhds2010 1000 death_from_discharge_codes
sizes="[]" set=nhds2010
shots=(baseline.choose=auroc baseline.shots=1,2,4,8,12,16,24,32,48,64,128)
run los7_at_admission shots_codes baseline.features=codes,age,sex "${shots[@]}"
run los7_at_admission shots_hierarchy baseline.features=codes,hierarchy,age,sex "${shots[@]}"
"$python" tests/bench/baselines.py "$work" "${tasks[@]}"
