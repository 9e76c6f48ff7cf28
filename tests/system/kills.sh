#!/usr/bin/env bash
# Jobs are struck at any moment: SIGKILL to a rank or the launcher, SIGTERM or SIGUSR1 to either. What has the name of a checkpoint is whole; no
# process goes on; and the same command on another number of ranks ends as an undisturbed run does, and leaves nothing else behind. Training
# always has a checkpoint under way, and goes on from one; the other jobs work on a vocabulary that is made up. Grids: evaluate_grid.sh.
#     kills.sh [RUNS [SEED [JOB]]]    so many of each job, or of one alone (train, prepare, encode, tokenize); 2 trainings and one of each other job without
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
runs=${1:-2} others=${1:-1} seed=${2:-$(date +%N)} only=${3:-}
RANDOM=$((10#$seed % 32768))
echo "seed $seed"
export OMPI_MCA_btl_vader_backing_directory=$mpi_scratch # where MPI's shared memory is left by ranks whose launcher is killed

# ---- a strike ----
declare -A struck # how often, by what
# pause MILLISECONDS
pause() { sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"; }
# strike PID: at an mpirun or one of its ranks. Half of all strikes kill a rank.
strike() {
    local kinds=(KILL KILL KILL KILL KILL TERM USR1 TERM USR1 KILL) kind=$((RANDOM % 10)) victim=$1
    [ $kind -ge 7 ] || victim=$(ranks_of "$1" | sort -R --random-source=<(yes $RANDOM) | head -n 1)
    how="SIG${kinds[kind]} to $([ $kind -lt 7 ] && echo a rank || echo mpirun)"
    [ -n "$victim" ] && kill -"${kinds[kind]}" "$victim" 2>/dev/null
}
# The program's processes that work in this test's folder.
ours() {
    local p
    for p in /proc/[0-9]*; do [ "$p/exe" -ef "$MEDTOK" ] && [ "$p/cwd" -ef "$work" ] && echo "${p#/proc/}"; done
}
# ended PID WHAT: the struck job, and soon
ended() {
    local began=$SECONDS
    while kill -0 "$1" 2>/dev/null || [ -n "$(ours)" ]; do
        if [ $((SECONDS - began)) -gt 10 ]; then
            fail "$2, $how: it goes on for more than 10 s: $1 $(ours)"
            kill -KILL "$1" $(ours) 2>/dev/null
            break
        fi
        sleep 0.1
    done
    wait "$1" 2>/dev/null
}

# ---- training ----
long="--set run.threads=1 train.steps=40 train.checkpoint_every=1 train.keep=3"
losses() { sed -n 's/^{"step.*"loss": \([^,]*\),.*/\1/p' "$1"; }
medtok prepare >/dev/null 2>&1 && medtok encode >/dev/null 2>&1 || fail "prepare and encode"
began=$(date +%s%N)
medtok_ranks 2 train $long --set files.checkpoint=whole.h5 >/dev/null 2>&1 || fail "undisturbed run"
took=$((($(date +%s%N) - began) / 1000000)) # ms
losses whole.jsonl >whole.txt

# killed RANKS: whether it was struck when there was a checkpoint to go on from, and the training had not ended. If not, `took` comes
# nearer to what a training takes now.
killed() {
    local pid
    rm -f checkpoint*
    "$MPIRUN" -n "$1" "$MEDTOK" train --config small.yaml $long >/dev/null 2>&1 &
    pid=$!
    pause $((took * (20 + RANDOM % 75) / 100))
    strike $pid
    ended $pid train
    if [ -e checkpoint.h5 ]; then
        took=$((took * 9 / 10))
        return 1
    fi
    [ -n "$(ls checkpoint.step-*.h5 2>/dev/null)" ] && return
    took=$((took * 11 / 10))
    return 1
}

[ -z "$only" ] || [ "$only" = train ] || runs=0
for run in $(seq "$runs"); do
    ranks=$((RANDOM % 2 + 2)) again=$((RANDOM % 3 + 1)) tries=1
    until killed $ranks || [ $tries -eq 20 ]; do tries=$((tries + 1)); done
    struck[train, $how]=$((${struck[train, $how]:-0} + 1))
    for file in checkpoint.step-*.h5; do
        [ -e "$file" ] || fail "run $run: no checkpoint in 20 moments"
        "$MEDTOK" verify "$file" >/dev/null 2>log.txt || fail "run $run: $file after $how: $(cat log.txt)"
    done
    medtok_ranks $again train $long >/dev/null 2>log.txt || fail "run $run: resuming on $again ranks: $(cat log.txt)"
    grep -q 'resumed from' log.txt || fail "run $run: it began anew"
    "$MEDTOK" verify checkpoint.h5 >/dev/null 2>log.txt || fail "run $run: the last checkpoint: $(cat log.txt)"
    # As in rank_independence.sh: rounding, made larger by forty steps of Adam.
    paste whole.txt <(losses checkpoint.jsonl) | awk '{d = ($2 - $1) / $1; if (d < 0) d = -d; if (d > 1e-3) bad++}
        END {exit NR != 40 || bad}' || fail "run $run, $ranks ranks, $how, then $again: losses $(losses checkpoint.jsonl | tail -n 1), not $(tail -n 1 whole.txt)"
    [ -z "$(ls checkpoint.step-* ./*.tmp-medtok-* 2>/dev/null)" ] || fail "run $run: left are $(ls checkpoint.step-* ./*.tmp-medtok-*)"
done

# ---- the other jobs ----
"$MEDTOK" synth --set synth.make=vocabulary synth.scale=0.02 synth.gzip=0 synth.folder=made 2>log.txt || fail "synth: $(cat log.txt)"
sed "s|codes: .*|codes: [made/codes.csv]|; s|graph: .*|graph: made/kg.csv|; s|$work/\([a-z]*\).h5|made/\1.h5|" small.yaml >made.yaml
echo 'run: {threads: 1, live_page: 0}' >>made.yaml # a page that a slow job leaves is no part of an output
# ranks JOB NUMBER [SETTINGS]
on_ranks() { "$MPIRUN" -n "$2" "$MEDTOK" "$1" --config made.yaml --set "${@:3}" >/dev/null 2>log.txt; }
for job in prepare encode train; do on_ranks $job 1 train.steps=2 || fail "$job: $(cat log.txt)"; done

# What is other than in made.yaml; encode reads a small BERT, which takes it as long as the others.
options() {
    case $1 in
        prepare) echo files.vocabulary=try/out.h5 ;;
        encode) echo files.text=try/out.h5 text.encoder=bert text.model="$ROOT/tests/golden/text/plain" text.max_tokens=32 ;;
        tokenize) echo files.table=try/out.h5 ;;
    esac
}
content() { "$MEDTOK" verify try/out.h5 --config made.yaml 2>log.txt | sed -n 's/.*content \([0-9a-f]*\).*good$/\1/p'; }

