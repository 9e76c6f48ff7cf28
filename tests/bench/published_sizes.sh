#!/usr/bin/env bash
# Every model of health records at the size of its paper (ehr.size=published): two steps of training, scores of tuning and held_out,
# and the memory that took. A row for each model, as Markdown. By hand, some minutes: published_sizes.sh > table.md
# MAX_LENGTH (512), BATCH (4): tokens of a history and samples of a batch. MODELS: some of them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
medtok=${MEDTOK:-$root/build/medtok}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$medtok" synth --set synth.folder=hospital synth.formats=[mimic4] synth.patients=${PATIENTS:-40} 2>log
"$medtok" cohort --set cohort.folder=hospital/mimic4 cohort.tasks=readmission_30d cohort.split=60/20/20 files.cohort=cohort.h5 2>log || { cat log >&2 && exit 1; }
grep -oE 'readmission_30d: [0-9]+ samples; .*' log
printf '\n| model | parameters | loss of step 1, of step 2 | processor time | peak memory |\n|---|---|---|---|---|\n'
for model in ${MODELS:-behrt transformehr ethos ethos-probe gt-behrt mult-ehr medtok-transformer}; do
    settings="ehr.steps=2"
    case $model in ethos*) settings="ehr.pretrain_steps=2 ehr.steps=2 ehr.futures=1 ehr.horizon=1" ;; esac
    usage=$("${PYTHON:-python3}" -c 'import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=open("out", "w"), stderr=open("log", "w"))
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, f"{u.ru_utime + u.ru_stime:.0f} s | {u.ru_maxrss / 2**20:.2f} GiB")' \
        "$medtok" evaluate --set files.cohort=cohort.h5 ehr.model=$model ehr.size=published ehr.max_length=${MAX_LENGTH:-512} ehr.batch=${BATCH:-4} \
        ehr.warmup=1 ehr.eval_every=2 ehr.log_every=1 ehr.checkpoint_every=0 ehr.resamples=20 ehr.weights=drop run.threads=1 \
        files.scores="$model.json" $settings)
    [ "${usage%% *}" -eq 0 ] || { echo "$model failed: $(tail -n 3 log)" >&2 && exit 1; }
    losses=$(sed -nE 's|.* step [12]/2: loss ([^,]*),.*|\1|p' log | tail -n 2 | paste -sd' ' | sed 's/ /, /')
    parameters=$(sed -nE 's/.* ([0-9]+) parameters.*/\1/p' log | tail -n 1)
    echo "| $model | $parameters | $losses | ${usage#* } |"
done
