#!/usr/bin/env bash
# Tasks on real data: samples, labels and counts per filter equal to those of tests/golden/cohort_reference.py, in both modes and on any number
# of ranks; label files equal to EHRSHOT's published form; what explain tells.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export PYTHON
data=$ROOT/../shared/data
[ -d "$data/ehr/mimic4_demo" ] || skip "there is no $data/ehr/mimic4_demo"
"$PYTHON" -c 'import h5py, pandas, pyarrow' 2>/dev/null || skip "h5py, pandas or pyarrow is not installed for $PYTHON"
maps=$data/maps
tasks=mortality,mortality_24h,readmission_15d,readmission_30d,length_of_stay,los_7d,phenotypes,drugs_5,drugs_atc3
tasks+=,first_hypertension,first_hyperlipidemia,first_pancreatic_cancer,first_ami,guo_los,guo_icu,guo_readmission
tasks+=,new_hypertension,new_hyperlipidemia,new_pancan,new_celiac,new_lupus,new_acutemi
labs=,lab_thrombocytopenia,lab_hyperkalemia,lab_hypoglycemia,lab_hyponatremia,lab_anemia

make_cohort() { # RANKS FOLDER OUTPUT and settings
    medtok_ranks "$1" cohort --set cohort.folder="$2" --set files.cohort="$3" --set cohort.maps="$maps/ndc_to_atc_demo.tsv.gz" \
        --set cohort.groups="$maps/ccs_icd9cm.tsv.gz,$maps/ccs_icd10cm_2019.tsv.gz" "${@:4}" 2>log || fail "cohort of $2: $(cat log)"
}
reference() { # FORMAT MODE COHORT
    "$PYTHON" "$ROOT/tests/golden/cohort_reference.py" "$data/ehr/$1_demo" "$1" "$2" "$3" --ndc "$maps/ndc_to_atc_demo.tsv.gz" \
        --ccs9 "$maps/ccs_icd9cm.tsv.gz" --ccs10 "$maps/ccs_icd10cm_2019.tsv.gz" >log 2>&1
}
content() { h5dump -a content_id "$1" 2>/dev/null | grep '(0)'; }

# ---- labels are those of pandas ----
make_cohort 1 "$data/ehr/mimic3_demo" mimic3-clean.h5 --set cohort.tasks="$tasks$labs"
make_cohort 2 "$data/ehr/mimic3_demo" mimic3-medtok.h5 --set cohort.tasks="$tasks" --set cohort.mode=medtok
make_cohort 1 "$data/ehr/mimic4_demo" mimic4-clean.h5 --set cohort.tasks="$tasks" --set cohort.labels=labels
make_cohort 2 "$data/ehr/mimic4_demo" mimic4-medtok.h5 --set cohort.tasks="$tasks" --set cohort.mode=medtok
for format in mimic3 mimic4; do
    for mode in clean medtok; do
        reference $format $mode $format-$mode.h5 || fail "$format $mode: $(tail -n 45 log)"
        grep -q ' 0 differences' log || fail "$format $mode: nothing was compared: $(cat log)"
    done
