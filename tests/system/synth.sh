#!/usr/bin/env bash
# A made-up hospital: the same bytes from any number of ranks, the published headers, gzip as others read it, faulty rows where the list
# says and good rows untouched, a folder of other people's files left alone, nothing half-made after a signal; and the cohorts that `cohort`
# makes of its formats.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

synth() { # RANKS FOLDER settings...
    "$MPIRUN" --bind-to none -n "$1" "$MEDTOK" synth --set "synth.folder=$2" "${@:3}" >log.txt 2>&1
}
rows() { echo $(($(cat "$@" | wc -l) - 1)); }

# ---- ranks ----
for n in 1 2 3; do synth $n ranks$n synth.patients=1500 synth.faults=3 run.seed=7 || fail "on $n ranks: $(cat log.txt)"; done
for n in 2 3; do diff -r ranks1 ranks$n >log.txt || fail "$n ranks write other bytes: $(head -n 5 log.txt)"; done
find ranks1 -name '*.csv.gz' -print0 | xargs -0 gzip -t || fail "gzip finds fault"
[ "$(find ranks1 -name '*.csv.gz' | wc -l)" -eq 47 ] || fail "$(find ranks1 -name '*.csv.gz' | wc -l) tables, not 47"
[ -z "$(find ranks1 -name '*tmp-medtok*')" ] || fail "temporary files are left"
synth 2 seed synth.patients=1500 synth.formats=mimic4 run.seed=8 || fail "another seed: $(cat log.txt)"
cmp -s ranks1/mimic4/hosp/admissions.csv.gz seed/mimic4/hosp/admissions.csv.gz && fail "another seed gives the same admissions"

# ---- plain files hold the same; the faults stand where the list says, and without them the rest is as before ----
synth 2 plain synth.patients=1500 synth.faults=3 run.seed=7 synth.gzip=0 || fail "plain: $(cat log.txt)"
synth 2 good synth.patients=1500 run.seed=7 synth.gzip=0 || fail "without faults: $(cat log.txt)"
while read -r f; do
    [ "$f" = ./faults.csv.gz ] || gzip -dc "ranks1/$f" | cmp - "plain/${f%.gz}" || fail "$f differs in gzip"
done < <(cd ranks1 && find . -name '*.csv.gz')
[ "$(rows plain/faults.csv)" -eq $((6 * 3 * 5 - 3)) ] || fail "$(rows plain/faults.csv) faults: MEDS cannot hold one of six kinds"
tail -n +2 plain/faults.csv | while IFS=, read -r file line fault; do
    row=$(sed -n "${line}p" "plain/$file")
    case $fault in
        "bad date") [[ $row == *2180-13-45* ]] ;;
        "discharge before admission") [[ $row == *2290-01-01* ]] ;;
        "unknown patient") [[ $row == *[19]0000???????* || $row == *999999999999* ]] ;;
        "text for a number") [[ $row == *unknown* || $row == *high* ]] ;;
        *) grep -qxF -- "$row" "plain/$file" && [[ $row != "" ]] ;;
    esac || echo "$file:$line: $fault: $row" >>wrong
done
[ ! -e wrong ] || fail "faults are not where the list says: $(cat wrong)"
for f in mimic4/hosp/admissions mimic4/hosp/diagnoses_icd mimic3/ADMISSIONS ehrshot/data/ehrshot omop/condition_occurrence meds/data/train/0; do
    awk -F, -v f="$f.csv" 'NR == FNR { if ($1 == f) bad[$2]; next } !(FNR in bad)' plain/faults.csv "plain/$f.csv" |
        grep -v '^50001\|,50001' | cmp - "good/$f.csv" || fail "$f: with faults, the good rows are others"
done

