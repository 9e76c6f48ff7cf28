#!/usr/bin/env bash
# Signals at random moments, from exec to the end: every run ends clean, and the same command run again gives the output of
# an undisturbed run.
#   signals.sh [NUMBER [SEED [JOB]]]: so many signals (20), the moments drawn from SEED, to one JOB only (train, encode,
#   tokenize, inspect, prepare, export, cohort). Needs h5dump.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

number=${1:-20} seed=${2:-$((RANDOM * 32768 + RANDOM))} only=${3:-}
command -v h5dump >/dev/null || skip "h5dump is not installed"
echo "$number signals, seed $seed"
RANDOM=$seed
export OMP_WAIT_POLICY=passive # two threads and two ranks on what cores there are

# ---- running and looking ----
# start RANKS JOB [options]: in the background; sets pid (of medtok, or of mpirun), and later `rank`, its processes. A
# background process of a shell has SIGINT ignored, hence env.
start() {
    local launcher=()
    [ "$1" -gt 1 ] && launcher=("$MPIRUN" -n "$1")
    env --default-signal=INT "${launcher[@]}" "$MEDTOK" "${@:2:1}" --config small.yaml "${@:3}" >out.txt 2>log.txt &
    pid=$!
}
alive() { kill -0 "$1" 2>/dev/null; }
# Waits for the RANKS processes, right behind their exec.
find_ranks() {
    rank=()
    while alive "$pid" && [ ${#rank[@]} -lt "$1" ]; do
        rank=()
        for p in $([ "$1" -gt 1 ] && cat "/proc/$pid/task/$pid/children" 2>/dev/null || echo "$pid"); do
            [ "/proc/$p/exe" -ef "$MEDTOK" ] && rank+=("$p")
        done
    done
}
# The exit code of the run; a run that does not end in two minutes is killed, by its id, and has 137.
wait_end() {
    for _ in $(seq 1200); do alive "$pid" || break; sleep 0.1; done
    alive "$pid" && kill -KILL "${rank[@]}" "$pid"
    wait "$pid"
} 2>/dev/null
# blocked MASK FILE: whether all signals of the mask are blocked, none in a process that is gone
blocked() {
    local word value
    { while read -r word value; do [ "$word" = SigBlk: ] && break; done <"$2"; } 2>/dev/null || return 1
    [ $((0x${value:-0} & $1)) -eq $(($1)) ]
}
# The same, read at once: a state that changes while a shell reads line by line shifts the lines.
blocked_at_once() {
    local value
    value=$(sed -n 's/^SigBlk:[[:space:]]*//p' "$2" 2>/dev/null) && [ -n "$value" ] && [ $((0x$value & $1)) -eq $(($1)) ]
}
asked=0x4202 # INT, USR1, TERM
names=(USR1 TERM INT)
content_id() { h5dump -a content_id "$1" 2>/dev/null | sed -n 's/.*(0): //p'; }

# ---- the jobs: options, output, and what is the same in equal outputs ----
printf 'system\tcode\tdescription\tnodes\n' >many.tsv
awk 'BEGIN { for (i = 0; i < 3000; i++) printf "X\tc%d\tdisease %d of the heart %d due to type %d diabetes\t\n", i, i * 7919 % 99991, i % 17, i }' >>many.tsv
model=$ROOT/tests/golden/text/plain
for job in prepare encode train tokenize; do medtok $job >/dev/null 2>log.txt || fail "$job: $(cat log.txt)"; done
medtok prepare --set files.codes=many.tsv --set files.vocabulary=many.h5 2>/dev/null || fail "prepare of many codes"
"$MEDTOK" synth --set synth.folder=hospital synth.patients=3000 synth.formats=mimic4 2>log.txt || fail "synth: $(cat log.txt)"
options() {
    case $1 in
        cohort) echo "--set cohort.folder=hospital/mimic4 files.cohort=try/out.h5" ;;
        prepare) echo "--set files.vocabulary=try/out.h5" ;;
        encode) echo "--set files.vocabulary=many.h5 --set files.text=try/out.h5 --set text.encoder=bert --set text.model=$model --set text.max_tokens=32" ;;
        train) echo "--set train.steps=150 --set train.checkpoint_every=50 --set files.checkpoint=try/out.h5 --set run.threads=$((3 - $2))" ;;
        tokenize) echo "--set tokenize.batch=8 --set files.table=try/out.h5" ;;
        inspect) echo "--set inspect.resamples=4000 --set files.report=try/out.h5" ;;
        export) echo "--set files.export=try/out.h5" ;;
    esac
}
same() {
    case $1 in
        inspect) cat try/out.h5 2>/dev/null ;;
        export) cd try/out.h5 2>/dev/null && { sha256sum tokens.jsonl tokens.tsv *.npy; cd ../..; } ;;
        *) content_id try/out.h5 ;;
    esac
}
# What a run that was stopped may leave: encode's finished parts, train's checkpoints and metrics, export's finished files, where its time
# went, and of one that has run for run.live_page seconds its page, whole.
left() {
    find try -type f | grep -vE 'out.h5.partial$|out.h5.parts$|out.step-[0-9]*.h5$|out.jsonl$|out.stages.json$|try/out.live.html$|try/out.h5/[a-z_]*.(npy|tsv|jsonl)$'
    [ ! -e try/out.live.html ] || tail -n 1 try/out.live.html | grep -q '^</html>$' || echo "half a page"
}

