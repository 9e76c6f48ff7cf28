# Sourced by the tests of slurm/: a real SLURM of two nodes on this machine, a small configuration, and words for what a run must come to.
# Needs root, slurm-wlm, munge, and the sandbox script that starts them (SLURM_SANDBOX, by default beside the project).
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../system/common.sh"

SLURM_SANDBOX=${SLURM_SANDBOX:-$ROOT/../shared/tools/slurm-sandbox}
[ -r "$SLURM_SANDBOX" ] || skip "no SLURM sandbox at $SLURM_SANDBOX"
[ "$(id -u)" -eq 0 ] || skip "starting SLURM needs root"
PATH=$PATH:/usr/sbin:/sbin
command -v slurmctld >/dev/null && command -v munged >/dev/null || skip "slurm-wlm or munge is not installed"

export SLURM_SANDBOX_PORT=${SLURM_SANDBOX_PORT:-17$((RANDOM % 90 + 10))0}
trap 'bash "$SLURM_SANDBOX" stop "$work/slurm" >/dev/null 2>&1; sleep 1; rm -rf "$work" "$mpi_scratch"' EXIT
# Its own copy: SLURM holds back a job that is queued again until its old credential has expired, 2 minutes by default.
sed '/^AuthInfo=/s/$/,cred_expire=5/' "$SLURM_SANDBOX" >sandbox
SLURM_SANDBOX=$work/sandbox
timeout 60 bash "$SLURM_SANDBOX" start "$work/slurm" >start.log 2>&1 || skip "SLURM does not start here: $(tail -n 3 start.log)"
export SLURM_CONF=$work/slurm/slurm.conf
# The two nodes are one host: no shared memory between them (see the sandbox's header), and both nodes' ranks have all its cores.
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_osc=pt2pt OMP_WAIT_POLICY=passive
unset OMPI_MCA_ess_singleton_isolated OMPI_MCA_orte_tmpdir_base
export MEDTOK

# A hospital of the sample's codes, for cohort and evaluate.
cat >>small.yaml <<YAML
run: {threads: 1}
inspect: {resamples: 50}
synth: {folder: $work/hospital, formats: [mimic4], codes: made, patients: 300, diseases: 10, drugs: 5}
cohort: {folder: $work/hospital/mimic4, tasks: [los_7d]}
ehr: {dim: 16, heads: 2, layers: 1, inner: 16, batch: 16, steps: 16, eval_every: 8, resamples: 20, max_length: 32}
YAML
sed -i "s|^files:|files:\n  cohort: $work/cohort.h5\n  scores: $work/scores.json|" small.yaml
echo 'site: {nodes: 2, tasks: 1, time: "10", signal: 60, srun: "--mpi=pmix"}' >site.yaml

submit() { "$ROOT/slurm/submit" "$@"; }
# state RUN UNIT: what `medtok status` calls it, UNIT being a stage, or "stage variant".
state() {
    "$MEDTOK" status "$1" >"$work/status" 2>&1
    awk -v unit="$2" 'index($0, unit) == 1 {
        at = substr($0, 24); sub(/  .*/, "", at); print at; exit }' "$work/status"
}
# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 1
    done
}
queue_is_empty() { [ -z "$(squeue -h)" ]; }
content_of() { "$MEDTOK" verify "$1" --config "$work/small.yaml" | sed -n 's/.*content \([0-9a-f]*\).*/\1/p'; }
