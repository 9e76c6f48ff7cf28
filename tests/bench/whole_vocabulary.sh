#!/usr/bin/env bash
# The whole pipeline on the real vocabulary beside the project: times, loss, codebook usage, and whether 1, 2 and 3 ranks write the
# same table. usage: whole_vocabulary.sh [CODES.tsv.gz KG.csv.gz]; writes a table to standard output. About 3 minutes on 2 cores.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
codes=${1:-../shared/data/vocabulary/codes.tsv.gz}
graph=${2:-../shared/data/graph/kg.csv.gz}
medtok=${MEDTOK:-build/medtok}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
cat >"$work/real.yaml" <<YAML
files:
  codes: [$codes]
  graph: $graph
  vocabulary: $work/vocabulary.h5
  text: $work/text.h5
  checkpoint: $work/checkpoint.h5
  table: $work/table.h5
train: {steps: 200, batch: 1024, log_every: 200}
YAML
timed() { # LABEL RANKS JOB ARGS...
    local label=$1 ranks=$2 start
    shift 2
    start=$(date +%s.%N)
    mpirun -n "$ranks" "$medtok" "$1" --config "$work/real.yaml" "${@:2}" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    awk -v l="$label" -v s="$start" -v e="$(date +%s.%N)" 'BEGIN {printf "| %s | %.1f s |\n", l, e - s}'
}
echo "| step | time |"
echo "|---|---|"
timed "prepare, 1 rank" 1 prepare
timed "encode, 2 ranks" 2 encode
timed "train, 200 steps of 1,024 codes, 2 ranks" 2 train
for ranks in 1 2 3; do
    timed "tokenize, $ranks rank(s)" $ranks tokenize --set files.table="$work/table.$ranks.h5"
    "$medtok" verify --config "$work/real.yaml" --set files.table="$work/table.$ranks.h5" 2>"$work/log" || cat "$work/log"
    h5dump -a content_id "$work/table.$ranks.h5" | sed -n 's/.*(0): //p' >"$work/id.$ranks"
done
echo
echo "steps 1 and 200 of the metrics:"
sed -n '1p;$p' "$work/checkpoint.jsonl"
cmp -s "$work/id.1" "$work/id.2" && cmp -s "$work/id.1" "$work/id.3" &&
    echo "the tables of 1, 2 and 3 ranks have the same content id: $(cat "$work/id.1")" || echo "THE TABLES DIFFER"