# ---- what the signals mean, whatever the moment ----
# The second rank is stopped, so that the first waits for it and cannot look for signals.
stuck() {
    rm -rf try && mkdir try
    start 2 train $(options train 2) --set train.steps=2000
    find_ranks 2
    for _ in $(seq 600); do [ -s try/out.jsonl ] && break; sleep 0.05; done
    kill -STOP "${rank[1]}"
    sleep 0.3
}
check_masks() {
    local threads takers task
    rm -rf try && mkdir try
    start "$1" train $(options train "$1") --set train.steps=2000
    find_ranks "$1"
    for _ in $(seq 600); do [ -s try/out.jsonl ] && break; sleep 0.05; done
    for p in "${rank[@]}"; do
        threads=0 takers=0
        for task in /proc/"$p"/task/*/status; do
            threads=$((threads + 1))
            if grep -q '^Name:.signals$' "$task"; then # waiting for them, it shows them as not blocked
                takers=$((takers + 1))
            elif ! blocked_at_once $((asked | 0x1)) "$task"; then
                fail "a thread of rank $p has not blocked HUP, INT, USR1 and TERM: $(grep -E 'Name|Sig' "$task")"
            fi
            for free in 0x400 0x4000000 0x80000 0x1000; do # SEGV, PROF, TSTP, PIPE
                blocked_at_once $free "$task" && fail "a thread of rank $p has blocked $free"
            done
        done
        [ $threads -ge 3 ] || fail "only $threads threads in rank $p: nothing was tested"
        [ $takers -eq 1 ] || fail "$takers threads of rank $p take signals, not one"
        for child in $(cat /proc/"$p"/task/*/children); do
            blocked 0x200 "/proc/$child/status" && fail "a child of rank $p has SIGUSR1 blocked"
        done
    done
    local name=TERM
    [ "$1" -gt 1 ] || name=HUP
    kill -$name "${rank[0]}"
    wait_end
    [ $? -eq 75 ] || fail "$1 ranks: SIG$name does not end with 75: $(cat log.txt)"
}
if [ -z "$only" ]; then
    unset OMPI_MCA_ess_singleton_isolated # as users start it: MPI's daemon, a child of a process alone, is looked at too
    check_masks 1
    check_masks 2
    stuck
    kill -USR1 "${rank[0]}"; sleep 0.2; kill -TERM "${rank[0]}"; sleep 0.2; kill -INT "${rank[0]}"; sleep 0.5
    alive "${rank[0]}" || fail "SIGTERM or SIGINT after SIGUSR1 ends the process while it is to save: $(cat log.txt)"
    kill -CONT "${rank[1]}"
    wait_end
    [ $? -eq 75 ] && ls try/out.step-* >/dev/null || fail "three signals do not end with 75 and a checkpoint: $(cat log.txt)"
    stuck
    kill -INT "${rank[0]}"; sleep 0.2; kill -INT "${rank[0]}"
    wait_end
    [ $? -eq 130 ] || fail "a second SIGINT does not end the process at once: $(cat log.txt)"
    for name in USR1 TERM INT; do
        start 1 bench --set bench.items=gemm --set bench.repeats=1000 --set bench.json=try/bench.json
        find_ranks 1
        while alive "$pid" && ! blocked $asked "/proc/$pid/status"; do :; done
        kill -$name "$pid"
        wait_end
        code=$?
        [ $code -eq $((128 + $(kill -l $name))) ] || fail "bench, SIG$name: exit code $code: $(cat log.txt)"
    done
    # What a profiler sends to each thread is handled on a stack of its own, on two computing threads at least.
    sampler=${SAMPLER:-$(dirname "$MEDTOK")/tests/libsample_threads.so}
    if [ -r "$sampler" ]; then
        rm -rf try && mkdir try
        LD_PRELOAD=$sampler SAMPLES=samples.txt "$MEDTOK" train --config small.yaml $(options train 1) >out.txt 2>log.txt ||
            fail "sampled: $(cat log.txt)"
        [ "$(cat samples.txt)" -ge 2 ] || fail "handlers have a stack of their own in $(cat samples.txt) thread(s), not two"
    else
        echo "not built: $sampler; stacks of handlers are not looked at"
    fi
    # In the first moments, while the signals are blocked and nothing takes them yet.
    for ((k = 0; k < 9; k++)); do
        rm -rf try && mkdir try
        start 1 tokenize $(options tokenize 1)
        find_ranks 1
        while alive "$pid" && ! blocked $asked "/proc/$pid/status"; do :; done
        for ((spin = RANDOM % 1000; spin > 0; spin--)); do :; done
        kill -${names[k % 3]} "$pid"
        wait_end
        code=$?
        [ $code -eq 75 ] || fail "SIG${names[k % 3]} right behind the start: exit code $code: $(cat log.txt)"
    done
    # A shell script's background job has SIGINT ignored: it stays so.
    rm -rf try && mkdir try
    "$MEDTOK" train --config small.yaml $(options train 1) >out.txt 2>log.txt &
    pid=$! rank=()
    while alive "$pid" && ! blocked 0x4200 "/proc/$pid/status"; do :; done
    kill -INT "$pid"
    wait_end
    [ $? -eq 0 ] || fail "SIGINT that was ignored at the start is not any more: $(cat log.txt)"
    export OMPI_MCA_ess_singleton_isolated=1
