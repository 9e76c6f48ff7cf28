#!/usr/bin/env bash
# The scripts and dependencies that slurm/submit makes of a site file, with an sbatch that is made up: GPUs and their binding, cores, a
# container, modules, arrays over seeds and over a grid, parts of the chain. tests/slurm/chain.sh runs them.
. "$(dirname "${BASH_SOURCE[0]}")/../system/common.sh"
mkdir bin
# Keeps of each call all arguments, one a line, in told.STAGE, and in `order` what differs by what it waits for.
cat >bin/sbatch <<SBATCH
#!/bin/sh
[ -z "\$REFUSE" ] || case "\$*" in *\$REFUSE*) echo "Invalid account" >&2; exit 1 ;; esac
printf '%s\n' "\$@" >$work/told
cp $work/told $work/told.\$(sed -n 's/^--job-name=medtok-//p' $work/told)
grep -E '^--(dependency|array)=' $work/told | paste -sd' ' >$work/line && cat $work/line >>$work/order
wc -l <$work/order
SBATCH
printf '#!/bin/sh\necho "$@" >>%s/cancelled\n' "$work" >bin/scancel
printf '#!/bin/sh\n[ -z "$SQUEUE" ] || { echo "$SQUEUE" >&2; exit 1; }\n' >bin/squeue
chmod +x bin/*
export MEDTOK PATH=$work/bin:$PATH
submit() { rm -f order told.* && "$ROOT/slurm/submit" --config small.yaml "$@" >out 2>&1; }
has() { grep -qxF -- "$2" "$1" || fail "$1 has no line \"$2\": $(cat "$1")"; }
lacks() { grep -qE -- "$2" "$1" && fail "$1 has /$2/: $(cat "$1")"; }

cat >gpus.yaml <<'YAML'
site:
  {partition: gpu, cpu_partition: cpu, account: "o'neil", qos: long, nodes: 2, gpus: 4, cpus: 8, memory: 200G, time: 1-00:00:00, signal: 300,
   max_restarts: 7, setup: 'module load openmpi hdf5-mpi', container: /images/medtok.sif, srun: --mpi=pmix_v4,
   sbatch: ['--constraint=a100&ib', '--comment=a, b']}
YAML
# A run folder by whose name sbatch, the shell and YAML would all stumble.
run="gpus' 50% #1"
submit --site gpus.yaml --run "$run" || fail "submit: $(cat out)"
train=$run/scripts/train.sbatch
for line in --nodes=2 --ntasks-per-node=4 --gpus-per-node=4 --cpus-per-task=8 --mem=200G --partition=gpu "--account=o'neil" --qos=long \
    --time=1-00:00:00 --signal=USR1@300 --requeue --kill-on-invalid-dep=yes '--constraint=a100&ib' '--comment=a, b' "--output=$work/gpus' 50%% #1/logs/slurm-train-%j.log"; do has told.train "$line"; done
[ "$(tail -n 1 told.train)" = "$work/$train" ] || fail "the last argument of sbatch is not the script: $(cat told.train)"
lacks "$train" '^#SBATCH'
has "$train" 'SRUN=(srun --kill-on-bad-exit=1 --mpi=pmix_v4 --cpus-per-task=8 --cpu-bind=cores --gpu-bind=single:1)'
has "$train" 'MEDTOK=(apptainer exec --nv /images/medtok.sif medtok )'
has "$train" 'module load openmpi hdf5-mpi'
has "$train" 'MAX_RESTARTS=7'
has told.prepare --ntasks-per-node=1
has told.prepare --partition=cpu
lacks told.prepare 'gpus-per'
lacks "$run/scripts/prepare.sbatch" 'gpu-bind|gpus-per|--nv'
grep -q '^train  *8 ' out || fail "the plan has not 2 x 4 ranks: $(cat out)"
waits() { [ "$(paste -sd'|' order)" = "$1" ] || fail "dependencies are not $1: $(cat order)"; }
waits '|--dependency=afterok:1|--dependency=afterok:2|--dependency=afterok:3|--dependency=afterok:4|--dependency=afterok:5'
for script in "$run"/scripts/*.sbatch; do bash -n "$script" || fail "$script is no script"; done
for key in files.codes train.steps run.seed inspect.; do grep -q "^$key" "$run/config.yaml" || fail "config.yaml lacks $key"; done
grep -q '^graph.node_start: random$' "$run/config.yaml" || fail "config.yaml lacks a setting that is not the default's"
grep -qF "report.page: '$work/gpus'' 50% #1/report.html'" "$run/report.yaml" || fail "report.yaml: $(cat "$run/report.yaml")"

# What lies in front of a part of the chain.
medtok prepare 2>log && medtok encode 2>>log || fail "prepare and encode: $(cat log)"
# Cores alone; seeds: an element waits for its own.
submit --run seeds --from train --seeds 0,5 || fail "submit --seeds: $(cat out)"
lacks seeds/scripts/train.sbatch 'gpu'
lacks told.train 'gpu|partition|account|mem='
has seeds/scripts/train.sbatch 'SRUN=(srun --kill-on-bad-exit=1 --mpi=pmix)'
has seeds/scripts/train.sbatch 'VARIANTS=(seed-0 seed-5 )'
waits '--array=0,1|--dependency=aftercorr:1 --array=0,1|--dependency=aftercorr:2 --array=0,1|--dependency=afterok:3'
has seeds/variants/seed-5.yaml "run.seed: '5'"
has seeds/variants/seed-5.yaml "files.table: '$work/seeds/seed-5/table.h5'"
"$MEDTOK" train --dry-run --config seeds/config.yaml --config seeds/variants/seed-5.yaml | grep -q '^run.seed: 5$' || fail "the element's settings"
has seeds/report.yaml "report.runs: ['$work/seeds/variants/seed-5.yaml']"
has seeds/report.yaml "report.page: '$work/seeds/report.html'"
has seeds/report.yaml "files.table: '$work/seeds/seed-0/table.h5'"
has seeds/stages/tokenize.seed-5.tsv "$(cut -f 1 seeds/stages/tokenize.seed-5.tsv)	submitted	job=2_1	after=train.seed-5"
has told.tokenize "--output=$work/seeds/logs/slurm-tokenize-%A_%a.log"
# What is done is not submitted again; what is left is planned with the files of its element, the array's base having none.
resume() { rm -f order told.* && (cd / && "$ROOT/slurm/submit" --resume "${work#/}/seeds") >out 2>&1; }
done_is() { for unit in "$@"; do printf '2000000000\tended\tcode=0\n' >>"seeds/stages/$unit.tsv"; done; }
medtok train --set train.steps=1 files.checkpoint=seeds/seed-0/checkpoint.h5 2>log && medtok tokenize --set files.checkpoint=seeds/seed-0/checkpoint.h5 files.table=seeds/seed-0/table.h5 2>>log ||
    fail "train and tokenize: $(cat log)"
done_is train.seed-0 tokenize.seed-0
resume || fail "--resume: $(cat out)"
waits '--array=1|--dependency=aftercorr:1 --array=1|--dependency=aftercorr:2 --array=0,1|--dependency=afterok:3'
done_is train.seed-5
resume && fail "an element without its checkpoint is submitted: $(cat out)"
grep -q "tokenize needs files.checkpoint, $work/seeds/seed-5/checkpoint.h5" out && grep -q 'seed-5 cannot run' out || fail "no word of the checkpoint: $(cat out)"
cp seeds/seed-0/checkpoint.h5 seeds/seed-5/
resume || fail "--resume behind the training: $(cat out)"
waits '--array=1|--dependency=aftercorr:1 --array=0,1|--dependency=afterok:2'
# A SLURM that does not answer is not one without jobs.
SQUEUE='slurm_load_jobs error: Unable to contact slurm controller' resume && fail "submitted while squeue fails: $(cat out)"
grep -q 'does not say whether.*Unable to contact' out || fail "no word of squeue: $(cat out)"
SQUEUE='slurm_load_jobs error: Invalid job id specified' resume || fail "jobs that SLURM has forgotten: $(cat out)"

# A grid of evaluate: each element has some of it, and scores of its own.
cat >>small.yaml <<YAML
synth: {folder: $work/hospital, formats: [mimic4], codes: made, patients: 100, diseases: 10, drugs: 5}
cohort: {folder: $work/hospital/mimic4, tasks: [los_7d, mortality]}
YAML
sed -i "s|^files:|files:\n  cohort: $work/cohort.h5|" small.yaml
medtok synth >log 2>&1 && medtok cohort >>log 2>&1 || fail "synth and cohort: $(cat log)"
submit --run grid --from evaluate --vary ehr.grid.tasks=los_7d,mortality || fail "submit --vary: $(cat out)"
waits '--array=0,1|--dependency=afterok:1'
has grid/variants/tasks-mortality.yaml "ehr.grid.tasks: 'mortality'"
has grid/variants/tasks-mortality.yaml "files.scores: '$work/grid/tasks-mortality/scores.json'"
lacks grid/variants/tasks-mortality.yaml 'files.table.*grid'

# SLURM refuses a stage: what was submitted is cancelled.
REFUSE=tokenize submit --run refused --to inspect && fail "a refusal of sbatch is no failure: $(cat out)"
grep -q 'SLURM takes no job for tokenize.*Invalid account' out || fail "no word of why: $(cat out)"
[ "$(cat cancelled)" = '1 2 3' ] || fail "cancelled: $(cat cancelled)"
medtok status refused >out 2>&1
grep -q '^3 failed$' out && grep -q 'it was cancelled, since SLURM took no job for tokenize: Invalid account' out || fail "status does not tell of the refusal: $(cat out)"
# A script that ends before its stage begins.
submit --run early --from train --to train --seeds 0,5 --set "site.setup=echo no such module; exit 3" || fail "submit: $(cat out)"
SLURM_ARRAY_TASK_ID=1 bash early/scripts/train.sbatch >early/logs/slurm-train-1_1.log 2>&1
[ $? -eq 3 ] || fail "the script's exit code: $(cat early/logs/slurm-train-1_1.log)"
medtok status early >out 2>&1
[ "$(grep -A 2 '^train *seed-5 *failed' out | tail -n 2)" = "    stopped: its batch script ended before the program began
    before the stage began its job said: no such module ($work/early/logs/slurm-train-1_1.log)" ] || fail "status: $(cat out)"
# A line of a batch script is one line.
printf 'site:\n  setup: |\n    module load openmpi\n    module load hdf5-mpi\n' >lines.yaml
submit --site lines.yaml --run lines && fail "a setup of two lines is submitted"
grep -q 'lines.yaml:2: site.setup holds a line break' out || fail "no word of it: $(cat out)"
# A folder that is somebody's is neither filled nor removed; of an array that cannot run nothing is left.
mkdir mine && echo precious >mine/data
submit --run mine --from train --seeds 0,x && fail "a folder with files is taken as a run folder"
grep -q 'mine is there already, and no empty folder' out || fail "no word of it: $(cat out)"
[ "$(cat mine/data)" = precious ] || fail "a user's folder is removed"
submit --run half --from train --seeds 0,x && fail "an element with a wrong seed is submitted"
grep -q "run.seed" out && grep -q 'seed-x cannot run' out || fail "no word of the seed: $(cat out)"
[ ! -e half ] && [ -z "$(find . -maxdepth 1 -name '.submit-*')" ] || fail "something is left: $(ls -A)"
submit --run seeds && fail "a run folder is used twice"
grep -q 'seeds is a run folder already: --resume' out || fail "no word of it: $(cat out)"
submit --seeds 0,1 --vary train.rate=1 && fail "two arrays in one"
submit --vary cohort.format=meds --run other && fail "an array over what is no setting of a training"
grep -q 'cohort.format is no setting of train or evaluate' out || fail "no word of it: $(cat out)"
# A default that may give way is none of a run's settings, where it would count as set; what was set is, though it be the default.
rm -f order told.* && "$ROOT/slurm/submit" --config default.yaml --run users --set graph.hidden=40 --set model.text_map=principal >out 2>&1 || fail "submit with defaults: $(cat out)"
lacks users/config.yaml '^(graph.node_start|graph.encoder_start|quantizer.rate|quantizer.assign|train.rate|text.nodes): '
has users/config.yaml 'model.text_map: principal'
has users/config.yaml 'graph.hidden: 40'
finish
