#!/usr/bin/env bash
# What ranks say to each other has a budget: collective calls, messages from rank to rank and bytes of each rank, counted by a library
# that sees what the program and HDF5 below it call of MPI (support/count_messages.c), on 1, 2, 4 and 8 ranks.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -n "${COUNTER:-}" ] || skip "COUNTER does not name libcount_messages.so (ctest sets it)"
nm -D "$MEDTOK" 2>/dev/null | grep -q __asan_init && skip "the sanitizer must be the first library"

STEPS=4
# count_job JOB RANKS SETTING...: then counts.txt has `stage collectives sends bytes` a line: of the rank with the most of each.
count_job() {
    local config="$work/small.yaml" job=$1
    shift
    rm -f counted.*
    "$MPIRUN" -n "$1" env LD_PRELOAD="$COUNTER" MESSAGES=counted "$MEDTOK" $job --config "$config" --set run.threads=1 train.steps=$STEPS \
        train.log_every=2 train.checkpoint_every=2 "${@:2}" >log.txt 2>&1 || fail "$job on $1 ranks: $(cat log.txt)"
    [ "$(ls counted.* | wc -l)" -eq "$1" ] || fail "$1 ranks: not each has counted"
    cat counted.* | awk -F'\t' '{for (i = 3; i <= 5; i++) if ($i > most[$1, i]) most[$1, i] = $i; seen[$1]}
        END {for (s in seen) print s, most[s, 3] + 0, most[s, 4] + 0, most[s, 5] + 0}' >counts.txt
}
# count RANKS SETTING...: trains, a log line and a checkpoint at the second step, with the messages of ranks that have a node each
count() { count_job train "$1" --set files.checkpoint="c$1.h5" run.sums=mpi "${@:2}"; }
# most RANKS STAGES COLUMN DIVISOR MOST WHAT: of these stages together.
most() {
    awk -v stages=" $2 " -v column="$3" -v divisor="$4" -v most="$5" 'index(stages, " " $1 " ") {n += $column}
        END {if (n / divisor > most) {print n / divisor; exit 1}}' counts.txt >over.txt || fail "$1 ranks: $(cat over.txt) $6, not at most $5"
}

# least RANKS STAGES COLUMN DIVISOR LEAST WHAT: so that what is no longer seen does not pass for little.
least() {
    awk -v stages=" $2 " -v column="$3" -v divisor="$4" -v least="$5" 'index(stages, " " $1 " ") {n += $column}
        END {if (n / divisor < least) {print n / divisor; exit 1}}' counts.txt >under.txt || fail "$1 ranks: only $(cat under.txt) $6, not $5"
}
# What the program calls of MPI and moves data or waits is counted.
for call in $(nm -D "$MEDTOK" | sed -n 's/^ *U \(MPI_[A-Z][a-z_]*\).*/\1/p'); do
    case $call in
        # asks, or is of this rank alone
        MPI_Init* | MPI_Abort | MPI_Finalized | MPI_Query_thread | MPI_Wtime | MPI_Get_count | MPI_Get_address | MPI_Get_library_version | MPI_Error_string | MPI_Type_*) ;;
        MPI_Comm_rank | MPI_Comm_size | MPI_Comm_*_attr | MPI_Comm_*_keyval | MPI_Comm_set_errhandler | MPI_Win_set_errhandler | MPI_Request_free) ;;
        # of what was begun by a call that is counted: receives, waits, a window's passive epoch
        MPI_Recv | MPI_Irecv | MPI_Mrecv | MPI_Probe | MPI_Iprobe | MPI_Improbe | MPI_Test* | MPI_Wait*) ;;
        MPI_Win_lock_all | MPI_Win_unlock_all | MPI_Win_flush | MPI_Win_flush_all | MPI_Win_sync) ;;
        *) nm -D "$COUNTER" | grep -q " T $call\$" || fail "$call is not counted" ;;
    esac
done

# sends_nothing [WHAT FOR]: of one rank alone.
sends_nothing() { awk '$2 || $3 || $4' counts.txt | grep -q . && fail "one rank alone sends something${1:+ $1}: $(cat counts.txt)"; }

# A table, of 45 blocks: rank 0 lays it out, and says so; a sum of checksums; it is whole. The rest opens windows on the node table and on the
# number of the next piece of work, and closes them. Each piece asks for its number, and for nodes of each other rank.
tokenize="load create tokenize write"
count_tokenize() {
    count_job tokenize $1 --set files.checkpoint=c1.h5 files.table=t$1.h5 tokenize.batch=16
    if [ $1 -eq 1 ]; then
        sends_nothing "to tokenize"
        return
    fi
    most $1 "$tokenize" 2 1 16 "collectives to tokenize"
    least $1 "$tokenize" 2 1 8 "collectives to tokenize"
    most $1 "tokenize" 2 1 0 "collectives while codes are tokenised"
    most $1 "$tokenize" 3 1 $((46 + 45 * ($1 - 1))) "messages to tokenize"
    least $1 "$tokenize" 3 1 2 "messages to tokenize"
    most $1 "$tokenize" 4 1 600000 "bytes to tokenize" # of all pieces some 330,000: one rank may take them all
}

