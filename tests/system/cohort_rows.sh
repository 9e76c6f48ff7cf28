#!/usr/bin/env bash
# cohort on tables of rows: the same file on 1, 2 and 4 ranks and with any memory; rows that cannot be used are counted and listed, up to a
# share of a file, and then an error; killed at any time it leaves nothing half-made; a full disk is one message; and evaluate learns
# and scores its task of ten classes.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v h5dump >/dev/null || skip "h5dump is not installed"

cat >>small.yaml <<YAML
cohort: {folder: $work/hospital/mimic4}
YAML
# ARGUMENTS...: patients and options of a made-up hospital in the form of MIMIC-IV
hospital() { medtok synth --set synth.folder=hospital --set "synth.formats=[mimic4]" --set synth.codes=made --set synth.gzip=0 --set synth.patients="$@" 2>log || fail "synth: $(cat log)"; }
cohort() { medtok cohort --set files.cohort=out.h5 "$@"; }
content() { h5dump -a content_id "$1" 2>/dev/null | sed -n 's/.*(0): //p'; }

# ---- ranks, memory, and what is in it ----
hospital 1500
cohort --set cohort.memory=64 2>log || fail "cohort: $(cat log)"
grep -q 'in the cohort: 1500 subjects, ' log || fail "no counts: $(cat log)"
medtok verify out.h5 >log 2>&1 || fail "verify: $(cat log)"
cp out.h5 whole.h5
whole=$(content whole.h5)
[ -n "$whole" ] || fail "no content id"
for ranks in 2 4; do
    medtok_ranks $ranks cohort --set files.cohort=ranks.h5 --set cohort.memory=1 --force 2>log || fail "on $ranks ranks: $(cat log)"
    [ "$(content ranks.h5)" = "$whole" ] || fail "$ranks ranks with 1 MiB make another cohort"
done
cohort --set cohort.kinds=diagnosis,drug --set files.cohort=kinds.h5 2>log || fail "cohort.kinds: $(cat log)"
[ "$(h5dump -d code_kind kinds.h5 | sed '/ATTRIBUTE/,$d' | sed -n 's/.*): //p' | tr -c '0-9\n' '\n' | grep . | sort -u | tr '\n' ' ')" = "1 3 " ] ||
    fail "other kinds than diagnoses and drugs"
cohort --set files.cohort=seed.h5 --set run.seed=1 2>log || fail "another seed: $(cat log)"
[ "$(content seed.h5)" = "$whole" ] && fail "another seed draws the same splits"
expect_error 2 'cohort.kinds: "drugs" is none of other, diagnosis' cohort --set cohort.kinds=drugs
expect_error 2 'cohort.split is "70/30": three shares are expected' cohort --set cohort.split=70/30
expect_error 2 'cohort.tasks: .* has no label files of a task sepsis, and it is none' cohort --set cohort.tasks=sepsis
medtok evaluate --set files.cohort=out.h5 ehr.task=length_of_stay files.scores=classes/scores.json ehr.steps=4 ehr.eval_every=2 ehr.dim=16 ehr.heads=2 ehr.layers=1 \
    ehr.inner=16 ehr.max_length=32 ehr.resamples=20 >classes.txt 2>log || fail "evaluate on ten classes: $(cat log)"
grep -q '^held_out: .* samples, one of 10 classes: a random score has' classes.txt || fail "what is scored: $(cat classes.txt)"
head -n 1 classes/scores.seed-0.csv | grep -q '^subject_id,prediction_time,classes,' || fail "predictions of classes"
grep -q '"kappa": {' classes/scores.json || fail "scores of classes"

# ---- rows that cannot be used ----
h=hospital/mimic4/hosp
{
    echo '10000001,29999990,2155-13-40 00:00:00,2155-02-09 18:19:00,,EW EMER.,P,X,Y,Private,English,MARRIED,WHITE,,,0' # no such time
    echo '10000001,29999991,2155-02-09 10:00:00,2155-02-09 09:00:00,,EW EMER.,P,X,Y,Private,English,MARRIED,WHITE,,,0' # ends before
    echo '99999999,29999992,2155-02-09 10:00:00,2155-02-10 09:00:00,,EW EMER.,P,X,Y,Private,English,MARRIED,WHITE,,,0' # of no one
    sed -n 2p $h/admissions.csv                                                                                         # once more
    echo '10000001,2999'                                                                                                # too short
} >bad_admissions
n=$(wc -l <$h/admissions.csv)
cp -r hospital good && cat bad_admissions >>$h/admissions.csv
expect_error 1 "hosp/admissions.csv, line $((n + 1)): .*2155-13-40.*hosp/admissions.csv, line $((n + 5)): 2 fields" cohort --set cohort.most_bad=0
sed -i "$((n + 1))d;$((n + 5))d" $h/admissions.csv
expect_error 1 "hosp/admissions.csv, line $((n + 1)): .*ends before it begins; hosp/admissions.csv, line $((n + 2)): subject 99999999 has an event, but does not stand in hosp/patients" cohort --set cohort.most_bad=0
head -n $n good/mimic4/hosp/admissions.csv | cat - bad_admissions >$h/admissions.csv
for ranks in 1 2; do
    medtok_ranks $ranks cohort --set files.cohort=bad$ranks.h5 --set cohort.most_bad=0.1 2>log || fail "bad rows: $(cat log)"
    for k in 1 2 3 4 5; do
        grep -q "warning: hosp/admissions.csv, line $((n + k)): .*; left out" log || fail "line $((n + k)) is not listed: $(cat log)"
    done
    grep -q "warning: 5 rows cannot be used" log || fail "five rows: $(cat log)"
