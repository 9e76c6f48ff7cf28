#!/usr/bin/env bash
# How much faster a grid is on two ranks than on one: eight trainings of BEHRT on a made-up hospital, one rank and one thread each.
# By hand, on a quiet machine with two cores or more, some minutes: tests/bench/grid_ranks.sh > table.md
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
medtok=${MEDTOK:-$root/build/medtok}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ "$(id -u)" -eq 0 ] && export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
cd "$work"
"$medtok" synth --set synth.folder=hospital synth.formats=[mimic4] synth.patients=${PATIENTS:-2000} 2>log
"$medtok" cohort --set cohort.folder=hospital/mimic4 cohort.tasks=mortality files.cohort=cohort.h5 2>log
cat >grid.yaml <<YAML
files: {cohort: cohort.h5}
run: {threads: 1}
ehr:
  steps: ${STEPS:-200}
  patience: 1000
  max_length: 128
  checkpoint_every: 0
  resamples: 20
  seeds: 8
  grid: {tasks: [mortality], ranks: 1}
YAML
echo "| ranks | seconds | times one rank |"
echo "|---|---|---|"
for ranks in 1 2; do
    since=$(date +%s%N)
    "${MPIRUN:-mpirun}" -n $ranks "$medtok" evaluate --config grid.yaml --set files.scores=on-$ranks/scores.json >out 2>log
    took=$((($(date +%s%N) - since) / 1000000))
    one=${one:-$took}
    echo "| $ranks | $((took / 1000)).$(printf %03d $((took % 1000))) | $(awk "BEGIN {printf \"%.2f\", $one / $took}") |"
done