# The plan numbers distinct texts over all ranks; then texts go to where they are computed, the index is laid out and written, and
# nobody waits while texts are computed: a report of each part to rank 0, and its word to each rank at the end.
encode="plan open encode write"
count_encode() {
    count_job encode $1 --set files.text=e$1.h5
    if [ $1 -eq 1 ]; then
        sends_nothing "to encode"
        return
    fi
    most $1 "plan" 2 1 33 "collectives to plan texts"
    least $1 "plan" 2 1 20 "collectives to plan texts"
    most $1 "open" 2 1 31 "collectives to deal texts and write the index"
    most $1 "encode" 2 1 0 "collectives while texts are computed"
    most $1 "write" 2 1 4 "collectives to write the features" # sums of checksums, and whether all is good
    most $1 "$encode" 3 1 $((2 + $1)) "messages to encode"
    least $1 "$encode" 3 1 1 "messages to encode"
    most $1 "$encode" 4 1 60000 "bytes to encode"
}

medtok prepare >/dev/null 2>&1 && medtok encode >/dev/null 2>&1 || fail "prepare and encode"
step="batch fetch forward backward reduce update"
for ranks in 1 2 4 8; do
    count $ranks
    mv counts.txt trained.txt
    count_tokenize $ranks
    count_encode $ranks
    mv trained.txt counts.txt
    if [ $ranks -eq 1 ]; then
        sends_nothing
        continue
    fi
    # 9 in each step; one more when a log line is due, and two when rows of the codebook are revived.
    most $ranks "$step" 2 $STEPS 9.5 "collectives a step"
    least $ranks "$step" 2 $STEPS 8 "collectives a step"
    # to each other rank a question, rows, and gradients
    most $ranks "$step" 3 $STEPS $((3 * (ranks - 1))) "messages a step"
    least $ranks "$step" 3 $STEPS 1 "messages a step"
    # The gradients are 460 kB in all, node rows at most 855 x 64 values each way, the losses' rows 96 x 6 x 32 both ways.
    most $ranks "$step" 4 $STEPS 340000 "bytes a step"
    least $ranks "$step" 4 $STEPS 100000 "bytes a step"
    # Two saves, the last one waited for: each has rank 0 say where rows go, a sum of checksums, and an agreement; of the first that
    # rides on a step's sums or on the next save's first message. One more agreement ends the steps.
    most $ranks "save" 2 2 3 "collectives a save"
    least $ranks "save" 2 2 2 "collectives a save"
    # The path, offsets of 85 datasets, and sums of their blocks; and, since node rows lie with their users, those of this rank, with two
    # moments, to the ranks that write them.
    most $ranks "save" 3 2 $((ranks - 1)) "messages a save"
    most $ranks "save" 4 2 $((8000 + 855 * 64 * 4 * 3 / ranks)) "bytes a save"
    if [ $ranks -eq 4 ]; then
        count $ranks --set train.partition=block files.checkpoint=block.h5
        most $ranks "save" 3 2 0 "messages a save whose rows lie where they are written"
        most $ranks "save" 4 2 8000 "bytes of such a save"
    fi
    # Ranks of one node need no messages for gradients and for rows of losses.
    if [ $ranks -le 4 ]; then
        count $ranks --set run.sums=auto files.checkpoint=node$ranks.h5
        if grep "do not share memory" log.txt; then # where they should, test_exchanges_mpi fails
            echo "skipped: messages of $ranks ranks on one node"
        else
            most $ranks "$step" 2 $STEPS 4.5 "collectives a step on one node"
            least $ranks "$step" 2 $STEPS 3 "collectives a step on one node"
            most $ranks "$step" 4 $STEPS 40000 "bytes a step on one node"
            most $ranks "save" 2 2 3 "collectives a save on one node" # moments come together without any
            most $ranks "save" 4 2 $((8000 + 855 * 64 * 4 * 3 / ranks)) "bytes a save on one node"
        fi
    fi
    # The same with losses of parts, and when rows are revived.
    if [ $ranks -eq 2 ]; then
        count $ranks --set loss.parts=3 quantizer.revive_after=1 files.checkpoint=parts.h5
        grep -q '"revived": [1-9]' parts.jsonl || fail "no row was revived"
        most $ranks "$step" 2 $STEPS 12 "collectives a step with everything"
    fi
done
finish
