#!/usr/bin/env bash
# What each train.partition makes ranks fetch, and how alike their work is, counted in one process on the real vocabulary and on made-up ones: the
# part "Which codes share a rank" of results/scaling.md.
#     MEDTOK=$PWD/build/medtok PYTHON=VENV/bin/python tests/bench/partition.sh > partition.md    # targets medtok partition_shares; 3 minutes
# Then PARTITION=partition.md tests/bench/scaling.sh puts it on the page.
PARTITION_SHARES=$(realpath "${PARTITION_SHARES:-$(dirname "$MEDTOK")/tests/partition_shares}")
DATA=$(realpath "${DATA:-$(dirname "${BASH_SOURCE[0]}")/../../../shared/data}")
. "$(dirname "${BASH_SOURCE[0]}")/../system/common.sh"
[ -x "$PARTITION_SHARES" ] || skip "build the target partition_shares"
BATCHES=20 NODE_DIM=64

# count TITLE BATCH RANKS...: of the vocabulary in $work
count() {
    local title=$1 batch=$2
    shift 2
    "$PARTITION_SHARES" vocabulary.h5 "$batch" $BATCHES $NODE_DIM "$@" >counts.tsv || exit 1
    printf '\n### %s, batch %s\n\n' "$title" "$batch"
    printf '| partition | ranks | rows a rank wants | fetched | share | ranks asked | most fetched | most given | work, max over mean | kB sent to a rank, owners | kB, a table each |\n'
    printf '|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n'
    awk -F'\t' '{printf "| %s | %d | %d | %d | %.0f %% | %.1f | %d | %d | %.3f | %d | %d |\n", $1, $2, $3, $4, 100 * $4 / $3, $5, $6, $7, $8, $9, $10}' counts.tsv
    awk -F'\t' '$1 == "graph" {printf "\nThe order of graph took %.2f s of one core.\n", $11; exit}' counts.tsv
}
# made SCALE: prepares a made-up vocabulary of the published size times SCALE
made() {
    rm -rf made
    medtok synth --set synth.make=vocabulary synth.folder=made synth.scale="$1" synth.gzip=0 >log.txt 2>&1 &&
        medtok prepare --force --set files.codes=[made/codes.csv] files.graph=made/kg.csv >log.txt 2>&1 || { cat log.txt >&2 && exit 1; }
}

cat <<TEXT
## Which codes share a rank

\`tests/bench/partition.sh\` counts, in one process, what each \`train.partition\` makes ranks fetch in $BATCHES batches; a row is a node's vector of $NODE_DIM values. Rows are owned by blocks of
numbers under \`block\` and \`random\`, and by use under \`graph\`. Work is what batches are balanced by, of the rank with the most. kB: what a rank is sent
of questions, rows and gradients by owners; and if each rank had the whole table, and was sent the rows' gradients of all others.
TEXT
if [ -r "$DATA/vocabulary/codes.tsv.gz" ]; then
    medtok prepare --set files.codes=["$DATA/vocabulary/codes.tsv.gz"] files.graph="$DATA/graph/kg.csv.gz" >log.txt 2>&1 || { cat log.txt >&2 && exit 1; }
    count "The real vocabulary (327,891 codes, 97,872 with a graph)" 1024 2 4 8 16
    count "The real vocabulary" 8192 16 64
fi
made 0.1
count "Made up (\`synth\`, scale 0.1): 61,749 codes, 12,938 nodes, topics planted" 1024 2 4 8 16
made 1
count "Made up, of the published size: 617,490 codes, 129,375 nodes" 1024 2 4 8 16
count "The same" 8192 16 64
cat <<TEXT

Under \`graph\` a rank is sent a quarter to a third of the bytes of \`block\` with the real vocabulary, where hubs are in most subgraphs (609 nodes make 46 % of all
entries), and half to three quarters with those of \`synth\`, whose topics overlap; and its work is more alike from batch to batch, since every stretch of the order has the
same mixture of codes with and without a graph. A table on each rank (33 MB of 129,375 nodes, and two moments of Adam, which each rank then updates whole) is sent as much as
owners under \`block\` on 2 ranks, and more on more: owners stay, on small graphs too. What is learned is as good, as far as one seed tells: 300 steps of 1,024 on the 14,378 codes of [tokens.md](tokens.md) give
a mean reciprocal rank of ICD-9-CM to ICD-10-CM of 0.646 (\`block\` 0.649; +-0.07), 0.615 (0.622; +-0.03) of the nearest in the chapter of ICD-10-CM, 0.149 (0.131) for
indications that were removed. So \`train.partition: auto\` is \`graph\` where the build has METIS. On one rank it costs the order, and nothing is fetched.
TEXT
