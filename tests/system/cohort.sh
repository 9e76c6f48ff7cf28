#!/usr/bin/env bash
# cohort: a MEDS data set becomes the same in cohort.h5; what breaks the standard, or the rules of honest evaluation, is refused with
# file, row and subject; and the interpreter that reads Parquet is looked after.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Events are read by sample (cohort_history), so that nothing behind the prediction time is an input: others do not see them.
seen=$(cd "$ROOT" && grep -rl 'include "store/cohort_events.h"' src jobs | sort | tr '\n' ' ')
[ "$seen" = "src/ehr/tasks/explain.c src/store/cohort.c src/store/cohort_history.c " ] || fail "store/cohort_events.h is included by: $seen"

export PYTHON
"$PYTHON" -c 'import pyarrow' 2>/dev/null || skip "pyarrow is not installed for $PYTHON"
made() { "$PYTHON" "$ROOT/tests/support/made_meds.py" "$@" || fail "made_meds.py $*"; }
cohort() { medtok cohort --set cohort.folder=meds --set files.cohort=out.h5 "$@"; }

# ---- what is in it ----
made make meds
cohort --set 'cohort.tasks=[nested/stay, death]' 2>log || fail "cohort: $(cat log)"
grep -q 'warning: 1 subjects have no events' log || fail "no warning of a subject without events: $(cat log)"
made check meds out.h5
medtok verify out.h5 >log 2>&1 && grep -q 'kind cohort' log || fail "verify: $(cat log)"
content() { h5dump -a content_id "$1" 2>/dev/null | grep '(0)'; }
cohort --set 'cohort.tasks=[nested/stay, death]' 2>log && grep -q 'out.h5 is up to date' log || fail "made anew: $(cat log)"
medtok_ranks 2 cohort --set cohort.folder=meds --set files.cohort=two.h5 --set cohort.tasks=death,nested/stay 2>log ||
    fail "on two ranks: $(cat log)"
[ "$(content out.h5)" = "$(content two.h5)" ] || fail "the order of tasks, or the number of ranks, changes the cohort"
cohort --force 2>log && grep -q 'nested: 115 samples' log || fail "all tasks: $(cat log)"
mv out.h5 whole.h5

# ---- what is refused ----
bad() {
    rm -rf meds
    made make meds "$1"
    expect_error 1 "$2" cohort --set cohort.tasks=death,nested/stay
}
bad missing 'tuning/1.parquet: the file lacks the columns time, numeric_value; it has subject_id, code, text_value'
bad text-times 'tuning/1.parquet: the column time holds string, not times'
bad integer-label 'death/0.parquet: the column boolean_value holds int64, not true and false'
bad damaged 'tuning/0.parquet: '
bad unsorted 'train/0.parquet, row 6: subject 4408 has an event at .* behind one at .*: MEDS sorts'
bad pieces 'train/0.parquet, row 128: subject 4408 goes on here, but its rows began at row 1 of meds/data/train/0.parquet'
bad two-files 'train/1.parquet, row 115: subject 4408 goes on here, but its rows began at row 1 of meds/data/train/0.parquet'
bad null-code 'train/0.parquet, row 6: the code is null or empty'
bad tab-code "train/0.parquet: the column code has a line break, tab or control character in it: 'a.tb'"
bad two-births 'data/train/0.parquet, row 6: subject 4408 is born at .*, but at .* in data/train/0.parquet, row 2'
bad no-split 'train/0.parquet, row 2: subject 4408 does not stand in metadata/subject_splits.parquet'
bad overlap 'metadata/subject_splits.parquet, row 42: subject 4408 is in the split tuning, but in train in metadata/subject_splits.parquet, row 1: a subject is in one'
bad bad-split 'row 3: the split of subject 4897 is "validation", not train, tuning or held_out'
bad unknown 'death/0.parquet, row 41: subject 99999 has a label, but does not stand in metadata/subject_splits.parquet'
bad before-birth 'death/0.parquet, row 2: the prediction time of subject 4381, 1949-12-31 00:00:00, is before its birth'
bad twice 'death/0.parquet, row 41: subject 4235 has a second label at the same prediction time; the first is labels/death/0.parquet, row 4'
bad null-label 'death/0.parquet, row 5: boolean_value of subject 1255 is null'
bad null-prediction 'death/0.parquet, row 5: prediction_time is null'

