#!/usr/bin/env bash
# Training speed beside the PyTorch peer (the same mathematics, written well, text features random), in one run on the same cores:
# codes that have a graph, 21,000 x 64 codebook, batch 1,024, two ranks of one core against two PyTorch threads.
# usage: training_speed.sh [CODES.tsv.gz KG.csv.gz PEER.py]; needs PyTorch (python3-torch). Writes a table to standard output.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
codes=${1:-../shared/data/vocabulary/codes.tsv.gz}
graph=${2:-../shared/data/graph/kg.csv.gz}
peer=${3:-../shared/tools/peer_torch.py}
medtok=${MEDTOK:-build/medtok}
python=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# The peer trains on codes with nodes only; so must we, to compare.
zcat "$codes" | awk -F'\t' 'NR == 1 || $4 != ""' | gzip -1 >"$work/codes.tsv.gz"
sets="--set files.codes=$work/codes.tsv.gz --set files.graph=$graph --set files.vocabulary=$work/v.h5
--set files.text=$work/t.h5 --set files.checkpoint=$work/c.h5 --set train.checkpoint_every=0 --set train.log_every=10"
sets_for() { # the settings that a job knows
    "$medtok" "$1" --help | grep -oE '^  [a-z]+\.[a-z_0-9]+' | tr -d ' ' | sort >"$work/known"
    set -- $sets
    while [ $# -gt 1 ]; do
        grep -qx "${2%%=*}" "$work/known" && printf '%s %s ' "$1" "$2"
        shift 2
    done
}
"$medtok" prepare $(sets_for prepare) 2>/dev/null
mpirun -n 2 "$medtok" encode $(sets_for encode) 2>"$work/log"
# The peer takes texts of one length: the mean of ours, rounded up, and its own default of 24.
mean=$(sed -nE 's/.* ([0-9]+) codes have ([0-9]+) tokens.*/\1 \2/p' "$work/log" | awk '{print int($2 / $1 + 0.999)}')
for batch in 256 1024; do
    mpirun -n 2 "$medtok" train $(sets_for train) --set train.steps=40 --set train.batch=$batch --set train.resume=never \
        --set files.checkpoint="$work/c$batch.h5" 2>"$work/log"
    # the median of the log's rates, without the first, which holds the start
    ours=$(grep -oE '[0-9]+ codes/s' "$work/log" | awk 'NR > 1 {print $1}' | sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}')
    for tokens in "$mean" 24; do
        theirs=$("$python" "$peer" "$codes" "$graph" --batch $batch --steps 5 --threads 2 --tokens "$tokens" |
            grep -oE '[0-9.]+ codes/s' | awk '{print $1}')
        awk -v b=$batch -v o="$ours" -v t="$theirs" -v n="$tokens" -v m="$mean" 'BEGIN {
            printf "batch %d: ours (%d tokens a text on average) %.0f codes/s, PyTorch peer (%d tokens) %.0f codes/s, ratio %.1f\n", b, m, o, n, t, o / t}'
    done
done
