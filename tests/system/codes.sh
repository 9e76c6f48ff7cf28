#!/usr/bin/env bash
# What codes become on the way into a cohort: one hospital as EHRSHOT, OMOP, MEDS CSV and MEDS has the same codes, drugs become ATC by a map,
# each code finds its row of a vocabulary, what has none is listed, and rows that cannot be used are counted with file and line.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cohort() { medtok cohort --set files.cohort=out.h5 --set cohort.tasks=los_7d --force "$@"; }
codes() { h5dump -A 0 -d code "$1" | grep -E '^ *\([0-9]' | grep -oE '"[^"]*"' | tr -d '"' | sed 's/\\000//g' | tr '\n' ' '; }

# ---- the hospital: two subjects; the first is in for heart failure, with a drug and a haemoglobin ----
mkdir -p ehrshot/data ehrshot/splits omop meds/data/a meds/metadata
cat >ehrshot/splits/person_id_map.csv <<'END'
split,omop_person_id
train,1
val,2
END
cat >ehrshot/data/ehrshot.csv <<'END'
patient_id,start,end,code,value,unit,visit_id,omop_table
1,1950-02-03 00:00:00,,SNOMED/3950001,,,,person
1,1950-02-03 00:00:00,,Gender/F,,,,person
1,1950-02-03 00:00:00,,Race/5,,,,person
1,2010-01-01 08:00:00,2010-01-09 10:00:00,Visit/IP,,,100,visit_occurrence
1,2010-01-01 09:00:00,,ICD9CM/428.0,,,100,condition_occurrence
1,2010-01-01 09:30:00,,NDC/0002-1200-01,,,100,drug_exposure
1,2010-01-01 09:40:00,,LOINC/718-7,13.5,g/dL,100,measurement
2,1960-01-01 00:00:00,,SNOMED/3950001,,,,person
END
cat >omop/PERSON.csv <<'END'
person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,race_concept_id
1,8532,1950,2,3,8527
2,0,1960,1,1,0
END
cat >omop/visit_occurrence.csv <<'END'
visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,visit_end_datetime
100,1,9201,2010-01-01,2010-01-01 08:00:00,2010-01-09,2010-01-09 10:00:00
END
cat >omop/condition_occurrence.csv <<'END'
person_id,condition_concept_id,condition_start_date,condition_start_datetime,visit_occurrence_id,condition_source_value,condition_source_concept_id
1,316139,2010-01-01,2010-01-01 09:00:00,100,CHF (see note),44824250
END
cat >omop/drug_exposure.csv <<'END'
person_id,drug_concept_id,drug_exposure_start_date,drug_exposure_start_datetime,visit_occurrence_id,drug_source_value
1,0,2010-01-01,2010-01-01 09:30:00,100,00002120001
END
cat >omop/measurement.csv <<'END'
person_id,measurement_concept_id,measurement_date,measurement_datetime,visit_occurrence_id,value_as_number,unit_source_value,measurement_source_value
1,3000963,2010-01-01,2010-01-01 09:40:00,100,13.5,g/dL,Hgb
END
printf 'concept_id\tconcept_name\tvocabulary_id\tconcept_code\n44824250\tHeart failure\tICD9CM\t428.0\n3000963\tHemoglobin\tLOINC\t718-7\n9\tx\tICD9CM\t1\n' >omop/CONCEPT.csv
printf 'subject_id,split\n1,train\n2,tuning\n' >meds/metadata/subject_splits.csv
printf 'code,description,parent_codes\nLAB//50811//g/dL,Hemoglobin,"[\x27LOINC/718-7\x27]"\n' >meds/metadata/codes.csv
cat >meds/data/a/0.csv <<'END'
subject_id,time,code,numeric_value
1,,GENDER//F,
1,,RACE//WHITE,
1,1950-02-03 00:00:00,MEDS_BIRTH,
1,2010-01-01 08:00:00,HOSPITAL_ADMISSION//EW EMER.//ROOM,
1,2010-01-01 09:00:00,DIAGNOSIS//ICD//9//4280,
1,2010-01-01 09:30:00,MEDICATION//NDC//00002120001,
1,2010-01-01 09:40:00,LAB//50811//g/dL,13.5
1,2010-01-09 10:00:00,HOSPITAL_DISCHARGE//HOME,
2,1960-01-01 00:00:00,MEDS_BIRTH,
END

# ---- the same codes from each ----
same='ICD9CM/4280 LOINC/718-7//g/dL MEDS_BIRTH NDC/00002120001 RACE//WHITE '
for form in ehrshot omop meds; do
    cohort --set cohort.folder=$form 2>log || fail "$form: $(cat log)"
    found=$(codes out.h5 | sed 's/GENDER[^ ]* //; s/HOSPITAL_[^ ]*\( EMER[^ ]*\)\? //g') # how visits are told differs
    [ "$found" = "$same" ] || fail "$form has the codes $found"
    grep -q 'los_7d: 1 samples; true of 1 of 1 in train' log || fail "$form: no label: $(cat log)"
done

# ---- maps, and the vocabulary ----
printf 'ndc11\tatc_code\n00002120059\tA10AB01\n' >map.tsv # another package of the product
printf 'system\tcode\tdescription\tnodes\nICD9CM\t428\tHeart failure\t0\nATC\tA10AB01\tInsulin\t0\nICD9CM\t001\tCholera\t0\n' >codes.tsv
medtok prepare --set files.codes=codes.tsv --set files.graph="$ROOT/tests/sample/kg.csv" --set files.vocabulary=vocabulary.h5 2>log ||
    fail "prepare: $(cat log)"
