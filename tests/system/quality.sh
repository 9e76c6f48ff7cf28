#!/usr/bin/env bash
# inspect gives the same report on any number of ranks and refuses tables that are damaged or of another vocabulary; evaluation
# while training changes nothing about the training, and its lines stand once each in the metrics of a resumed run.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

medtok prepare && medtok encode && medtok train && medtok tokenize || fail "prepare, encode, train, tokenize"
for ranks in 1 2 3; do
    medtok_ranks $ranks inspect --set run.threads=$((ranks % 2 + 1)) --set files.report=report$ranks.json >report$ranks.txt ||
        fail "inspect on $ranks ranks"
done
cmp report1.json report2.json && cmp report1.json report3.json || fail "the report depends on the number of ranks or threads"
cmp report1.txt report3.txt || fail "the printed report depends on the number of ranks"
grep -qE '^usage, text-specific region +[0-9.]+ % +[0-9.]+ % +[0-9.]+ % +710$' report1.txt || fail "no usage in: $(cat report1.txt)"
grep -q 'HCPCS 0 of 17' report1.txt || fail "no word of systems without hierarchy: $(cat report1.txt)"

# A system without hierarchy and graph: missing measures are said to be missing.
printf 'system\tcode\tdescription\tnodes\nHCPCS\tA1\twalker\t\nHCPCS\tA2\tcrutch\t\nHCPCS\tA3\tcane\t\n' >flat.tsv
flat="--set files.codes=flat.tsv --set files.vocabulary=flat.h5 --set files.text=flat_text.h5 --set files.checkpoint=flat_model.h5
      --set files.table=flat_table.h5 --set train.steps=2"
medtok prepare $flat && medtok encode $flat && medtok train $flat && medtok tokenize $flat || fail "a vocabulary without a graph"
medtok inspect $flat >flat.txt 2>/dev/null || fail "inspect without a graph"
for wanted in 'overlap of siblings +none: no two codes' 'KG-linked .*none: no two codes' 'usage, graph.*none: no code'; do
    grep -qE "$wanted" flat.txt || fail "no '$wanted' in: $(cat flat.txt)"
done
grep -q '"neighbour_recall": {"value": null, "reason": ' flat_table.quality.json || fail "no null in the JSON"

expect_error 1 'table.h5 and flat_table.h5 have no code in common' medtok_ranks 2 inspect --set inspect.other=flat_table.h5
expect_error 1 'table.h5 was made from another vocabulary than flat.h5' medtok_ranks 2 inspect --set files.vocabulary=flat.h5
head -c 20000 table.h5 >cut.h5
expect_error 1 'cut.h5 is damaged' medtok inspect --set files.table=cut.h5
expect_error 1 'cannot make the folder /proc/nowhere' medtok inspect --set files.report=/proc/nowhere/x.json
if "$PYTHON" -c 'import h5py' 2>/dev/null; then
    cp table.h5 bad.h5 && "$PYTHON" -c 'import h5py; h5py.File("bad.h5","a")["embedding"][3,0] = 5'
    expect_error 1 'bad.h5 is damaged: embedding has other values than were written' medtok_ranks 2 inspect --set files.table=bad.h5
    [ -e bad.quality.json ] && fail "a report of a damaged table"
fi

# Evaluation changes neither losses nor parameters.
expect_error 2 'train.eval_every needs held-out codes' medtok train --set train.eval_every=4
held="--set train.holdout=0.2 --set inspect.resamples=50 --set run.threads=1"
evaluations() { grep -o '"eval_step": [0-9]*' "$1" | tr -dc '0-9\n' | tr '\n' ' '; }
medtok train $held --set train.steps=9 --set files.checkpoint=without.h5 2>/dev/null || fail "training without evaluation"
medtok_ranks 1 train $held --set train.steps=9 --set files.checkpoint=with.h5 --set train.eval_every=4 2>log.txt ||
    fail "training with evaluation: $(cat log.txt)"
cmp without.jsonl <(grep -v eval_step with.jsonl) || fail "evaluation changes the training"
[ "$(evaluations with.jsonl)" = "4 8 9 " ] || fail "evaluations at $(evaluations with.jsonl)"
[ "$(grep -c 'held-out codes at step' log.txt)" -eq 3 ] || fail "no log lines: $(cat log.txt)"
h5dump -d codebook without.h5 | grep -v '^HDF5' >without.txt && h5dump -d codebook with.h5 | grep -v '^HDF5' | cmp - without.txt ||
    fail "evaluation changes the parameters"

# A run that is stopped goes on at the next step, and lines behind that step are written anew. log_every: which lines tell the usage.
steps="--set train.steps=60 --set train.eval_every=10 --set train.checkpoint_every=0 --set train.log_every=1"
medtok train $held $steps --set files.checkpoint=whole.h5 2>/dev/null || fail "an undisturbed run"
"$MEDTOK" train --config small.yaml $held $steps --set files.checkpoint=again.h5 2>log.txt &
pid=$!
for i in $(seq 1000); do grep -q '"eval_step": 10' again.jsonl 2>/dev/null && break; sleep 0.01; done
kill -USR1 $pid
wait $pid
[ $? -eq 75 ] || fail "not stopped by the signal: $(cat log.txt)"
stopped=$(sed -n 's/.*stopped by a signal after step \([0-9]*\) .*/\1/p' log.txt)
echo "{\"step\": $((stopped + 1)), \"loss\": 1}" >>again.jsonl
echo "{\"eval_step\": $((stopped + 1)), \"usage_text\": null}" >>again.jsonl
medtok_ranks 1 train $held $steps --set files.checkpoint=again.h5 2>log.txt || fail "resuming: $(cat log.txt)"
grep -q 'resumed from' log.txt || fail "did not resume: $(cat log.txt)"
cmp whole.jsonl again.jsonl || fail "the metrics of the resumed run differ: $(evaluations again.jsonl)"
medtok_ranks 3 train $held --set train.steps=6 --set files.checkpoint=three.h5 --set train.eval_every=5 2>/dev/null ||
    fail "evaluation on 3 ranks"
[ "$(evaluations three.jsonl)" = "5 6 " ] || fail "evaluations on 3 ranks at $(evaluations three.jsonl)"
finish
