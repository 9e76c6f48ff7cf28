# Sourced by the system tests: a scratch folder, the program, and checks that name what failed.
set -uo pipefail
ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
MEDTOK=${MEDTOK:-$ROOT/build/medtok}
MPIRUN=${MPIRUN:-mpirun}
PYTHON=${PYTHON:-python3}
[ "$(id -u)" -eq 0 ] && export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=${OMPI_MCA_rmaps_base_oversubscribe:-1}
export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1} # ranks that wait leave their core to other tests
SAMPLE=$ROOT/tests/sample
work=$(mktemp -d)
mpi_scratch=$(mktemp -d)
trap 'rm -rf "$work" "$mpi_scratch"' EXIT
cd "$work"
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
finish() {
    [ "$failures" -eq 0 ] && echo "all good"
    exit $((failures > 0))
}
skip() {
    echo "skipped: $*"
    exit 77
}

# A small training on the sample: seconds, not minutes. With plain settings; `as_users_train` takes the program's defaults, at a rate for so
# few steps.
cat >"$work/small.yaml" <<YAML
files:
  codes: [$SAMPLE/codes.tsv]
  graph: $SAMPLE/kg.csv
  vocabulary: $work/vocabulary.h5
  text: $work/text.h5
  checkpoint: $work/checkpoint.h5
  table: $work/table.h5
  export: $work/export
text: {dim: 64}
quantizer: {size: 300, dim: 32}
train: {batch: 96, steps: 12, checkpoint_every: 4, log_every: 4}
YAML
cp "$work/small.yaml" "$work/default.yaml"
cat "$ROOT/tests/support/plain.yaml" >>"$work/small.yaml"
as_users_train() {
    cp "$work/default.yaml" "$work/small.yaml"
    printf '%s\n' 'train.rate: 1.25e-3' 'quantizer.rate: 1.6' >>"$work/small.yaml"
}
# MPI that looks for no network, and starts no daemon beside a process alone: such a one takes a quarter of the time, two ranks two
# thirds. Two processes that start at once, of two tests, must not share MPI's scratch folder then.
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader OMPI_MCA_ess_singleton_isolated=1 OMPI_MCA_orte_tmpdir_base=$mpi_scratch
medtok() { "$MEDTOK" "$1" --config "$work/small.yaml" "${@:2}"; }
medtok_ranks() { "$MPIRUN" -n "$1" "$MEDTOK" "$2" --config "$work/small.yaml" "${@:3}"; }

# ranks_of PID: the ids of the medtok processes that PID (an mpirun, or medtok itself) has started so far.
ranks_of() {
    local p
    for p in "$1" $(pgrep -P "$1"); do [ "/proc/$p/exe" -ef "$MEDTOK" ] && echo "$p"; done
}

# expect_error CODE 'pattern' command...: the command must end with CODE and say so in exactly one error line.
expect_error() {
    local code=$1 pattern=$2 out got errors
    shift 2
    out=$("$@" 2>&1)
    got=$?
    errors=$(grep -c 'error: ' <<<"$out")
    [ "$got" -eq "$code" ] || fail "$*: exit code $got, not $code: $out"
    grep -qE -- "$pattern" <<<"$out" || fail "$*: no message like /$pattern/ but: $out"
    [ "$errors" -eq 1 ] || fail "$*: $errors error lines: $out"
}
