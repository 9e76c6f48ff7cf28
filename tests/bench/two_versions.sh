#!/usr/bin/env bash
# Whether a change made the jobs slower: two builds of the program in turns on the real vocabulary, each with files of its own.
# usage: two_versions.sh OLD NEW [CODES.tsv.gz KG.csv.gz]; ROUNDS (5); writes a table to standard output: medians of user and
# system time of all ranks, which other work on the machine disturbs little, and of wall time. About 10 minutes on 2 quiet cores.
set -euo pipefail
old=$(readlink -f "$1") new=$(readlink -f "$2")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
codes=$(readlink -f "${3:-../shared/data/vocabulary/codes.tsv.gz}")
graph=$(readlink -f "${4:-../shared/data/graph/kg.csv.gz}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMP_WAIT_POLICY=passive
for build in old new; do
    mkdir "$work/$build"
    cat >"$work/$build.yaml" <<YAML
files:
  codes: [$codes]
  graph: $graph
  vocabulary: $work/$build/vocabulary.h5
  text: $work/$build/text.h5
  checkpoint: $work/$build/checkpoint.h5
  table: $work/$build/table.h5
run: {device: cpu}
train: {steps: 60, batch: 1024, checkpoint_every: 0, log_every: 60}
YAML
done
run() { # BUILD JOB: appends "wall cpu" to its list, after the output of the last round is gone
    local -n program=$1
    local output
    case $2 in
        prepare) output=vocabulary.h5 ;;
        encode) output=text.h5 ;;
        train) output=checkpoint.h5 ;;
        *) output=table.h5 ;;
    esac
    [ "$2" = verify ] || rm -f "$work/$1/$output"
    local ranks=2
    case $2 in prepare | verify) ranks=1 ;; esac
    /usr/bin/env bash -c 'TIMEFORMAT="%R %U %S"; time "$@" >"$0" 2>&1' "$work/log" mpirun -n $ranks "$program" "$2" --config "$work/$1.yaml" 2>"$work/time" ||
        { cat "$work/log" >&2; exit 1; }
    awk '{print $1, $2 + $3}' "$work/time" >>"$work/$1.$2"
}
jobs="prepare encode train tokenize verify"
for ((round = 0; round < ${ROUNDS:-5}; round++)); do
    for job in $jobs; do
        order="old new"
        [ $((round % 2)) -eq 0 ] || order="new old"
        for build in $order; do run $build $job; done
    done
done
median() { cut -d' ' -f"$2" "$1" | sort -n | awk '{x[NR] = $1} END {print x[int((NR + 1) / 2)]}'; }
echo "| job | cpu before | cpu after | ratio | wall before | wall after | ratio |"
echo "|---|---|---|---|---|---|---|"
for job in $jobs; do
    awk -v j=$job -v a="$(median "$work/old.$job" 2)" -v b="$(median "$work/new.$job" 2)" -v c="$(median "$work/old.$job" 1)" -v d="$(median "$work/new.$job" 1)" \
        'BEGIN {printf "| %s | %.2f s | %.2f s | %.3f | %.2f s | %.2f s | %.3f |\n", j, a, b, b / a, c, d, d / c}'
done
