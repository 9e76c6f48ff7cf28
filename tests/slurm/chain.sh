#!/usr/bin/env bash
# slurm/submit on a real SLURM of two nodes: what it refuses before anything is queued; the sample from code table to token table, scores
# and report over two nodes, with a training that is stopped on the way, queued again, and goes on; an array over three seeds; a training
# that fails, whose dependants do not run, as `medtok status` says.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
stop() { fail "$@" && finish; }

# ---- refused, with one message, before anything is queued ----
refused() { # 'pattern', arguments
    local pattern=$1
    shift
    submit --config small.yaml --site site.yaml --run refused "$@" >out 2>&1 && fail "not refused: $*: $(cat out)"
    grep -qE -- "$pattern" out || fail "$*: no message like /$pattern/ but: $(cat out)"
    [ "$(grep -c 'error: \|slurm/submit: ' out)" -eq 1 ] || fail "$*: not one message: $(cat out)"
}
refused 'prepare needs files.graph, nowhere.csv' --set files.graph=nowhere.csv
refused 'train needs files.vocabulary, .*`prepare` makes it' --from train
refused 'no key train.stepz; did you mean train.steps' --set train.stepz=3
refused 'tokenize cannot write files.table: .*/proc/nowhere' --set files.table=/proc/nowhere/table.h5
refused '4000 ranks .* for 710 codes' --to inspect --set site.tasks=2000
refused 'the time limit is too short for one checkpoint' --to inspect --set site.time=1
refused 'there is no stage tokenise' --from tokenise
queue_is_empty || fail "queued in spite of a refusal: $(squeue)"
[ ! -e refused ] || fail "a run folder of what was refused: $(ls refused)"

# ---- the whole chain; its training is told to stop ----
"$MEDTOK" synth --config small.yaml >out 2>&1 || stop "synth: $(cat out)"
long="--set train.steps=400 --set train.checkpoint_every=200" # some seconds, so that it is told to stop before it has ended
submit --config small.yaml --site site.yaml --run chain $long >out 2>&1 || stop "submit: $(cat out)"
for word in 'train +[0-9]+ ranks|train +2 ' 'evaluate +job [0-9]+, afterok:[0-9]+ afterok:[0-9]+' 'follow: .* status ' 'cancel: +scancel' 'submit --resume'; do
    grep -qE "$word" out || fail "submit says nothing like /$word/: $(cat out)"
done
for file in config.yaml site.yaml version.txt scripts/train.sbatch scripts/stage.sh; do [ -s chain/$file ] || fail "no $file in the run folder"; done
train=$(sed -n 's/^train *job //p' out | cut -d, -f1)
wait_for 90 test -s checkpoint.jsonl || stop "no step of training: $(cat chain/logs/*.log)"
scancel --signal=USR1 "$train"
wait_for 60 grep -qs requeued chain/stages/train.tsv || stop "not queued again: $(cat chain/stages/train.tsv chain/logs/train.log)"
wait_for 200 queue_is_empty || stop "the chain does not end: $(squeue; "$MEDTOK" status chain)"
for stage in prepare encode train tokenize inspect cohort evaluate report; do
    [ "$(state chain $stage)" = done ] || fail "$stage is $(state chain $stage): $(cat status chain/logs/$stage.log)"
done
grep -q '^train .*1 restarts' status || fail "no word of the restart: $(cat status)"
grep -q 'the table is good' chain/logs/tokenize.log || fail "the table was not verified: $(cat chain/logs/tokenize.log)"
grep -q ' 2 ranks x 1 threads' chain/logs/train.log || fail "not two ranks: $(cat chain/logs/train.log)"
grep -qF 'nodes=node[1-2]' chain/stages/train.tsv || fail "not two nodes: $(cat chain/stages/train.tsv)"
grep -q 'going on\|resum' chain/logs/train.log || fail "the training began anew: $(cat chain/logs/train.log)"
grep -q '</html>' chain/report.html || fail "no report: $(cat chain/logs/report.log)"
[ -s scores.json ] || fail "no scores: $(cat chain/logs/evaluate.log)"
submit --resume chain >out 2>&1 || fail "--resume of what is done: $(cat out)"
grep -q 'all stages of .* are done' out || fail "--resume of what is done says: $(cat out)"

# ---- an array over seeds, and a training that fails: one rank each ----
one="--set site.nodes=1 --set train.steps=4"
failing="failing, 50% #1" # by which a line #SBATCH would be cut, or refused
submit --config small.yaml --site site.yaml --run seeds $one --from train --to train --seeds 0,1,2 >out 2>&1 || stop "submit --seeds: $(cat out)"
submit --config small.yaml --site site.yaml --run "$failing" $one --from train --to inspect --set train.max_loss=1e-9 --set files.checkpoint="$work/failing.h5" \
    --set files.table="$work/failing-table.h5" >out 2>&1 || stop "submit: $(cat out)"
wait_for 200 queue_is_empty || fail "arrays do not end: $(squeue)"
for seed in 0 1 2; do [ "$(state seeds "train     seed-$seed")" = done ] || fail "seed $seed: $(cat status)"; done
[ "$(cut -d, -f1-3 seeds/seed-1/checkpoint.jsonl)" != "$(cut -d, -f1-3 seeds/seed-0/checkpoint.jsonl)" ] || fail "seeds do not differ"
[ "$(state "$failing" train)" = failed ] || fail "train is $(state "$failing" train): $(cat status)"
[ "$(state "$failing" tokenize)" = 'not run' ] && [ "$(state "$failing" inspect)" = 'not run' ] || fail "what waits for it is not told of: $(cat status)"
grep -q 'exit code 1: .*train.max_loss' status || fail "status does not say why: $(cat status)"
[ "$(grep -c "its turn does not come: train, before it, failed" status)" -eq 2 ] || fail "status does not say what the others wait for: $(cat status)"
submit --resume "$failing" --site site.yaml >out 2>&1 || fail "--resume: $(cat out)"
[ "$(grep -c ' job ' out)" -eq 3 ] || fail "--resume does not submit what is left: $(cat out)"
finish