done
[ "$(content bad1.h5)" = "$(content bad2.h5)" ] || fail "bad rows depend on ranks"
h5dump -d file_faults bad1.h5 | grep -q ' 5' || fail "the faults of files are not in the cohort"
printf '10000000,M,41,2164,2017 - 2019,\n10000000,M,40,2164,2017 - 2019,2101-01-01\n' >>$h/patients.csv
expect_error 1 'hosp/patients.csv, line 1502: subject 10000000 stands here again: it stands in hosp/patients.csv, line 2' cohort --set cohort.most_bad=0.0001
sed -i 's/subject_id/patient/' $h/diagnoses_icd.csv
expect_error 1 'diagnoses_icd.csv.*subject_id' cohort --set cohort.most_bad=1
rm -r hospital && mv good hospital

# ---- killed ----
# What is left may be a temporary file of HDF5, which the next run removes; under the name of the output, nothing or the whole.
RANDOM=${SEED:-$((RANDOM * 32768 + RANDOM))}
rm -f out.h5
for trial in $(seq 8); do
    ranks=$((1 + trial % 2))
    launcher=()
    [ $ranks -gt 1 ] && launcher=("$MPIRUN" -n 2)
    "${launcher[@]}" "$MEDTOK" cohort --config small.yaml --set files.cohort=out.h5 --set cohort.memory=1 2>log &
    job=$!
    for _ in $(seq 100); do [ "$(ranks_of $job | wc -l)" -eq $ranks ] && break || sleep 0.05; done
    sleep "$((RANDOM % 2)).$((RANDOM % 1000))"
    for pid in $(ranks_of $job) $job; do kill -KILL "$pid" 2>/dev/null; done
    wait $job 2>/dev/null
    [ ! -e out.h5 ] || [ "$(content out.h5)" = "$whole" ] || fail "a killed run left half a cohort (trial $trial)"
    left=$(ls -A | grep -E 'scratch|^out' | grep -vE '^out.h5$|^out.stages.json$|^out.h5.tmp-medtok|lock')
    [ -z "$left" ] || fail "a killed run left $left"
done 2>/dev/null
cohort --force 2>log || fail "after kills: $(cat log)"
[ "$(content out.h5)" = "$whole" ] || fail "after kills another cohort"
[ -z "$(ls -A | grep -E 'tmp-medtok|scratch')" ] || fail "left: $(ls -A)"
# A signal that asks to stop.
for trial in 1 2 3; do
    rm -f term.h5
    "$MEDTOK" cohort --config small.yaml --set files.cohort=term.h5 --set cohort.memory=1 2>log &
    job=$!
    sleep "0.$((RANDOM % 1000))"
    kill -TERM "$job" 2>/dev/null
    wait "$job"
    code=$?
    [ "$code" -eq 75 ] && [ ! -e term.h5 ] || { [ "$code" -eq 0 ] && [ "$(content term.h5)" = "$whole" ]; } || fail "SIGTERM: $code, $(cat log)"
    [ -z "$(ls -A | grep -E 'tmp-medtok|scratch')" ] || fail "a signal left: $(ls -A)"
done

# ---- a full disk ----
if [ "$(id -u)" -eq 0 ] && mkdir disk && mount -t tmpfs -o size=2m tmpfs disk 2>/dev/null; then
    trap 'umount "$work/disk" 2>/dev/null; rm -rf "$work" "$mpi_scratch"' EXIT
    for ranks in 1 2; do
        expect_error 1 'disk' timeout 100 "$MPIRUN" -n $ranks "$MEDTOK" cohort --config small.yaml --set files.cohort=disk/out.h5 --set cohort.memory=1
        [ -z "$(ls -A disk | grep -v lock)" ] || fail "left on a full disk: $(ls -A disk)"
    done
    umount disk
else
    echo "no small file system can be mounted: a full disk is not tested"
fi
finish