rm -rf meds
made make meds
expect_error 2 'meds has no label files of a task sepsis' cohort --set cohort.tasks=sepsis
expect_error 2 'cohort.tasks names death twice' cohort --set cohort.tasks=death,death
expect_error 2 'cohort.folder is empty' medtok cohort
expect_error 1 'nowhere is no data set of a format that is known' medtok cohort --set cohort.folder=nowhere
expect_error 2 'cohort.labels is meds/labels, where meds/labels/death/0.parquet of the data set lies' cohort --set files.cohort=other.h5 --set cohort.labels=meds/labels
expect_error 2 'cohort.format is csv: expected auto or one of mimic3' cohort --set cohort.format=csv
expect_error 1 'meds/labels is no data set of a format that is known' medtok cohort --set cohort.folder=meds/labels
mv meds/metadata/subject_splits.parquet splits.parquet
expect_error 1 'subject_splits.parquet: No such file .*which split' cohort
mv splits.parquet meds/metadata/subject_splits.parquet

# ---- a folder that must not be read ----
if [ "$(id -u)" -ne 0 ]; then
    mkdir -p locked/hosp && chmod 000 locked/hosp
    expect_error 1 'locked/hosp cannot be read: Permission denied; its owner gives the right' medtok cohort --set cohort.folder=locked
    expect_error 1 'locked/hosp cannot be read: Permission denied' medtok cohort --set cohort.folder=locked --set cohort.format=mimic4
    chmod 700 locked/hosp
else
    echo "left out, since root reads everything: a folder without the right to read it"
fi

# ---- the interpreter ----
fake() { printf '#!/bin/sh\n%s\n' "$1" >fake && chmod +x fake; }
expect_error 1 'nopython cannot be started: .*cohort.python, or by PYTHON' cohort --set cohort.python=./nopython
expect_error 1 'nopython cannot be started' env PYTHON=./nopython "$MEDTOK" cohort --set cohort.folder=meds
cat >blind.py <<'PYTHON'
import sys
sys.modules["pyarrow"] = None
exec(sys.argv.pop(1))
PYTHON
fake "shift; exec '$PYTHON' '$work/blind.py' \"\$@\""
expect_error 1 'pyarrow, which reads Parquet, is not installed for .*: pip install pyarrow' cohort --set cohort.python=./fake
fake 'exit 3'
expect_error 1 'fake ended with code 3' cohort --set cohort.python=./fake
fake 'printf "f\t0\ns\t1\ttrain"'
expect_error 1 'the reader of Parquet ended too early' cohort --set cohort.python=./fake
fake 'echo hello; exec sleep 60'
expect_error 1 'a line that is not understood: hello' cohort --set cohort.python=./fake
[ -e out.h5 ] && fail "a bad data set left out.h5"

# A signal ends the job, and the interpreter with it.
fake 'echo $$ >child; exec sleep 60'
"$MEDTOK" cohort --set cohort.folder=meds --set files.cohort=out.h5 --set cohort.python=./fake 2>log &
job=$!
for _ in $(seq 100); do [ -s child ] && break || sleep 0.1; done
kill -TERM "$job"
wait "$job"
code=$?
[ "$code" -eq 75 ] || fail "a signal: exit code $code, not 75: $(cat log)"
kill -0 "$(cat child)" 2>/dev/null && fail "the interpreter goes on after a signal"
[ -z "$(ls out.h5* 2>/dev/null | grep -v lock)" ] || fail "a signal left $(ls out.h5*)"
finish
