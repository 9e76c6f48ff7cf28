#!/usr/bin/env bash
# What ranks say to each other in training, saving and tokenizing, counted on 1 to 16 ranks, and what that costs on a thousand: results/scaling.md.
#     MEDTOK=$PWD/build/medtok PYTHON=VENV/bin/python [TIMES=times.tsv] PARTITION=partition.md tests/bench/scaling.sh > results/scaling.md   # targets medtok count_messages count_memory
# PARTITION: what partition.sh has written, which becomes the page's last part.
# More ranks than cores: messages are counted, not timed. How long one takes is assumed, and with TIMES fitted to what `mpirun -n 2
# build/tests/message_times > times.tsv` has measured (target message_times).
TIMES=${TIMES:+$(realpath "$TIMES")} PARTITION=${PARTITION:+$(realpath "$PARTITION")}
. "$(dirname "${BASH_SOURCE[0]}")/../system/common.sh"
COUNTER=${COUNTER:-$(dirname "$MEDTOK")/tests/libcount_messages.so}
export MEDTOK MEMORY_COUNTER=${MEMORY_COUNTER:-$(dirname "$MEDTOK")/tests/libcount_memory.so}
[ -r "$COUNTER" ] && [ -r "$MEMORY_COUNTER" ] || skip "build the targets count_messages and count_memory"
export OMP_NUM_THREADS=1
# run.sums=mpi: the messages of ranks that have a node each
BATCH=256 STEPS=4 DIM=32 SIZE=300 NODE_DIM=64
settings="run.threads=1 run.sums=mpi train.batch=$BATCH quantizer.size=$SIZE quantizer.dim=$DIM graph.node_dim=$NODE_DIM"

# count JOB RANKS SETTING...: lines `JOB ranks stage collectives sends bytes` of the rank with the most of each
count() {
    rm -f counted.*
    "$MPIRUN" -n "$2" env LD_PRELOAD="$COUNTER" MESSAGES=counted "$MEDTOK" "$1" --config small.yaml --set $settings "${@:3}" >log.txt 2>&1 ||
        { cat log.txt >&2 && exit 1; }
    cat counted.* | awk -F'\t' -v job="$1" -v ranks="$2" '{for (i = 3; i <= 5; i++) if ($i > most[$1, i]) most[$1, i] = $i; seen[$1]}
        END {for (s in seen) print job "\t" ranks "\t" s "\t" most[s, 3] + 0 "\t" most[s, 4] + 0 "\t" most[s, 5] + 0}'
}

medtok prepare >/dev/null 2>&1 && medtok encode >/dev/null 2>&1 || exit 1
for ranks in 1 2 4 8 16; do
    count train $ranks files.checkpoint=c$ranks.h5 train.steps=$STEPS train.log_every=2 train.checkpoint_every=2
    count tokenize $ranks files.checkpoint=c1.h5 files.table=t$ranks.h5 train.steps=$STEPS train.log_every=2 train.checkpoint_every=2 tokenize.batch=16
done >counts.tsv
RANKS="1 2 4 8" bash "$ROOT/tests/system/memory.sh" >held.txt || { cat held.txt >&2 && exit 1; }
"$PYTHON" "$ROOT/tests/bench/scaling.py" counts.tsv "$TIMES" $BATCH $STEPS $DIM held.txt
[ -z "$PARTITION" ] || { echo && cat "$PARTITION"; }
