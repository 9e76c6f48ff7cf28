#!/usr/bin/env bash
# Training speed of the models of health records beside our PyTorch implementations of them, small and of published width, on two cores.
# Writes markdown tables to standard output; needs PyTorch and h5py, and a quiet machine for some 10 minutes a model, or
# CLOCK=processor, which measures processor time of one thread on either side.
# usage: ehr_speed.sh COHORT.h5 TASK [MODEL[:SIZE]...]      the cohort as `medtok cohort` makes it; without models all that have a peer
# Also: BATCHES ("32 128 512") of which each side's best counts, SECONDS (6) that each of them is measured.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
for module in torch h5py; do need $module; done
cohort=${1:?usage: ehr_speed.sh COHORT.h5 TASK [MODEL[:SIZE]...]}
task=${2:?usage: ehr_speed.sh COHORT.h5 TASK [MODEL[:SIZE]...]}
shift 2
[ $# -gt 0 ] || set -- behrt transformehr ethos-probe
"$python" tests/bench/ehr_speed.py "$work" "$cohort" "$task" "$rounds" "$@"