# hit JOB RANKS: whether it was struck when its ranks ran and its output was not there yet. If not, `took` shrinks.
hit() {
    local pid
    rm -rf try && mkdir try
    "$MPIRUN" -n "$2" "$MEDTOK" "$1" --config made.yaml --set $(options "$1") >/dev/null 2>&1 &
    pid=$!
    until [ "$(ranks_of $pid | wc -l)" -eq "$2" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
    pause $((took * (RANDOM % 100) / 100))
    strike $pid
    ended $pid "$1"
    [ -e try/out.h5 ] || return 0
    took=$((took * 95 / 100))
    return 1
}

for job in prepare encode tokenize; do
    [ -z "$only" ] || [ "$only" = $job ] || continue
    rm -rf try && mkdir try
    began=$(date +%s%N)
    on_ranks $job 2 $(options $job) || fail "$job, undisturbed: $(cat log.txt)"
    took=$((($(date +%s%N) - began) / 1000000)) under_way=0
    wanted=$(content) files=$(ls -A try)
    [ -n "$wanted" ] || fail "$job: no content: $(cat log.txt)"
    for run in $(seq "$others"); do
        ranks=$((RANDOM % 2 + 2)) again=$((RANDOM % 3 + 1)) tries=1
        [ $again -lt $ranks ] || again=$((again + 1)) # another number
        until hit $job $ranks || [ $tries -eq 20 ]; do tries=$((tries + 1)); done
        [ ! -e try/out.h5 ] || fail "$job $run: it had ended in each of 20 moments"
        struck[$job, $how]=$((${struck[$job, $how]:-0} + 1))
        [ -z "$(ls -A try)" ] || under_way=$((under_way + 1))
        on_ranks $job $again $(options $job) || fail "$job $run: $ranks ranks, $how, then $again: $(cat log.txt)"
        [ "$(content)" = "$wanted" ] || fail "$job $run: $ranks ranks, $how, then $again: another content: $(cat log.txt)"
        [ "$(ls -A try)" = "$files" ] || fail "$job $run: $ranks ranks, $how, then $again: left are $(ls -A try)"
    done
    echo "$job: $others of $others struck on the way, $under_way with a part of the output there"
done
for key in "${!struck[@]}"; do echo "$key: ${struck[$key]}"; done | sort
finish
