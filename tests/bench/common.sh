# Sourced by the benchmarks: where things are, a scratch folder, and the files of a training on real codes.
# Settings: MEDTOK (program), PYTHON (an interpreter with the peer's packages), ROUNDS (of ours, theirs, ours, theirs ...).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
export MEDTOK=${MEDTOK:-build/medtok}
python=${PYTHON:-python3}
rounds=${ROUNDS:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# need MODULE: the interpreter must have it.
need() {
    "$python" -c "import $1" 2>/dev/null && return 0
    echo "skipped: $python has no $1; name an interpreter that has it: PYTHON=..." >&2
    exit 77
}

# training_files CODES GRAPH: $work/v.h5 and $work/t.h5 of the codes with nodes, the only ones that the peers train on, and
# mean_tokens, the mean length of their texts, rounded up.
training_files() {
    zcat -f "$1" | awk -F'\t' 'NR == 1 || $4 != ""' | gzip -1 >"$work/codes.tsv.gz"
    "$MEDTOK" prepare --set files.codes="$work/codes.tsv.gz" --set files.graph="$2" --set files.vocabulary="$work/v.h5" 2>/dev/null
    "$MEDTOK" encode --set files.vocabulary="$work/v.h5" --set files.text="$work/t.h5" 2>"$work/log"
    mean_tokens=$(sed -nE 's/.* ([0-9]+) codes have ([0-9]+) tokens.*/\1 \2/p' "$work/log" | awk '{print int($2 / $1 + 0.999)}')
}
