#!/usr/bin/env bash
# A rank is killed at any moment of a training that always has a checkpoint under way: what has the name of a checkpoint is whole, and the
# same command on another number of ranks goes on from it and ends as an undisturbed training does.
#     kills.sh [RUNS [SEED]]
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
runs=${1:-2} seed=${2:-$(date +%N)}
RANDOM=$((10#$seed % 32768))
echo "seed $seed"

long="--set run.threads=1 train.steps=40 train.checkpoint_every=1 train.keep=3"
losses() { sed -n 's/^{"step.*"loss": \([^,]*\),.*/\1/p' "$1"; }
medtok prepare >/dev/null 2>&1 && medtok encode >/dev/null 2>&1 || fail "prepare and encode"
began=$(date +%s%N)
medtok_ranks 2 train $long --set files.checkpoint=whole.h5 >/dev/null 2>&1 || fail "undisturbed run"
took=$((($(date +%s%N) - began) / 1000000)) # ms
losses whole.jsonl >whole.txt

# killed RANKS: whether a rank was killed when there was a checkpoint to go on from, and the training had not ended. If not, `took` comes
# nearer to what a training takes now.
killed() {
    local moment=$((took * (20 + RANDOM % 75) / 100)) victim pid
    rm -f checkpoint*
    "$MPIRUN" -n "$1" "$MEDTOK" train --config small.yaml $long >/dev/null 2>&1 &
    pid=$!
    sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
    victim=$(ranks_of $pid | sort -R --random-source=<(yes $RANDOM) | head -n 1)
    [ -n "$victim" ] && kill -KILL "$victim" 2>/dev/null
    wait $pid
    if [ -e checkpoint.h5 ]; then
        took=$((took * 9 / 10))
        return 1
    fi
    [ -n "$(ls checkpoint.step-*.h5 2>/dev/null)" ] && return
    took=$((took * 11 / 10))
    return 1
}

for run in $(seq "$runs"); do
    ranks=$((RANDOM % 2 + 2)) again=$((RANDOM % 3 + 1)) tries=1
    until killed $ranks || [ $tries -eq 20 ]; do tries=$((tries + 1)); done
    for file in checkpoint.step-*.h5; do
        [ -e "$file" ] || fail "run $run: no checkpoint in 20 moments"
        "$MEDTOK" verify "$file" >/dev/null 2>log.txt || fail "run $run: $file after a kill: $(cat log.txt)"
    done
    medtok_ranks $again train $long >/dev/null 2>log.txt || fail "run $run: resuming on $again ranks: $(cat log.txt)"
    grep -q 'resumed from' log.txt || fail "run $run: it began anew"
    "$MEDTOK" verify checkpoint.h5 >/dev/null 2>log.txt || fail "run $run: the last checkpoint: $(cat log.txt)"
    # As in rank_independence.sh: rounding, made larger by forty steps of Adam.
    paste whole.txt <(losses checkpoint.jsonl) | awk '{d = ($2 - $1) / $1; if (d < 0) d = -d; if (d > 1e-3) bad++}
        END {exit NR != 40 || bad}' || fail "run $run, $ranks ranks, then $again: losses $(losses checkpoint.jsonl | tail -n 1), not $(tail -n 1 whole.txt)"
    [ -z "$(ls checkpoint.step-* ./*.tmp-medtok-* 2>/dev/null)" ] || fail "run $run: left are $(ls checkpoint.step-* ./*.tmp-medtok-*)"
done
finish
