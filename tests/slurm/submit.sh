#!/usr/bin/env bash
# The scripts and dependencies that slurm/submit makes of a site file, with an sbatch that is made up: GPUs and their binding, cores, a
# container, modules, arrays over seeds and over a grid, parts of the chain. tests/slurm/chain.sh runs them.
. "$(dirname "${BASH_SOURCE[0]}")/../system/common.sh"
mkdir bin
cat >bin/sbatch <<SBATCH
#!/bin/sh
echo "\$@" >>$work/sbatch
[ -z "\$REFUSE" ] || case "\$*" in *\$REFUSE*) echo "Invalid account" >&2; exit 1 ;; esac
wc -l <$work/sbatch
SBATCH
printf '#!/bin/sh\necho "$@" >>%s/cancelled\n' "$work" >bin/scancel
printf '#!/bin/sh\n' >bin/squeue
chmod +x bin/*
export MEDTOK PATH=$work/bin:$PATH
submit() { rm -f sbatch && "$ROOT/slurm/submit" --config small.yaml "$@" >out 2>&1; }
has() { grep -qxF -- "$2" "$1" || fail "$1 has no line \"$2\": $(cat "$1")"; }
lacks() { grep -qE -- "$2" "$1" && fail "$1 has /$2/: $(cat "$1")"; }

cat >gpus.yaml <<'YAML'
site:
  {partition: gpu, cpu_partition: cpu, account: "o'neil", qos: long, nodes: 2, gpus: 4, cpus: 8, memory: 200G, time: 1-00:00:00, signal: 300,
   max_restarts: 7, setup: 'module load openmpi hdf5-mpi', container: /images/medtok.sif, srun: --mpi=pmix_v4,
   sbatch: ['--constraint=a100&ib', '--comment=a, b']}
YAML
submit --site gpus.yaml --run gpus || fail "submit: $(cat out)"
train=gpus/scripts/train.sbatch
for line in --nodes=2 --ntasks-per-node=4 --gpus-per-node=4 --cpus-per-task=8 --mem=200G --partition=gpu "--account=o'neil" --qos=long \
    --time=1-00:00:00 --signal=USR1@300 --requeue --kill-on-invalid-dep=yes '--constraint=a100&ib' '--comment=a, b'; do has $train "#SBATCH $line"; done
has $train 'SRUN=(srun --kill-on-bad-exit=1 --mpi=pmix_v4 --cpus-per-task=8 --cpu-bind=cores --gpu-bind=single:1)'
has $train 'MEDTOK=(apptainer exec --nv /images/medtok.sif medtok )'
has $train 'module load openmpi hdf5-mpi'
has $train 'MAX_RESTARTS=7'
has gpus/scripts/prepare.sbatch '#SBATCH --ntasks-per-node=1'
has gpus/scripts/prepare.sbatch '#SBATCH --partition=cpu'
lacks gpus/scripts/prepare.sbatch 'gpu-bind|gpus-per|--nv'
grep -q '^train  *8 ' out || fail "the plan has not 2 x 4 ranks: $(cat out)"
[ "$(sed 's/ [^ ]*$//' sbatch | paste -sd'|')" = '--parsable|--parsable --dependency=afterok:1|--parsable --dependency=afterok:2|--parsable --dependency=afterok:3|--parsable --dependency=afterok:4|--parsable --dependency=afterok:5' ] ||
    fail "dependencies: $(cat sbatch)"
for script in gpus/scripts/*.sbatch; do bash -n "$script" || fail "$script is no script"; done
for key in files.codes train.steps run.seed inspect.; do grep -q "^$key" gpus/config.yaml || fail "config.yaml lacks $key"; done

# What lies in front of a part of the chain.
medtok prepare 2>log && medtok encode 2>>log || fail "prepare and encode: $(cat log)"
# Cores alone; seeds: an element waits for its own.
submit --run seeds --from train --seeds 0,5 || fail "submit --seeds: $(cat out)"
lacks seeds/scripts/train.sbatch 'gpu|partition|account|mem='
has seeds/scripts/train.sbatch 'SRUN=(srun --kill-on-bad-exit=1 --mpi=pmix)'
has seeds/scripts/train.sbatch 'VARIANTS=(seed-0 seed-5 )'
[ "$(sed 's/ [^ ]*$//' sbatch | paste -sd'|')" = '--parsable --array=0,1|--parsable --dependency=aftercorr:1 --array=0,1|--parsable --dependency=aftercorr:2 --array=0,1|--parsable --dependency=afterok:3' ] ||
    fail "dependencies of arrays: $(cat sbatch)"
has seeds/variants/seed-5.yaml "run.seed: '5'"
has seeds/variants/seed-5.yaml "files.table: '$work/seeds/seed-5/table.h5'"
"$MEDTOK" train --dry-run --config seeds/config.yaml --config seeds/variants/seed-5.yaml | grep -q '^run.seed: 5$' || fail "the element's settings"
has seeds/report.yaml "report.runs: ['$work/seeds/variants/seed-5.yaml']"
has seeds/report.yaml "report.page: '$work/seeds/report.html'"
has seeds/report.yaml "files.table: '$work/seeds/seed-0/table.h5'"
has seeds/stages/tokenize.seed-5.tsv "$(cut -f 1 seeds/stages/tokenize.seed-5.tsv)	submitted	job=2	after=train.seed-5"
# What is done is not submitted again.
printf '2000000000\tended\tcode=0\n' | tee -a seeds/stages/train.seed-0.tsv >>seeds/stages/tokenize.seed-0.tsv
for file in checkpoint table; do : >seeds/seed-0/$file.h5; done
rm -f sbatch
(cd / && "$ROOT/slurm/submit" --resume "${work#/}/seeds") >out 2>&1 || fail "--resume: $(cat out)"
[ "$(sed 's/ [^ ]*$//' sbatch | paste -sd'|')" = '--parsable --array=1|--parsable --dependency=aftercorr:1 --array=1|--parsable --dependency=aftercorr:2 --array=0,1|--parsable --dependency=afterok:3' ] ||
    fail "--resume submits: $(cat sbatch)"

# A grid of evaluate: each element has some of it, and scores of its own.
cat >>small.yaml <<YAML
synth: {folder: $work/hospital, formats: [mimic4], codes: made, patients: 100, diseases: 10, drugs: 5}
cohort: {folder: $work/hospital/mimic4, tasks: [los_7d, mortality]}
YAML
sed -i "s|^files:|files:\n  cohort: $work/cohort.h5|" small.yaml
medtok synth >log 2>&1 && medtok cohort >>log 2>&1 || fail "synth and cohort: $(cat log)"
submit --run grid --from evaluate --vary ehr.grid.tasks=los_7d,mortality || fail "submit --vary: $(cat out)"
[ "$(sed 's/ [^ ]*$//' sbatch | paste -sd'|')" = '--parsable --array=0,1|--parsable --dependency=afterok:1' ] || fail "an array over a grid: $(cat sbatch)"
has grid/variants/tasks-mortality.yaml "ehr.grid.tasks: 'mortality'"
has grid/variants/tasks-mortality.yaml "files.scores: '$work/grid/tasks-mortality/scores.json'"
lacks grid/variants/tasks-mortality.yaml 'files.table.*grid'

# SLURM refuses a stage: what was submitted is cancelled.
REFUSE=tokenize submit --run refused --to inspect && fail "a refusal of sbatch is no failure: $(cat out)"
grep -q 'SLURM takes no job for tokenize.*Invalid account' out || fail "no word of why: $(cat out)"
[ "$(cat cancelled)" = '1 2 3' ] || fail "cancelled: $(cat cancelled)"
submit --run seeds && fail "a run folder is used twice"
grep -q 'seeds is a run folder already: --resume' out || fail "no word of it: $(cat out)"
submit --seeds 0,1 --vary train.rate=1 && fail "two arrays in one"
submit --vary cohort.format=meds --run other && fail "an array over what is no setting of a training"
grep -q 'cohort.format is no setting of train or evaluate' out || fail "no word of it: $(cat out)"
finish
