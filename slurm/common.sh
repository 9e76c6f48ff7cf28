# Shared by the batch scripts: the settings, and one job step. Sourced, not run.
CONFIG=${CONFIG:?set CONFIG to the configuration file, e.g. CONFIG=configs/full.yaml sbatch ...}
MEDTOK=${MEDTOK:-build/medtok}
SRUN_ARGS=${SRUN_ARGS:---mpi=pmix}
[ -n "${SETUP:-}" ] && . "$SETUP"
[ -x "$MEDTOK" ] || { echo "no program at $MEDTOK: build first (jobs/quickstart), or set MEDTOK" >&2; exit 1; }
[ -r "$CONFIG" ] || { echo "cannot read the configuration $CONFIG" >&2; exit 1; }

# step [srun options] JOB: runs one job on the tasks of this allocation. A training or encoding that was stopped by a signal
# and has saved (75) puts the batch job back in the queue; the other jobs begin anew, and could stand in line for ever.
step() {
    local code=0
    # $SRUN_ARGS and $MEDTOK_ARGS are lists of words.
    srun $SRUN_ARGS "${@:1:$#-1}" "$MEDTOK" "${!#}" --config "$CONFIG" ${MEDTOK_ARGS:-} || code=$?
    [ $code -eq 0 ] && return 0
    if [ $code -eq 75 ] && [ -n "${SLURM_JOB_ID:-}" ] && [[ ${!#} == train || ${!#} == encode ]]; then
        echo "stopped and saved: queued again"
        scontrol requeue "$SLURM_JOB_ID"
        sleep 60
    fi
    exit $code
}