done
reference mimic4 medtok mimic4-clean.h5 && fail "labels of the other mode are the same"
# Where a patient's first admission does not say the race, the one that does is a later one, and it is not known before that.
mkdir late
cp "$data"/ehr/mimic3_demo/*.csv.gz late
zcat late/ADMISSIONS.csv.gz | "$PYTHON" -c '
import csv, sys
rows = list(csv.DictReader(sys.stdin))
first = {}
for row in rows:
    first[row["subject_id"]] = min(row["admittime"], first.get(row["subject_id"], "9"))
out = csv.DictWriter(sys.stdout, rows[0].keys())
out.writeheader()
for row in rows:
    out.writerow(row if row["admittime"] > first[row["subject_id"]] else {**row, "ethnicity": ""})' | gzip >admissions.gz
mv admissions.gz late/ADMISSIONS.csv.gz
make_cohort 2 late late.h5 --set cohort.tasks="$tasks"
"$PYTHON" "$ROOT/tests/golden/cohort_reference.py" late mimic3 clean late.h5 --ndc "$maps/ndc_to_atc_demo.tsv.gz" --ccs9 "$maps/ccs_icd9cm.tsv.gz" \
    --ccs10 "$maps/ccs_icd10cm_2019.tsv.gz" >log 2>&1 || fail "race in later admissions: $(tail -n 45 log)"
grep -qE 'of them [1-9][0-9]* dated' log || fail "no race is dated at a later admission: $(cat log)"

make_cohort 3 "$data/ehr/mimic4_demo" three.h5 --set cohort.tasks="$tasks"
[ "$(content three.h5)" = "$(content mimic4-clean.h5)" ] || fail "three ranks give another cohort"

# ---- label files ----
# same_labels PUBLISHED OURS N POSITIVE: EHRSHOT's labeled_patients.csv beside ours, row by row, and CSV beside Parquet.
same_labels() {
    "$PYTHON" - "$@" <<'PYTHON' || fail "labels of $2 are not those of $1"
import sys

import pandas as pd

published, folder, n, positive = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
ours, parquet = pd.read_csv(f"{folder}/labels.csv"), pd.read_parquet(f"{folder}/labels.parquet")
assert list(parquet.columns) == list(ours.columns) == ["subject_id", "prediction_time", "boolean_value"], list(ours.columns)
ours["prediction_time"] = pd.to_datetime(ours["prediction_time"])
assert (ours == parquet).all().all() and str(parquet.prediction_time.dtype) == "datetime64[us]", parquet.dtypes
theirs = pd.read_csv(published)
assert len(ours) == n and ours.boolean_value.sum() == positive, (len(ours), ours.boolean_value.sum())
rows = [list(zip(f.iloc[:, 0], pd.to_datetime(f["prediction_time"]), f.iloc[:, -1])) for f in (theirs, ours)]
assert sorted(rows[0]) == sorted(rows[1]), sorted(set(rows[0]) ^ set(rows[1]))[:5]
PYTHON
}
published=$data/ehr/ehrshot_shape_mimic4demo/benchmark
same_labels "$published/guo_icu/labeled_patients.csv" labels/guo_icu 176 42
same_labels "$published/guo_los/labeled_patients.csv" labels/guo_los 262 92
same_labels "$published/guo_readmission/labeled_patients.csv" labels/guo_readmission 260 51
head -n 2 labels/length_of_stay/labels.csv | grep -q '^subject_id,prediction_time,integer_value$' || fail "$(head -n 2 labels/length_of_stay/labels.csv)"
grep -qE '^[0-9]+,[0-9T:-]+,"[^"]*Essential hypertension[^"]*\|[^"]*"$' labels/phenotypes/labels.csv || fail "$(head -n 5 labels/phenotypes/labels.csv)"

# Events and splits alone: no label files, so that ours are made of the shape's events.
mkdir shape && ln -s "$data"/ehr/ehrshot_shape_mimic4demo/{data,splits} shape/
make_cohort 2 shape shape.h5 --set cohort.format=ehrshot --set cohort.tasks=guo_los,guo_readmission --set cohort.labels=shape-labels
same_labels "$published/guo_los/labeled_patients.csv" shape-labels/guo_los 262 92
same_labels "$published/guo_readmission/labeled_patients.csv" shape-labels/guo_readmission 260 51

echo 'mine' >labels/guo_los/labels.csv
expect_error 1 'labels/guo_los/labels.csv is there already and holds no labels' medtok cohort --set cohort.folder="$data/ehr/mimic4_demo" \
    --set files.cohort=three.h5 --set cohort.tasks=guo_los --set cohort.labels=labels --force
printf '#!/bin/sh\nexit 1\n' >nopython && chmod +x nopython
medtok cohort --set cohort.folder="$data/ehr/mimic4_demo" --set files.cohort=csv.h5 --set cohort.tasks=guo_los --set cohort.labels=csv \
    --set cohort.python=/nowhere/python 2>log || fail "without Python: $(cat log)"
grep -q 'warning: labels are written as CSV alone: ' log || fail "no warning that there is no Parquet: $(cat log)"
[ "$(wc -l <csv/guo_los/labels.csv)" -eq 263 ] && [ ! -e csv/guo_los/labels.parquet ] || fail "labels without Python: $(ls csv/guo_los)"

# Label files of others begin alike: they stay, and what is ours is written again.
mkdir -p theirs/guo_los && cp csv/guo_los/labels.csv theirs/guo_los && cp theirs/guo_los/labels.csv kept.csv
expect_error 1 'theirs/guo_los/labels.csv is there already, and no theirs/guo_los/labels.json says that it is ours' \
    medtok cohort --set cohort.folder="$data/ehr/mimic4_demo" --set files.cohort=theirs.h5 --set cohort.tasks=guo_los --set cohort.labels=theirs
cmp kept.csv theirs/guo_los/labels.csv || fail "label files of others are written over"

# ---- a task file of ACES says the same as our own task ----
cat >stay_death.yaml <<'YAML'
predicates:
  admission: {code: HOSPITAL_ADMISSION//inpatient}
  discharge: {code: {regex: ^HOSPITAL_DISCHARGE}}
  death: {code: MEDS_DEATH}
  out: {expr: "or(discharge, death)"}
trigger: admission
windows:
  day: {start: trigger, end: start + 24h, start_inclusive: true, end_inclusive: true, has: {out: "(None, 0)"}, index_timestamp: end}
  rest: {start: day.end, end: start -> out, start_inclusive: false, end_inclusive: true, label: death}
YAML
make_cohort 2 "$data/ehr/mimic4_demo" aces.h5 --set cohort.aces=stay_death.yaml --set cohort.tasks=mortality_24h
"$PYTHON" - <<'PYTHON' || fail "the task file and mortality_24h differ"
import h5py

with h5py.File("aces.h5") as f:
    names, ends = [n.decode() for n in f["task"][:]], f["task_offsets"][:]
    own, aces = (set(zip(f["sample_subject"][a:b].tolist(), f["sample_time"][a:b].tolist(), f["sample_label"][a:b].tolist()))
                 for a, b in zip(ends, ends[1:]))
assert names == ["mortality_24h", "stay_death"] and len(own) == 245 and len(aces) == 244, (names, len(own), len(aces))
assert len(own - aces) == 1 and not aces - own  # of two stays that overlap, the first ends in the second's first day
PYTHON
medtok explain 10000032 --set files.cohort=aces.h5 --set cohort.aces=stay_death.yaml >page 2>log || fail "explain: $(cat log)"
grep -q '^  left out: trigger at 2180-05-06 22:23:00: a window does not hold what it must, or has no end (day)$' page || fail "$(tail page)"

grep -q 'the history says the label' log && fail "a task whose label lies ahead is warned of"
sed 's/start: day.end, end: start -> out/start: end - 24h, end: day.end/' stay_death.yaml >past.yaml
make_cohort 2 "$data/ehr/mimic4_demo" past.h5 --set cohort.aces=past.yaml --set cohort.tasks=mortality_24h
grep -q 'warning: task past: the window rest, .* lies before the prediction time' log || fail "no word of a label that the history says: $(cat log)"

# ---- explain ----
medtok explain 10000032 --set files.cohort=mimic4-clean.h5 --set cohort.groups="$maps/ccs_icd9cm.tsv.gz,$maps/ccs_icd10cm_2019.tsv.gz" >page 2>log ||
    fail "explain: $(cat log)"
for line in '^subject 10000032, (train|tuning|held_out); born 2128-01-01 00:00:00, died 2180-09-09' '^visits: 4$' \
    '  0  2180-05-06 22:23:00 to 2180-05-07 17:15:00  inpatient, id 22595853' '  diagnosis  ICD9CM/5723  visit 0$' \
    '^guo_los: end of the day of admission' '  sample at 2180-05-06 23:59:00, visit 0: false; [0-9]+ of [0-9]+ events are known' \
    'hidden, since they are asked for: [0-9]+ events of visit 0: ' '  left out: visit 3 at 2180-08-05 23:44:00: no later stay'; do
    grep -qE -- "$line" page || fail "explain tells no line like /$line/: $(head -c 3000 page)"
done
grep -q 'these settings give' page && fail "explain finds other samples: $(grep -B3 'these settings give' page)"
expect_error 1 'has no subject 5' medtok explain 5 --set files.cohort=mimic4-clean.h5
expect_error 2 'abc is no number of a subject' medtok explain abc --set files.cohort=mimic4-clean.h5
expect_error 2 'name subjects by their numbers' medtok explain --set files.cohort=mimic4-clean.h5
finish