mapped() { cohort --set cohort.folder=omop --set cohort.maps=map.tsv --set cohort.vocabulary=vocabulary.h5 --set cohort.unmapped=missing.tsv "$@"; }
mapped 2>log || fail "with a map: $(cat log)"
codes out.h5 | grep -q 'ATC/A10AB01' || fail "the drug is not mapped: $(codes out.h5)"
grep -q 'ICD9CM: 1 events with 1 codes: 0.0 % in the vocabulary, 100.0 % by an ancestor, 0.0 % missing' log || fail "ICD9CM: $(cat log)"
grep -q 'ATC: 1 events with 1 codes: 100.0 % in the vocabulary' log || fail "ATC: $(cat log)"
grep -q '^LOINC	LOINC/718-7//g/dL	1	' missing.tsv || fail "what is missing: $(cat missing.tsv)"
grep -q 'ICD9CM' missing.tsv && fail "what has an ancestor counts as missing: $(cat missing.tsv)"
rows=$(h5dump -A 0 -d code_match out.h5 | grep -E '^ *\([0-9]' | sed 's/.*: //' | tr -d ' \n' | tr ',' '\n' | sort -n | tr '\n' ' ')
[ "$rows" = "-1 -1 -1 -1 -1 -1 0 1 " ] || fail "the codes have the rows $rows"
content() { h5dump -a content_id "$1" 2>/dev/null | grep '(0)'; }
one=$(content out.h5)
medtok_ranks 2 cohort --set files.cohort=two.h5 --set cohort.tasks=los_7d --set cohort.folder=omop --set cohort.maps=map.tsv \
    --set cohort.vocabulary=vocabulary.h5 2>log || fail "on two ranks: $(cat log)"
[ "$one" = "$(content two.h5)" ] || fail "the number of ranks changes the codes"
printf 'atc,ndc\nA10AB01,00002120001\n' >back.csv
expect_error 1 'the maps go in a circle: .*cohort.maps' mapped --set 'cohort.maps=[map.tsv, back.csv]'
printf 'a,b\n1,2\n' >x.csv
expect_error 1 'x.csv: no map between codes' mapped --set cohort.maps=x.csv
expect_error 2 'the pattern "LAB" has no " -> "' mapped --set cohort.patterns=LAB
expect_error 1 'there is no concept.csv .cohort.concepts' mapped --set cohort.concepts=ehrshot

# ---- rows that cannot be used ----
cp -r omop bad
printf '1,8532,1951,1,1,0\n' >>bad/PERSON.csv                                        # an id that is there
printf '77,1,2010-01-01,,,13.5,g/dL,Hgb\n1,1,2010-13-01,,,1,,x\n1,1,2010-01-01,,,high,,x\n' >>bad/measurement.csv # unknown, no date, no number
printf '101,1,9201,2010-02-05,,2010-02-01,\n' >>bad/visit_occurrence.csv             # ends before it begins
expect_error 1 'PERSON.csv, line 4: subject 1 stands here again.*more than cohort.most_bad' cohort --set cohort.folder=bad --set cohort.most_bad=0
cohort --set cohort.folder=bad --set cohort.most_bad=1 2>log || fail "bad rows: $(cat log)"
for line in 'PERSON.csv, line 4' 'measurement.csv, line 3: subject 77' 'measurement.csv, line 4: the date is "2010-13-01"' \
    'and 1 more rows of the file' 'visit_occurrence.csv, line 3: the visit 101 of subject 1 ends before it begins' ': 5 rows cannot be used'; do
    grep -q "$line" log || fail "no fault $line: $(cat log)"
done
grep -q 'in the cohort: 2 subjects, 1 visits, 9 events' log || fail "bad rows leave events: $(cat log)"

# ---- parents in Parquet ----
export PYTHON
if "$PYTHON" -c 'import pyarrow' 2>/dev/null; then
    "$PYTHON" - <<'END' || fail "writing Parquet"
import csv, datetime, os
import pyarrow as pa, pyarrow.parquet as pq
os.makedirs("parquet/data/a"), os.makedirs("parquet/metadata")
rows = list(csv.DictReader(open("meds/data/a/0.csv")))
time = [datetime.datetime.fromisoformat(r["time"]) if r["time"] else None for r in rows]
pq.write_table(pa.table({"subject_id": pa.array([int(r["subject_id"]) for r in rows], pa.int64()), "time": pa.array(time, pa.timestamp("us")),
                         "code": [r["code"] for r in rows],
                         "numeric_value": pa.array([float(r["numeric_value"]) if r["numeric_value"] else None for r in rows], pa.float32())}),
               "parquet/data/a/0.parquet")
pq.write_table(pa.table({"subject_id": pa.array([1, 2], pa.int64()), "split": ["train", "tuning"]}), "parquet/metadata/subject_splits.parquet")
pq.write_table(pa.table({"code": ["LAB//50811//g/dL", "x"], "parent_codes": [["LOINC/718-7"], None]}), "parquet/metadata/codes.parquet")
END
    cohort --set cohort.folder=meds 2>log && cp out.h5 csv.h5 || fail "MEDS CSV: $(cat log)"
    cohort --set cohort.folder=parquet 2>log || fail "MEDS: $(cat log)"
    [ "$(codes out.h5)" = "$(codes csv.h5)" ] || fail "Parquet has the codes $(codes out.h5), CSV $(codes csv.h5)"
fi
finish