# ---- headers: physionet.org/content/mimiciii/1.4, mimiciv/3.1; ohdsi.github.io/CommonDataModel/cdm54.html; MEDS 0.4 ----
header() {
    [ "$(head -n 1 "good/$1.csv")" = "$2" ] || fail "$1 has another header: $(head -n 1 "good/$1.csv")"
}
header mimic3/PATIENTS '"ROW_ID","SUBJECT_ID","GENDER","DOB","DOD","DOD_HOSP","DOD_SSN","EXPIRE_FLAG"'
header mimic3/DIAGNOSES_ICD '"ROW_ID","SUBJECT_ID","HADM_ID","SEQ_NUM","ICD9_CODE"'
header mimic4/hosp/patients subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod
header mimic4/hosp/diagnoses_icd subject_id,hadm_id,seq_num,icd_code,icd_version
header mimic4/hosp/procedures_icd subject_id,hadm_id,seq_num,chartdate,icd_code,icd_version
header mimic4/hosp/prescriptions subject_id,hadm_id,pharmacy_id,poe_id,poe_seq,order_provider_id,starttime,stoptime,drug_type,drug,formulary_drug_cd,gsn,ndc,prod_strength,form_rx,dose_val_rx,dose_unit_rx,form_val_disp,form_unit_disp,doses_per_24_hrs,route
header mimic4/icu/icustays subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los
header ehrshot/data/ehrshot patient_id,start,end,code,value,unit,visit_id,omop_table
header ehrshot/splits/person_id_map split,omop_person_id
header omop/death person_id,death_date,death_datetime,death_type_concept_id,cause_concept_id,cause_source_value,cause_source_concept_id
header meds/metadata/subject_splits subject_id,split
demos=$ROOT/../shared/data/ehr
if [ -d "$demos/mimic4_demo" ]; then # the demos have the headers of the full sets; MIMIC-III's in lower case and without quotes
    for f in "$demos"/mimic4_demo/{hosp,icu}/*.csv.gz; do
        name=${f#"$demos/mimic4_demo/"}
        [ ! -e "good/mimic4/${name%.gz}" ] || header "mimic4/${name%.csv.gz}" "$(gzip -dc "$f" 2>/dev/null | head -n 1)"
    done
    for f in "$demos"/mimic3_demo/*.csv.gz; do
        name=$(basename "$f" .csv.gz)
        [ -e "good/mimic3/$name.csv" ] || continue
        [ "$(head -n 1 "good/mimic3/$name.csv" | tr -d '"' | tr A-Z a-z)" = "$(gzip -dc "$f" 2>/dev/null | head -n 1)" ] ||
            fail "mimic3/$name has another header than the demo"
    done
fi

# ---- counts: all formats have the same patients, admissions, diagnoses, procedures, drugs and tests ----
same() { # WHAT count count...
    for n in "${@:3}"; do [ "$n" -eq "$2" ] || fail "$1: ${*:2}"; done
}
events() { grep -c "$1" good/ehrshot/data/ehrshot.csv; }
meds() { cat good/meds/data/*/0.csv | grep -c "$1"; }
same patients 1500 "$(rows good/mimic3/PATIENTS.csv)" "$(rows good/mimic4/hosp/patients.csv)" "$(rows good/ehrshot/splits/person_id_map.csv)" \
    "$(rows good/omop/person.csv)" "$(rows good/meds/metadata/subject_splits.csv)" "$(meds MEDS_BIRTH)"
same admissions "$(rows good/mimic3/ADMISSIONS.csv)" "$(rows good/mimic4/hosp/admissions.csv)" "$(events visit_occurrence)" \
    "$(rows good/omop/visit_occurrence.csv)" "$(meds HOSPITAL_ADMISSION)" "$(meds HOSPITAL_DISCHARGE)"
same diagnoses "$(rows good/mimic3/DIAGNOSES_ICD.csv)" "$(rows good/mimic4/hosp/diagnoses_icd.csv)" "$(events condition_occurrence)" \
    "$(rows good/omop/condition_occurrence.csv)" "$(meds DIAGNOSIS//ICD)"
same procedures "$(rows good/mimic3/PROCEDURES_ICD.csv)" "$(rows good/mimic4/hosp/procedures_icd.csv)" "$(events procedure_occurrence)" \
    "$(rows good/omop/procedure_occurrence.csv)" "$(meds PROCEDURE//ICD)"
same drugs "$(rows good/mimic3/PRESCRIPTIONS.csv)" "$(rows good/mimic4/hosp/prescriptions.csv)" "$(events drug_exposure)" \
    "$(rows good/omop/drug_exposure.csv)" "$(meds MEDICATION//NDC)"
same tests "$(rows good/mimic3/LABEVENTS.csv)" "$(rows good/mimic4/hosp/labevents.csv)" "$(events measurement)" \
    "$(rows good/omop/measurement.csv)" "$(meds LAB//)"

# ---- codes that are given, with nodes of a graph: from code tables and from the vocabulary that `prepare` makes of them ----
{
    printf 'system\tcode\tdescription\tnodes\n'
    awk -F, 'NR > 1 { printf "%s\t%s\ta diagnosis\t%s\n", $1, $2, substr($2, 2, 2) % 3 ? "" : substr($2, 2, 2) }' good/codes.csv | sed 's/\t0\([0-9]\)$/\t\1/'
    awk -F, '$4 ~ /ICD9Proc|ICD10PCS/ { printf "%s\t%s\ta procedure\t\n", $4 == "ICD9Proc" ? "ICD9PROC" : $4, $7 }' good/omop/concept.csv
    awk -F, 'NR > 1 { printf "ATC\t%s\t%s\t\n", $2, $1 }' good/drug_to_atc.csv
} >given.tsv
medtok prepare --set files.codes=given.tsv 2>log.txt || fail "prepare: $(cat log.txt)"
for codes in vocabulary tables; do
    synth 2 $codes synth.patients=300 synth.codes=$codes files.codes=given.tsv "files.vocabulary=$work/vocabulary.h5" || fail "codes of $codes: $(cat log.txt)"
