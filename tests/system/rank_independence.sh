#!/usr/bin/env bash
# Training gives the same losses on 1, 2 and 3 ranks, up to the rounding of sums, for all partitions, and with losses of parts of the
# batch (loss.parts).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

medtok prepare && medtok encode || fail "prepare and encode"
losses() { sed 's/.*"loss": \([^,]*\),.*/\1/' "$1"; }
for partition in block random graph; do
    for ranks in 1 2 3; do
        medtok_ranks $ranks train --set train.partition=$partition --set files.checkpoint=$partition$ranks.h5 2>/dev/null ||
            fail "training on $ranks ranks"
        losses $partition$ranks.jsonl >$partition$ranks.txt
    done
    for ranks in 2 3; do
        # float32 sums of a few hundred terms in another order differ by 1e-6; twelve Adam steps of 1e-3, whose direction
        # for tiny gradients is that of rounding, make 1e-4 of that.
        paste ${partition}1.txt ${partition}$ranks.txt |
            awk -v p=$partition -v r=$ranks '{d = ($2 - $1) / $1; if (d < 0) d = -d; if (d > 2e-4) bad++; n++}
                 END {if (n != 12 || bad) {print p, r " ranks: " n " steps, " bad " differ"; exit 1}}' ||
            fail "$partition: losses on $ranks ranks differ: $(paste ${partition}1.txt ${partition}$ranks.txt)"
    done
done
cmp -s block1.txt random1.txt && fail "the two partitions draw the same batches"
for ranks in 1 2; do # parts of 32 codes, which are no rank's part
    medtok_ranks $ranks train --set loss.parts=3 --set files.checkpoint=parts$ranks.h5 2>/dev/null || fail "parts on $ranks ranks"
    losses parts$ranks.jsonl >parts$ranks.txt
done
paste parts1.txt parts2.txt | awk '{d = ($2 - $1) / $1; if (d < 0) d = -d; if (d > 2e-4) bad++; n++} END {exit n != 12 || bad}' ||
    fail "losses of parts depend on the ranks: $(paste parts1.txt parts2.txt)"
cmp -s parts1.txt block1.txt && fail "parts change nothing"
head -1 block1.txt | awk '{first = $1} END {exit !(first > 0)}' || fail "no loss"
awk 'NR == 1 {first = $1} END {exit !($1 < first)}' block1.txt || fail "the loss does not fall: $(cat block1.txt)"
finish
