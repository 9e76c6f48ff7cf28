#!/usr/bin/env bash
# What slurm/stage.sh does with a job that was stopped: queues it again, but not when that was done often enough, or a restart saved nothing
# more. The program, srun and scontrol are made up here, so that no SLURM is needed.
. "$(dirname "${BASH_SOURCE[0]}")/../system/common.sh"
mkdir -p run/stages run/logs bin
printf '#!/bin/sh\necho "$@" >>%s/requeued\n' "$work" >bin/scontrol
# The program: `status` prints what is saved, the job saves as the test says and ends as it says.
cat >bin/program <<PROGRAM
#!/bin/sh
case \$1 in
    status) grep -x '[0-9]*' $work/saved ;;
    verify) echo "\$@" >>$work/called; exit \${VERIFY:-0} ;;
    *) echo "\$@" >>$work/called && [ -z "\$SAVES" ] || echo \$SAVES >$work/saved
       exit \$CODE ;;
esac
PROGRAM
printf '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n' >bin/srun
printf '#!/bin/sh\nexit 0\n' >bin/sleep # instead of waiting for SLURM to end the script
chmod +x bin/*

# stage RESTART CODE SAVES-BEFORE SAVES-AFTER: one turn of the job; its exit code in `code`
stage() {
    echo "$3" >saved
    rm -f requeued called
    env PATH="$work/bin:$PATH" SLURM_RESTART_COUNT="$1" CODE="$2" SAVES="$4" SLURM_JOB_ID=7 SLURM_JOB_NODELIST=node1 SLURM_NTASKS=1 \
        bash -c "RUN=$work/run STAGE=${name:-train} MAX_RESTARTS=3 SRUN=(srun --mpi=pmix) MEDTOK=($work/bin/program) VARIANTS=(); . $ROOT/slurm/stage.sh"
    code=$?
    last=$(cut -f 2- "run/stages/${name:-train}.tsv" | tail -n 2 | paste -sd' ')
}
holds() { # CODE REQUEUED 'pattern of the last events'
    [ "$code" -eq "$1" ] || fail "exit code $code, not $1: $last"
    [ "$(cat requeued 2>/dev/null)" = "$2" ] || fail "scontrol was told \"$(cat requeued 2>/dev/null)\", not \"$2\""
    grep -qE "$3" <<<"$last" || fail "the last events are not /$3/: $last"
}
stage 0 0 0 12 && holds 0 '' "ended	code=0"
grep -q -- "train --config $work/run/config.yaml" called || fail "the program was called with: $(cat called)"
stage 0 1 0 '' || holds 1 '' "ended	code=1"
# Its last code stands where SLURM, for once, does not end the script: what depends on the job must not begin.
stage 0 75 0 12
holds 75 'requeue 7' "requeued	restart=1	at=12"
stage 0 75 0 0 # a first turn may be stopped before it saves
holds 75 'requeue 7' "requeued	restart=1	at=0"
stage 1 75 12 20
holds 75 'requeue 7' "requeued	restart=2	at=20"
stage 1 75 12 12
holds 75 '' "stopped	reason=restart 1 saved nothing more than 12 .* ended	code=75"
stage 3 75 12 20
holds 75 '' "stopped	reason=3 restarts are as many as site.max_restarts allows ended	code=75"
stage 1 75 unknown unknown # what is saved cannot be told
holds 75 'requeue 7' "requeued	restart=2	at=-1"
name=tokenize stage 0 0 0 1
grep -q '^verify ' called || fail "tokenize does not verify its table: $(cat called)"
for signal in 10 15; do # of SLURM, while the table is verified
    VERIFY=$((128 + signal)) name=tokenize stage 0 0 0 1
    holds 75 'requeue 7' "requeued	restart=1	at=1"
done
VERIFY=1 name=tokenize stage 0 0 0 1
holds 1 '' "ended	code=1"
finish
