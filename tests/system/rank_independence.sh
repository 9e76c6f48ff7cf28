#!/usr/bin/env bash
# Training gives the same losses on 1, 2 and 3 ranks, up to the rounding of sums, for all partitions, and with losses of parts of the
# batch (loss.parts).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

medtok prepare && medtok encode || fail "prepare and encode"
losses() { sed 's/.*"loss": \([^,]*\),.*/\1/' "$1"; }
partitions="block random auto" # auto: graph
"$MEDTOK" doctor | grep -q 'note *METIS' && partitions="random auto" # block
for partition in $partitions; do
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
cmp -s auto1.txt random1.txt && fail "the two partitions draw the same batches"
# Another METIS may order batches otherwise: a checkpoint tells which did.
if [ "$partitions" = "block random auto" ]; then
    grep -qa 'partitioner.*METIS' auto1.h5 && ! grep -qa partitioner block1.h5 || fail "the METIS that was used is not told"
fi
# Nodes that lie by use are found by what makes the first codebook, by evaluations, and by who reads the checkpoint.
if [ "$partitions" = "block random auto" ]; then
    for ranks in 1 3; do
        medtok_ranks $ranks train --set quantizer.init=kmeans train.holdout=0.2 train.eval_every=6 train.steps=6 \
            files.checkpoint=by_use$ranks.h5 2>/dev/null || fail "k-means and evaluations on $ranks ranks"
        grep '"step"' by_use$ranks.jsonl | losses - >by_use$ranks.txt
        # As far as a code's nearest neighbour may be another by rounding: of 95 codes.
        grep '"eval_step"' by_use$ranks.jsonl | sed 's/.*"neighbour_recall": {"value": \([^,]*\),.*/\1/' >>by_use$ranks.txt
    done
    paste by_use1.txt by_use3.txt | awk '{d = ($2 - $1) / $1; if (d < 0) d = -d; if (d > (n < 6 ? 2e-4 : 2e-2)) bad++; n++} END {exit n != 7 || bad}' ||
        fail "graph and k-means: losses and measures depend on the ranks: $(paste by_use1.txt by_use3.txt)"
fi
for ranks in 1 2; do # parts of 32 codes, which are no rank's part
    medtok_ranks $ranks train --set loss.parts=3 --set files.checkpoint=parts$ranks.h5 2>/dev/null || fail "parts on $ranks ranks"
    losses parts$ranks.jsonl >parts$ranks.txt
done
paste parts1.txt parts2.txt | awk '{d = ($2 - $1) / $1; if (d < 0) d = -d; if (d > 2e-4) bad++; n++} END {exit n != 12 || bad}' ||
    fail "losses of parts depend on the ranks: $(paste parts1.txt parts2.txt)"
cmp -s parts1.txt auto1.txt && fail "parts change nothing"
head -1 auto1.txt | awk '{first = $1} END {exit !(first > 0)}' || fail "no loss"
awk 'NR == 1 {first = $1} END {exit !($1 < first)}' auto1.txt || fail "the loss does not fall: $(cat auto1.txt)"

# The program's defaults: principal components, names of nodes and k-means on any number of ranks.
as_users_train
medtok encode 2>/dev/null || fail "encode with names of nodes"
for ranks in 1 2 3; do
    medtok_ranks $ranks train --set files.checkpoint=users$ranks.h5 2>/dev/null || fail "defaults on $ranks ranks"
    losses users$ranks.jsonl >users$ranks.txt
done
for ranks in 2 3; do
    paste users1.txt users$ranks.txt | awk '{d = ($2 - $1) / $1; if (d < 0) d = -d; if (d > 2e-4) bad++; n++} END {exit n != 12 || bad}' ||
        fail "losses of the defaults on $ranks ranks differ: $(paste users1.txt users$ranks.txt)"
done
finish
