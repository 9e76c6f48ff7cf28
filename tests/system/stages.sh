#!/usr/bin/env bash
# Each parallel job ends with a table of its stages, on two ranks, and on one where it is asked for: shares add up to 100 %, imbalance is between 1 and
# the number of ranks, and there are messages between two ranks and none on one.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# check_table RANKS JOB STAGE: of the log in log.txt; STAGE is a row that it must have.
check_table() {
    grep -q "stages of $2 on $1 rank(s)" log.txt || fail "$2 on $1 ranks: no table"
    sed -n "/stages of $2 on/,\$p" log.txt | sed -n 's/^[0-9-]* [0-9:]* \[0\] info: //p' | sed 's/%//g' |
        awk '$1 == "stage" { on = 1; next } NF != 9 { on = 0 } on' >table.txt
    awk -v ranks="$1" -v stage="$3" '
        { shares += $3; messages += $8; sent += $9; if ($1 == stage) found = 1 }
        $2 < 0 || $4 < 0 || $4 > ranks + 0.01 || $5 < 0 || $5 > 100 { print "odd row: " $0; bad = 1 }
        $2 >= 0.001 && $4 < 1 && $5 < 100 { print "imbalance below 1: " $0; bad = 1 }
        END {
            if (!found) { print "no row " stage; bad = 1 }
            if (shares < 99 || shares > 101) { print "shares add up to " shares " %"; bad = 1 }
            if (ranks == 1 && (messages > 0 || sent > 0)) { print "messages on one rank"; bad = 1 }
            if (ranks == 2 && messages == 0) { print "no messages between two ranks"; bad = 1 }
            exit bad
        }' table.txt || fail "$2 on $1 ranks: $(cat table.txt)"
}

for ranks in 1 2; do
    rm -f ./*.h5
    for job in prepare:subgraphs encode:encode train:backward tokenize:tokenize inspect:neighbours; do
        [ $ranks -eq 1 ] && ask=--stages || ask=
        medtok_ranks $ranks "${job%:*}" $ask >/dev/null 2>log.txt || fail "${job%:*} on $ranks ranks: $(cat log.txt)"
        check_table $ranks "${job%:*}" "${job#*:}"
        # Only jobs that compute have operations, in the stage that computes.
        case $job in
            train:* | tokenize:*)
                awk -v stage="${job#*:}" '$1 == stage && $6 > 0 && $7 > 0 { found = 1 } END { exit !found }' table.txt ||
                    fail "${job%:*} on $ranks ranks: no operations in ${job#*:}"
                ;;
        esac
    done
done
# On two ranks gradients travel: 12 steps, and at least the codebook of 300 x 32 values from each rank in each.
medtok_ranks 2 train --set files.checkpoint=again.h5 >/dev/null 2>log.txt
check_table 2 train reduce
awk '$1 != "save" { sent += $9 } END { exit !(sent > 2 * 12 * 300 * 32 * 4 / 1e6) }' table.txt || fail "too few bytes sent"

# A job that finds its file up to date has no table, nor has one where none is asked for.
medtok train --stages --set files.checkpoint=again.h5 2>&1 | grep -q 'stages of' && fail "a table without work"
medtok tokenize --set files.table=more.h5 2>&1 | grep -q 'stages of' && fail "a table on one rank that was not asked for"
medtok_ranks 2 tokenize --set files.table=none.h5 run.stages=never 2>&1 | grep -q 'stages of' && fail "a table though run.stages is never"
finish
