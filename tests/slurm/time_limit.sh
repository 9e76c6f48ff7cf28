#!/usr/bin/env bash
# By hand, some seven minutes: a chain whose training is longer than the time limit is queued again at least twice, and ends in the same
# table as one that had all the time.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
sed -i '/hospital\|^ehr/d' small.yaml # no cohort
stop() { fail "$@" && finish; }
sed -i 's/checkpoint_every: 4/checkpoint_every: 1000/; s/log_every: 4/log_every: 20/' small.yaml

# How many steps take about 150 s here, beside a second training.
"$MEDTOK" prepare --config small.yaml 2>log && "$MEDTOK" encode --config small.yaml 2>>log || stop "prepare and encode: $(cat log)"
began=$(date +%s%N)
srun -N2 -n2 --mpi=pmix "$MEDTOK" train --config small.yaml --set train.steps=200 --set files.checkpoint="$work/trial.h5" 2>log || stop "train: $(cat log)"
steps=${STEPS:-$((200 * 110000 / (($(date +%s%N) - began) / 1000000)))}
echo "200 steps took $(((($(date +%s%N) - began) / 1000000))) ms, so the chains make $steps"

own() { printf -- '--set files.checkpoint=%s/%s.h5 --set files.table=%s/%s-table.h5 --set train.steps=%s' "$work" "$1" "$work" "$1" "$steps"; }
submit --config small.yaml --site site.yaml --set site.time=20 --run long $(own long) >out 2>&1 || stop "submit: $(cat out)"
submit --config small.yaml --site site.yaml --set site.time=2 --run short --from train $(own short) >out 2>&1 || stop "submit: $(cat out)"
wait_for 900 queue_is_empty || stop "the chains do not end: $(squeue; "$MEDTOK" status short)"
for run in long short; do for stage in train tokenize inspect; do [ "$(state $run $stage)" = done ] || fail "$run, $stage: $(cat status)"; done; done
"$MEDTOK" status short
[ "$(grep -c requeued short/stages/train.tsv)" -ge 2 ] || fail "not queued again twice: $(cat short/stages/train.tsv)"
[ "$(grep -c requeued long/stages/train.tsv)" -eq 0 ] || fail "the reference was stopped as well: $(cat long/stages/train.tsv)"
[ -n "$(content_of long-table.h5)" ] && [ "$(content_of long-table.h5)" = "$(content_of short-table.h5)" ] || fail "another table: $(content_of long-table.h5) and $(content_of short-table.h5)"

finish
