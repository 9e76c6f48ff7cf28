#!/usr/bin/env bash
# Nothing that grows with the vocabulary or the graph is whole on every rank: what the rank with the most of it holds in memory, and what it
# reads from files, is its share of what one rank has alone and a little of fixed size (support/count_memory.c). The table is printed, on 1, 2 and 8
# ranks, or on RANKS, which begin with 1. Codes are made up: their nodes lie all over a large graph, and train.partition is random, so that nobody's
# codes lie together.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -n "${MEMORY_COUNTER:-}" ] || skip "MEMORY_COUNTER does not name libcount_memory.so (ctest sets it)"
nm -D "$MEDTOK" 2>/dev/null | grep -q __asan_init && skip "the sanitizer must be the first library"
export OMP_NUM_THREADS=1
RANKS=${RANKS:-1 2 8}

awk -v n=20000 -v nodes=20000 -v edges=40000 'BEGIN {
    srand(7)
    print "system\tcode\tdescription\tnodes" >"many.tsv"
    for (i = 0; i < n; i++) {
        text = "u" i
        for (w = 0; w < 6; w++) text = text " w" int(rand() * rand() * 3000)
        print "ICD10CM\tC" i "\t" text "\t" int(rand() * nodes) ";" int(rand() * nodes) >"many.tsv"
    }
    print "relation,display_relation,x_index,x_id,x_type,x_name,x_source,y_index,y_id,y_type,y_name,y_source" >"kg.csv"
    for (e = 0; e < edges; e++) {
        a = e < nodes ? e : int(rand() * nodes)
        b = (a + 1 + int(rand() * (nodes - 1))) % nodes
        print "r,r" e % 4 "," a ",s:" a ",disease,n" a ",s," b ",s:" b ",disease,n" b ",s" >"kg.csv"
    }
}'
head -n 3001 many.tsv >codes.tsv
cat >many.yaml <<YAML
files: {codes: [codes.tsv], graph: kg.csv, vocabulary: v.h5, text: text.h5, checkpoint: c.h5, table: table.h5}
text: {dim: 768}
graph: {node_dim: 128}
quantizer: {size: 100, dim: 32}
train: {batch: 16, steps: 1, partition: random}
tokenize: {batch: 32}
run: {threads: 1}
YAML
cat "$ROOT/tests/support/plain.yaml" >>many.yaml

# count JOB RANKS SETTING...: then counts.txt has `stage peak read` a line, of the rank with the most of each
count() {
    rm -f counted.*
    "$MPIRUN" -n "$2" env LD_PRELOAD="$MEMORY_COUNTER" MEMORY=counted "$MEDTOK" "$1" --config many.yaml --force "${@:3}" >log.txt 2>&1 ||
        fail "$1 on $2 ranks: $(cat log.txt)"
    [ "$(ls counted.* | wc -l)" -eq "$2" ] || fail "$2 ranks: not each has counted"
    cat counted.* | awk -F'\t' '{for (i = 2; i <= 3; i++) if ($i > most[$1, i]) most[$1, i] = $i; seen[$1]}
        END {for (s in seen) print s, most[s, 2] + 0, most[s, 3] + 0}' >counts.txt
}
# value STAGE COLUMN
value() { awk -v stage="$1" -v column="$2" '$1 == stage {print $column}' counts.txt; }
# share JOB RANKS WHAT STAGE COLUMN FIXED [ALONE]: at most ALONE / RANKS + FIXED bytes; ALONE: what one rank has, kept from its run
declare -A alone
share() {
    local bytes
    bytes=$(value "$4" "$5")
    [ "$2" -eq 1 ] && alone[$1$3]=${7:-$bytes}
    printf '%-9s %d ranks  %-35s %8.1f MB\n' "$1" "$2" "$3" "$(awk -v n="$bytes" 'BEGIN {print n / 1e6}')"
    awk -v n="$bytes" -v alone="${alone[$1$3]}" -v ranks="$2" -v fixed="$6" 'BEGIN {exit !(n > 0 && n <= alone / ranks + fixed)}' ||
        fail "$1 on $2 ranks: $3 is $bytes bytes, more than a share of ${alone[$1$3]} and $6"
}

"$MEDTOK" prepare --config many.yaml >log.txt 2>&1 || fail "prepare: $(cat log.txt)"
"$MEDTOK" encode --config many.yaml >log.txt 2>&1 || fail "encode: $(cat log.txt)"
for ranks in $RANKS; do
    count train $ranks
    share train $ranks "read of subgraphs and features" load 3 1500000
    share train $ranks "held when all is loaded" load 2 7500000
done
nodes=$((20000 * 128 * 4))
for ranks in $RANKS; do
    count tokenize $ranks
    share tokenize $ranks "held with the model loaded" load 2 2500000
    share tokenize $ranks "held at most" all 2 16000000 $nodes # beside the nodes, what a piece of the codes needs
done
# Of 20,000 descriptions: each rank plans its run of them, and computes texts in parts of fixed size.
many="files.codes=[many.tsv] files.vocabulary=many.h5 files.text=many_text.h5 text.dim=32"
"$MEDTOK" prepare --config many.yaml --set $many >log.txt 2>&1 || fail "prepare: $(cat log.txt)"
for ranks in $RANKS; do
    count encode $ranks --set $many
    share encode $ranks "held by the plan" plan 2 2500000
    share encode $ranks "held when texts are computed" encode 2 1700000
done
finish
