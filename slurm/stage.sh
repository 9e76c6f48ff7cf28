# One stage of a run, in its batch job: the program on all tasks, events for `medtok status`, and another turn for what was stopped and has
# saved. Sourced by the scripts that slurm/submit writes, which set RUN, STAGE, SRUN, MEDTOK, VARIANTS and MAX_RESTARTS.
# shellcheck shell=bash disable=SC2154
set -uo pipefail

variant=
if [ ${#VARIANTS[@]} -gt 0 ]; then variant=${VARIANTS[$SLURM_ARRAY_TASK_ID]}; fi
unit=$STAGE${variant:+.$variant}
config=(--config "$RUN/config.yaml")
if [ -n "$variant" ]; then config+=(--config "$RUN/variants/$variant.yaml"); fi
if [ "$STAGE" = report ]; then config+=(--config "$RUN/report.yaml"); fi
exec >>"$RUN/logs/$unit.log" 2>&1

event() { { date +%s && printf '%s\n' "$@"; } | paste -sd'\t' >>"$RUN/stages/$unit.tsv"; }
# The number of pieces of work that are saved; one process, outside any step of SLURM. ${variant:+...}: no word where there is none.
saved() { OMPI_MCA_ess_singleton_isolated=1 "${MEDTOK[@]}" status "$RUN" "$STAGE" ${variant:+"$variant"} 2>/dev/null || echo -1; }
ended() {
    event ended "code=$1"
    exit "$1"
}

# SLURM ends a job by TERM, and soon after by KILL: what is known is written at once. Of a preempted job the program is told too, so
# that it saves, and "requeued" follows.
trap 'event stopped "reason=SLURM ended the job: it was cancelled, at its time limit, or in the way of another, after which SLURM may queue it again"' TERM
restart=${SLURM_RESTART_COUNT:-0}
before=$(saved)
trap - EXIT # by which the script told of an end before this
event began "job=$SLURM_JOB_ID" "restart=$restart" "nodes=$SLURM_JOB_NODELIST" "ranks=$SLURM_NTASKS"

step() { # options of srun -- arguments of the program; its exit code in `code`
    local options=()
    while [ "$1" != -- ]; do options+=("$1") && shift; done
    shift
    "${SRUN[@]}" "${options[@]}" "${MEDTOK[@]}" "$@" "${config[@]}" &
    # A trap ends `wait`, not the step.
    while true; do
        code=0
        wait $! || code=$?
        kill -0 $! 2>/dev/null || break
    done
}
step -- "$STAGE"
if [ "$code" -eq 0 ] && [ "$STAGE" = tokenize ]; then
    step --nodes=1 --ntasks=1 -- verify
    case $code in 138 | 143) code=75 ;; esac # verify writes nothing, so a signal (USR1, TERM) ends it
fi
[ "$code" -eq 75 ] || ended "$code"

# Stopped by a signal: before the time limit, or for another's job.
after=$(saved)
if [ "$restart" -ge "$MAX_RESTARTS" ]; then
    event stopped "reason=$restart restarts are as many as site.max_restarts allows"
    ended "$code"
elif [ "$restart" -gt 0 ] && [ "$before" -ge 0 ] && [ "$after" -ge 0 ] && [ "$after" -le "$before" ]; then # -1: not known
    event stopped "reason=restart $restart saved nothing more than $before before it was stopped: the time limit (site.time) is too short"
    ended "$code"
fi
trap - TERM # by which SLURM now ends this script
event requeued "restart=$((restart + 1))" "at=$after"
scontrol requeue "$SLURM_JOB_ID" || ended "$code"
sleep 60 # until SLURM ends this script; one that it forgets has not done its work
exit "$code"
