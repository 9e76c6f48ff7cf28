#!/usr/bin/env bash
# Codes that lack a side, or both, get tokens from what they have, on any number of ranks; model.sides makes a side absent for
# all; siblings are left out of the negatives where that is asked for.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Every third description and every fifth node list is taken away.
awk -F'\t' -v OFS='\t' 'NR > 1 {if (NR % 3 == 0) $3 = ""; if (NR % 5 == 0) $4 = ""} {print}' "$SAMPLE/codes.tsv" >codes.tsv
absent="--set files.codes=codes.tsv --set text.empty=absent"
medtok prepare $absent 2>log || fail "prepare: $(cat log)"
grep -q '237 codes have no description: their text is absent' log || fail "nothing said of absent texts: $(cat log)"
grep -q '77 codes have neither description nor graph' log || fail "nothing said of codes without sides: $(cat log)"
medtok encode 2>log || fail "encode: $(cat log)"

losses() { sed 's/.*"loss": \([^,]*\),.*/\1/' "$1"; }
same_losses() { # as in rank_independence.sh
    paste <(losses "$1.jsonl") <(losses "$2.jsonl") |
        awk '{d = ($2 - $1) / $1; if (!(d < 2e-4 && d > -2e-4)) bad++; n++} END {exit !(n == 12 && !bad)}' ||
        fail "losses differ: $(paste <(losses "$1.jsonl") <(losses "$2.jsonl"))"
}
# The four columns of tokens, 1 where there are some, of each code: `1111`, `1010`, `0101` or `0000`
groups() { awk -F'\t' '{print ($3 != "") ($5 != "") ($7 != "") ($9 != "")}' "$1/tokens.tsv"; }
for ranks in 1 2; do
    medtok_ranks $ranks train --set loss.sibling_negatives=keep --set files.checkpoint=mixed$ranks.h5 2>log || fail "train on $ranks ranks: $(cat log)"
    medtok_ranks $ranks tokenize --set files.checkpoint=mixed1.h5 --set files.table=mixed$ranks.table.h5 2>log || fail "tokenize: $(cat log)"
done
same_losses mixed1 mixed2
h5diff -q mixed1.table.h5 mixed2.table.h5 tokens || fail "the table depends on the ranks"
medtok verify --set files.table=mixed1.table.h5 >log 2>&1 || fail "verify: $(cat log)"
grep -qE ', [1-9][0-9]* codes without any token' log || fail "verify does not count codes without tokens: $(cat log)"
medtok export tsv --set files.table=mixed1.table.h5 --set files.export=mixed 2>log || fail "export: $(cat log)"
# What prepare says has a graph, and what the table says has a description
awk -F'\t' 'NR > 1 {t = $3 != ""; g = $4 != ""; print t g t g}' codes.tsv >wanted.txt
groups mixed | tail -n +2 | cmp - wanted.txt || fail "absent groups are not those of absent sides"

for side in text graph; do
    medtok train --set model.sides=$side --set files.checkpoint=$side.alone.h5 2>log || fail "train $side alone: $(cat log)"
    medtok tokenize --set files.checkpoint=$side.alone.h5 --set files.table=$side.table.h5 2>log || fail "tokenize $side alone: $(cat log)"
    medtok verify --set files.table=$side.table.h5 >log 2>&1 || fail "verify $side: $(cat log)"
    medtok export tsv --set files.table=$side.table.h5 --set files.export=$side.alone 2>log || fail "export: $(cat log)"
    awk -v s=$side '{t = s == "text" && substr($1, 1, 1) == 1; g = s == "graph" && substr($1, 2, 1) == 1; print t g t g}' wanted.txt >alone.txt
    groups $side.alone | tail -n +2 | cmp - alone.txt || fail "$side alone: other groups"
done
grep -q '"shared": 0, "align": [-0]*, "specific_text": 0,' graph.alone.jsonl || fail "graph alone: text has a loss: $(tail -n 1 graph.alone.jsonl)"

medtok_ranks 2 train --set model.sides=graph --set files.checkpoint=graph.2.h5 2>log || fail "graph alone, 2 ranks: $(cat log)"
same_losses graph.alone graph.2

# Batches of two codes, most of which lack a side that is compared: no NaN, no division by zero.
medtok_ranks 2 train --set train.batch=2 --set train.steps=20 --set files.checkpoint=tiny.h5 2>log || fail "tiny batches: $(cat log)"
grep -qiE 'nan|inf' tiny.jsonl && fail "tiny batches: $(grep -iE 'nan|inf' tiny.jsonl | head -n 1)"

# Siblings: where all codes have one parent, nothing is left to compare with.
medtok train --set loss.sibling_negatives=leave-out --set files.checkpoint=leave1.h5 2>log || fail "siblings: $(cat log)"
medtok_ranks 2 train --set loss.sibling_negatives=leave-out --set files.checkpoint=leave2.h5 2>log || fail "siblings: $(cat log)"
same_losses leave1 leave2
cmp -s <(losses leave1.jsonl) <(losses mixed1.jsonl) && fail "leaving siblings out changes nothing"
awk -F'\t' 'NR == 1 || $1 == "ICD10CM" && $2 ~ /^E11\..$/' "$SAMPLE/codes.tsv" >siblings.tsv
one="--set files.vocabulary=one.h5 --set files.text=one.text.h5"
medtok prepare $one --set files.codes=siblings.tsv 2>log && medtok encode $one 2>>log || fail "siblings alone: $(cat log)"
medtok_ranks 2 train $one --set loss.sibling_negatives=leave-out --set files.checkpoint=one.checkpoint.h5 2>log || fail "siblings alone: $(cat log)"
grep -c '"shared": 0, .*"specific_text": 0, "specific_graph": 0,' one.checkpoint.jsonl | grep -qx 12 || fail "siblings are negatives: $(head -n 1 one.checkpoint.jsonl)"
finish
