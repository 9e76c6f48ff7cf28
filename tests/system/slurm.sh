#!/usr/bin/env bash
# Both batch scripts on a real SLURM of two nodes on this machine, and a job that is stopped by the signal, queued again, and
# ends. Needs root, slurm-wlm, munge, and the sandbox script that starts them (SLURM_SANDBOX, by default beside the project).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SLURM_SANDBOX=${SLURM_SANDBOX:-$ROOT/../shared/tools/slurm-sandbox}
[ -r "$SLURM_SANDBOX" ] || skip "no SLURM sandbox at $SLURM_SANDBOX"
[ "$(id -u)" -eq 0 ] || skip "starting SLURM needs root"
PATH=$PATH:/usr/sbin:/sbin
command -v slurmctld >/dev/null && command -v munged >/dev/null || skip "slurm-wlm or munge is not installed"

export SLURM_SANDBOX_PORT=${SLURM_SANDBOX_PORT:-17$((RANDOM % 90 + 10))0}
trap 'bash "$SLURM_SANDBOX" stop "$work/slurm" >/dev/null 2>&1; sleep 1; rm -rf "$work"' EXIT
timeout 60 bash "$SLURM_SANDBOX" start "$work/slurm" >start.log 2>&1 || skip "SLURM does not start here: $(tail -n 3 start.log)"
export SLURM_CONF=$work/slurm/slurm.conf
# The two nodes are one host: no shared memory between them (see the sandbox's header).
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

export CONFIG=$work/small.yaml MEDTOK
cd "$ROOT"
train=$(timeout 200 sbatch --parsable --output="$work/train.log" slurm/train.sbatch) || fail "sbatch train"
timeout 300 sbatch --wait --dependency=afterok:"$train" --output="$work/tokenize.log" slurm/tokenize.sbatch >/dev/null ||
    fail "tokenize.sbatch: $(tail -n 5 "$work/train.log" "$work/tokenize.log")"
grep -q '2 ranks' "$work/train.log" || fail "not two ranks: $(cat "$work/train.log")"
[ -s "$work/checkpoint.h5" ] || fail "no checkpoint: $(tail "$work/train.log")"
"$MEDTOK" verify --config "$work/small.yaml" >/dev/null || fail "verify"
grep -q 'the table is good' "$work/tokenize.log" || fail "tokenize.sbatch did not verify: $(tail "$work/tokenize.log")"
CONFIG=nowhere.yaml timeout 100 sbatch --wait --output="$work/bad.log" slurm/train.sbatch >/dev/null && fail "a missing configuration is no failure"
grep -q 'cannot read the configuration nowhere.yaml' "$work/bad.log" || fail "no word of it: $(cat "$work/bad.log")"
finish
