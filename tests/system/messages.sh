#!/usr/bin/env bash
# What ranks say to each other has a budget: collective calls, messages from rank to rank and bytes of each rank, counted by a library
# that sees each MPI call of the program and of HDF5 below it (support/count_messages.c), on 1, 2, 4 and 8 ranks.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -n "${COUNTER:-}" ] || skip "COUNTER does not name libcount_messages.so (ctest sets it)"
nm -D "$MEDTOK" 2>/dev/null | grep -q __asan_init && skip "the sanitizer must be the first library"

STEPS=4
# count RANKS: trains, a log line and a checkpoint at the second step; then counts.txt has `stage collectives sends bytes` a line: of
# the rank with the most of each.
count() {
    local config="$work/small.yaml"
    rm -f counted.*
    "$MPIRUN" -n "$1" env LD_PRELOAD="$COUNTER" MESSAGES=counted "$MEDTOK" train --config "$config" --set files.checkpoint="c$1.h5" \
        run.threads=1 train.steps=$STEPS train.log_every=2 train.checkpoint_every=2 "${@:2}" >log.txt 2>&1 || fail "training on $1 ranks: $(cat log.txt)"
    [ "$(ls counted.* | wc -l)" -eq "$1" ] || fail "$1 ranks: not each has counted"
    cat counted.* | awk -F'\t' '{for (i = 3; i <= 5; i++) if ($i > most[$1, i]) most[$1, i] = $i; seen[$1]}
        END {for (s in seen) print s, most[s, 3] + 0, most[s, 4] + 0, most[s, 5] + 0}' >counts.txt
}
# most RANKS STAGES COLUMN DIVISOR MOST WHAT: of these stages together.
most() {
    awk -v stages=" $2 " -v column="$3" -v divisor="$4" -v most="$5" 'index(stages, " " $1 " ") {n += $column}
        END {if (n / divisor > most) {print n / divisor; exit 1}}' counts.txt >over.txt || fail "$1 ranks: $(cat over.txt) $6, not at most $5"
}

medtok prepare >/dev/null 2>&1 && medtok encode >/dev/null 2>&1 || fail "prepare and encode"
step="batch fetch forward backward reduce update"
for ranks in 1 2 4 8; do
    count $ranks
    if [ $ranks -eq 1 ]; then
        awk '$2 || $3 || $4' counts.txt | grep -q . && fail "one rank alone sends something: $(cat counts.txt)"
        continue
    fi
    # 9 in each step; one more when a log line is due, and two when rows of the codebook are revived.
    most $ranks "$step" 2 $STEPS 9.5 "collectives a step"
    # to each other rank a question, rows, and gradients
    most $ranks "$step" 3 $STEPS $((3 * (ranks - 1))) "messages a step"
    # The gradients are 460 kB in all, node rows at most 855 x 64 values each way, the losses' rows 96 x 6 x 32 both ways.
    most $ranks "$step" 4 $STEPS 340000 "bytes a step"
    # Two saves, the last one waited for: each has rank 0 say where rows go, a sum of checksums, and an agreement; of the first that
    # rides on the next step's sums.
    most $ranks "save" 2 2 3 "collectives a save"
    most $ranks "save" 3 2 0 "messages a save"
    most $ranks "save" 4 2 8000 "bytes a save" # the path, offsets of 85 datasets, and sums of their blocks
    # The same with losses of parts, and when rows are revived.
    if [ $ranks -eq 2 ]; then
        count $ranks --set loss.parts=3 quantizer.revive_after=1 files.checkpoint=parts.h5
        grep -q '"revived": [1-9]' parts.jsonl || fail "no row was revived"
        most $ranks "$step" 2 $STEPS 12 "collectives a step with everything"
    fi
done
finish