done
diff -r -x hospital.json vocabulary tables >log.txt || fail "the vocabulary and the tables it was made of give two hospitals: $(head -n 3 log.txt)"
graphs=$(gzip -dc tables/diseases.csv.gz | grep -c ',graph,')
[ "$graphs" -gt 5 ] || fail "$graphs diseases are of the graph"
code=$(sed -n 100p given.tsv | cut -f 2)
[ "$(gzip -dc tables/codes.csv.gz | grep -cF ",$code,")" -eq 1 ] || fail "the code $code of the table is not used"
expect_error 1 'synth.diseases' "$MEDTOK" synth --set synth.folder=few synth.codes=tables "files.codes=$SAMPLE/codes.tsv"

# ---- other people's folders; what is wrong in the settings ----
mkdir -p mine/mimic4/hosp && echo precious >mine/mimic4/hosp/patients.csv
expect_error 2 'synth.folder: mine is there already' "$MEDTOK" synth --set synth.folder=mine
[ "$(cat mine/mimic4/hosp/patients.csv)" = precious ] || fail "a file of the user's was written over"
expect_error 2 'there is no mimic5' "$MEDTOK" synth --set synth.folder=new synth.formats=mimic5
expect_error 2 'synth.parquet is made of MEDS' "$MEDTOK" synth --set synth.folder=new synth.formats=omop synth.parquet=yes
expect_error 2 'files.codes names none' "$MEDTOK" synth --set synth.folder=new synth.codes=tables
[ ! -e new ] || fail "a folder was made for settings that are wrong"
synth 1 good synth.patients=100 || fail "its own folder again: $(cat log.txt)"
[ ! -e good/mimic4/hosp/patients.csv ] && [ -e good/mimic4/hosp/patients.csv.gz ] || fail "plain files of an earlier run stay beside those in gzip"

# ---- a signal leaves nothing half-made ----
"$MEDTOK" synth --set synth.folder=stopped synth.patients=200000 2>log.txt &
pid=$!
for _ in $(seq 100); do [ -e stopped/mimic4/hosp ] && break; sleep 0.1; done
kill -TERM $pid
wait $pid
[ $? -eq 75 ] || fail "stopped by a signal, it ends otherwise: $(tail -n 3 log.txt)"
[ ! -e stopped ] || fail "a signal leaves $(find stopped | head -n 3)"
# What was whole before stays, and is not said to be what the stopped run was to make.
synth 1 again synth.patients=100 synth.formats=omop || fail "synth: $(cat log.txt)"
"$MEDTOK" synth --set synth.folder=again synth.patients=200000 synth.formats=omop,mimic4 2>log.txt &
pid=$!
for _ in $(seq 100); do [ -e again/mimic4/hosp ] && break; sleep 0.1; done
kill -TERM $pid
wait $pid
[ $? -eq 75 ] && [ -e again/omop/person.csv.gz ] || fail "a stopped run takes what was there: $(find again | head -n 3; tail -n 1 log.txt)"
grep -q '"whole": 0' again/hospital.json || fail "what was stopped says that it is whole"

# ---- few patients: what has no score says so ----
synth 1 few synth.patients=10 synth.formats=omop || fail "ten patients: $(cat log.txt)"
grep -qE 'AUROC is not defined|nothing to score' log.txt && ! grep -qi nan log.txt || fail "scores of ten patients: $(grep -i held_out log.txt)"

# ---- Parquet ----
if "$PYTHON" -c 'import pyarrow' 2>/dev/null; then
    synth 2 parquet synth.patients=400 synth.formats=meds synth.parquet=yes "synth.python=$PYTHON" || fail "Parquet: $(cat log.txt)"
    "$PYTHON" - <<'PY' || fail "Parquet holds something else than CSV"
import csv, datetime, gzip, pathlib
import pyarrow as pa, pyarrow.parquet as parquet

for path in pathlib.Path("parquet/meds").rglob("*.csv.gz"):
    table = parquet.read_table("parquet/meds_parquet/" + str(path.relative_to("parquet/meds")).replace(".csv.gz", ".parquet"))
    rows = list(csv.DictReader(gzip.open(path, "rt")))
    assert table.num_rows == len(rows) and table.column_names[:2] == list(rows[0])[:2], path
    for row, found in zip(rows, table.to_pylist()):
        for name, text in row.items():
            value = found[name]
            if text == "" and name in ("time", "numeric_value", "hadm_id"):
                assert value is None, (path, row, found)
            elif isinstance(value, datetime.datetime):
                assert value == datetime.datetime.fromisoformat(text), (path, row, found)
            elif isinstance(value, float):
                assert abs(value - float(text)) <= 1e-6 * abs(value), (path, row, found)
            elif isinstance(value, list):
                assert value == [text], (path, row, found)
            else:
                assert str(value) == text, (path, row, found)
schema = parquet.read_schema("parquet/meds_parquet/data/train/0.parquet")
assert schema.field("time").type == pa.timestamp("us") and schema.field("numeric_value").type == pa.float32()
PY
else
    echo "no pyarrow: Parquet is left out"
fi
finish