fi

# ---- random moments ----
declare -A wanted length ended
undisturbed() {
    local began=$EPOCHREALTIME
    rm -rf try && mkdir try
    start "$2" "$1" $(options "$1" "$2")
    find_ranks "$2"
    wait_end || fail "$1 on $2 ranks: $(cat log.txt)"
    length[$1$2]=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
    wanted[$1$2]=$(same "$1")
    [ -n "${wanted[$1$2]}" ] || fail "$1 on $2 ranks wrote nothing"
}
# attempt K JOB RANKS SIGNAL
attempt() {
    local job=$2 ranks=$3 name=$4 moment code early="" victim what threads
    moment=$((RANDOM * 105 * length[$job$ranks] / 100 / 32768))
    victim=$((RANDOM % ranks))
    what="signal $1: SIG$name to rank $victim of $ranks of $job after $moment ms"
    rm -rf try && mkdir try
    start "$ranks" "$job" $(options "$job" "$ranks")
    find_ranks "$ranks"
    sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
    # While the loader is at work there is nothing of ours that could take a signal, nor anything to be lost. No library
    # has made a thread then.
    if [ -n "${rank[victim]:-}" ]; then
        threads=(/proc/"${rank[victim]}"/task/*)
        blocked $asked "/proc/${rank[victim]}/status" || [ ${#threads[@]} -gt 1 ] || early=" in the loader"
        kill -$name "${rank[victim]}" 2>/dev/null || early=""
    fi
    wait_end
    code=$?
    ended[$job$code$early]=$((${ended[$job$code$early]:-0} + 1))
    case $code in
        0) [ "$(same $job)" = "${wanted[$job$ranks]}" ] || fail "$what: exit code 0, but another output: $(cat log.txt)" ;;
        75) [ "$(grep -c 'error: .*stopped by a signal' log.txt)" -eq 1 ] || fail "$what: not one message: $(cat log.txt)"
            [ "$job" = export ] || [ ! -e try/out.h5 ] || fail "$what: 75, but the output is there" ;;
        $((128 + $(kill -l $name)))) [ -n "$early" ] || fail "$what: died of it: $(cat log.txt)" ;;
        *) fail "$what: exit code $code: $(tail -n 12 log.txt)" ;;
    esac
    [ $code -eq 0 ] || [ -z "$(left)" ] || fail "$what: left $(left)"
    start "$ranks" "$job" $(options "$job" "$ranks")
    find_ranks "$ranks"
    wait_end || fail "$what: run again: $(cat log.txt)"
    [ "$(same $job)" = "${wanted[$job$ranks]}" ] || fail "$what: the same command run again gives another output"
}
# Two of five signals go to a training, most of them with one rank and two threads: there they are most likely to meet a thread
# that computes.
plan=(train1 train1 encode1 train2 tokenize1 cohort1 inspect1 encode2 train1 tokenize2
      train1 train2 prepare1 train1 tokenize1 inspect2 cohort2 encode1 export1 train2)
for ((k = 0; k < number; k++)); do
    job=${plan[k % ${#plan[@]}]}
    ranks=${job: -1} job=${job%?}
    [ -z "$only" ] || { job=$only; [ "$only" = export ] && ranks=1; }
    [ -n "${length[$job$ranks]:-}" ] || undisturbed $job $ranks
    attempt $k $job $ranks "${names[k % 3]}"
    [ $((k % 50)) -lt 49 ] || echo "$((k + 1)) signals sent"
done
for key in "${!ended[@]}"; do echo "$key: ${ended[$key]}"; done | sed -E 's/([0-9])/ ended with \1/' | sort
finish
