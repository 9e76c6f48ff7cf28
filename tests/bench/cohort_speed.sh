#!/usr/bin/env bash
# `medtok cohort` beside DuckDB, in turns on the same cores: patients, admissions, diagnoses, procedures and prescriptions of MIMIC-IV from
# the same gzip files, joined and sorted by subject and time; ours into cohort.h5, DuckDB's into Parquet. Time and most memory of a process.
# usage: cohort_speed.sh [FOLDER]   of MIMIC-IV's files; without it `medtok synth` makes PATIENTS (364627, as MIMIC-IV 3.1) of them.
# Settings: RANKS (2) of ours, as many threads of DuckDB; MEMORY (3 GB a rank, all of them for DuckDB); see common.sh for the others.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need duckdb
export OMPI_MCA_rmaps_base_oversubscribe=1
folder=${1:-}
if [ -z "$folder" ]; then
    "$MEDTOK" synth --set synth.folder="$work/hospital" --set synth.formats=mimic4 --set synth.patients="${PATIENTS:-364627}" 2>"$work/log"
    folder=$work/hospital/mimic4
fi
"$python" tests/bench/cohort_speed.py "$work" "$folder" --rounds "$rounds" --ranks "${RANKS:-2}" --memory "${MEMORY:-3}"
