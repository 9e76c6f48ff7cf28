#!/usr/bin/env bash
# medtok status reads a run's state from its folder alone: here folders that are made by hand, as slurm/stage.sh writes them.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
mkdir -p run/stages run/logs run/variants
now=$(date +%s)
event() { printf '%s\t%s\n' "$((now + $2))" "$(printf '%s\t' "${@:3}" | sed 's/\t$//')" >>"run/stages/$1.tsv"; } # stage, seconds, event, fields
cat >run/config.yaml <<YAML
files.vocabulary: 'vocabulary.h5'
files.checkpoint: 'checkpoint.h5'
train.steps: 300
YAML
pwd >run/folder
echo 'medtok 0.0, a test' >run/version.txt
for seed in 0 1; do echo "run.seed: $seed" >run/variants/seed-$seed.yaml; done
says() { grep -qE -- "$1" said || fail "no line like /$1/: $(cat said)"; }
look() { (cd / && "$MEDTOK" status "$work/run") >said 2>&1; }

event prepare -900 submitted job=1 after=
event prepare -890 began job=1 restart=0 nodes=node1 ranks=1
event prepare -880 ended code=0
event train.seed-0 -900 submitted job=2_0 after=prepare
event train.seed-0 -850 began job=2 restart=0 nodes='node[1-2]' ranks=2
event train.seed-0 -700 requeued restart=1 at=100
event train.seed-0 -60 began job=2 restart=1 nodes='node[1-2]' ranks=2
event train.seed-1 -900 submitted job=2_1 after=prepare
event train.seed-1 -850 began job=2 restart=0 nodes='node[1-2]' ranks=2
event train.seed-1 -800 ended code=1
event tokenize.seed-0 -900 submitted job=3_0 after=train.seed-0
event tokenize.seed-1 -900 submitted job=3_1 after=train.seed-1
# What it waits for may be long.
event evaluate -900 submitted job=4 "after=$(seq -f tokenize.other-%03g -s, 60),tokenize.seed-0,tokenize.seed-1"
echo 'slurmstepd: error: execve(): bash: No such file or directory' >run/logs/slurm-tokenize-3_0.log
printf '%s\tsubmit' $now >>run/stages/prepare.tsv # cut by a kill
cat >run/logs/train.seed-0.log <<'LOG'
2026-11-25 22:05:31 [0] info: step 150/300: loss 3.2000, gradient 1, rate 0.001; 2560 codes/s, 12 s left
2026-11-25 22:05:32 [1] warning: something odd
LOG
echo '2026-11-25 22:05:31 [0] error: a loss term is beyond' >run/logs/train.seed-1.log
cat >checkpoint.jsonl <<'LINES'
{"step": 150, "codes": 96, "loss": 3.25}
{"eval_step": 150, "usage_text": {"value": 0.75, "low": 0.7, "high": 0.8}}
LINES
touch checkpoint.step-000000100.h5
look || fail "status: $(cat said)"
says '^prepare +done +10 s'
says '^train +seed-0 +running +.*, waited 50 s before, 1 restarts'
says 'saved: 100 of 300 steps, 33 %'
says 'step 150/300: .*2560 codes/s, 12 s left'
says 'last step in checkpoint.jsonl: 150, loss 3.25'
says 'measured at step 150: usage_text 0.75'
says 'warning: something odd'
says '^train +seed-1 +failed'
says 'exit code 1: a loss term is beyond'
says '^tokenize +seed-0 +waiting'
says 'before the stage began its job said: slurmstepd: .*No such file or directory .*/logs/slurm-tokenize-3_0.log'
says '^tokenize +seed-1 +not run'
says 'its turn does not come: train.seed-1, before it, failed'
says '^evaluate +not run'
says '^1 waiting, 2 not run, 1 running, 1 failed, 1 done$'
[ "$("$MEDTOK" status run train seed-0)" = 100 ] || fail "saved pieces: $("$MEDTOK" status run train seed-0 2>&1)"

# No sign of life for long: lost, and what waits for it does not run.
touch -d '10 minutes ago' run/logs/train.seed-0.log
sed -i "s/^$((now - 60))/$((now - 600))/" run/stages/train.seed-0.tsv
look
says '^train +seed-0 +lost'
says 'no sign of life on node\[1-2\]: .*SLURM may queue it again'
says 'its turn does not come: train.seed-0, before it, is lost'
# Its output's lock is alive.
touch checkpoint.h5.lock-medtok
look
says '^train +seed-0 +running'
event train.seed-0 -10 stopped 'reason=restart 1 saved nothing more than 100'
event train.seed-0 -10 ended code=75
look
says '^train +seed-0 +failed'
says 'stopped: restart 1 saved nothing more than 100'

# Of evaluate the steps of its pre-training are saved too, and stand in front of those of the training.
cat >>run/config.yaml <<YAML
files.scores: 'scores.json'
ehr.model: behrt
ehr.steps: 50
ehr.pretrain_steps: 300
YAML
saved_is() { [ "$("$MEDTOK" status run "$1")" = "$2" ] || fail "saved of $1: $("$MEDTOK" status run "$1" 2>&1), not $2"; }
saved_is evaluate 0
touch scores.seed-0.pretrained.step-000000100.h5
saved_is evaluate 100
touch scores.seed-0.step-000000020.h5
saved_is evaluate 320
event evaluate -5 began job=4 restart=0 nodes=node1 ranks=1
look
says 'saved: 320 of 350 steps, 91 %'
# A model that learns no labels has its pre-training as its training.
sed -i 's/behrt/ethos/' run/config.yaml
saved_is evaluate 20
# Before the first training of a grid its folder is not there.
echo 'ehr.grid.tasks: [los_7d, mortality]' >>run/config.yaml
saved_is evaluate 0

expect_error 1 'run/logs is no run folder' "$MEDTOK" status run/logs
expect_error 2 'has no stage encode' "$MEDTOK" status run encode
expect_error 2 'status needs the folder of a run' "$MEDTOK" status
finish
