#!/usr/bin/env bash
# jobs/evaluate-demo on published files, on 1, 2 and 3 ranks: the whole path from a data set's files to scores ends with the same
# predictions, byte for byte, and with a table of every task; a folder that is no data set is refused before anything is made. A
# shortened grid, so that it takes minutes; with FULL=1 the demo's own.
# usage: [FULL=1] [SHARED=../shared/data] MEDTOK=build/medtok tests/bench/evaluate_demo.sh [FOLDER ...]
. "$(dirname "${BASH_SOURCE[0]}")/../system/common.sh"
shared=${SHARED:-$ROOT/../shared/data}
[ $# -gt 0 ] || set -- "$shared"/ehr/{mimic3_demo,mimic4_demo,ehrshot_shape_mimic4demo}
short="run.threads=1 ehr.steps=40 ehr.seeds=1 ehr.grid.arms=[base,medtok-frozen]"
export MEDTOK SETTINGS="run.threads=1" OMP_WAIT_POLICY=passive
[ -n "${FULL:-}" ] || SETTINGS=$short

mkdir empty
RANKS=1 WORK=$work/none "$ROOT/jobs/evaluate-demo" empty >out 2>log && fail "an empty folder is a data set"
grep -q 'empty is no data set of a format that is known' log || fail "an empty folder: $(cat log)"
[ "$(ls none)" = files.yaml ] || fail "made before the folder was looked at: $(ls none)"

for folder in "$@"; do
    [ -d "$folder" ] || { echo "$folder is not here: left out" && continue; }
    name=$(basename "$folder")
    for ranks in 1 2 3; do
        since=$SECONDS
        RANKS=$ranks WORK=$work/$name-$ranks "$ROOT/jobs/evaluate-demo" "$folder" >out 2>log ||
            { fail "$name on $ranks ranks: $(tail -n 5 log)" && continue 2; }
        echo "$name, $ranks ranks: $((SECONDS - since)) s, $(ls "$name-$ranks"/scores.trials/*.csv | wc -l) trainings"
        grep -q '^== done: ' out || fail "$name on $ranks ranks does not say that it is done: $(tail -n 3 out)"
        [ "$ranks" -gt 1 ] || { grep -E '^## |^[a-z_]+: [0-9]+ samples' "$name-1/evaluation.md" && continue; }
        for file in "$name-1"/scores.trials/*.csv; do
            cmp "$file" "$name-$ranks/scores.trials/${file##*/}" || fail "$name: other predictions on $ranks ranks"
        done
    done
    rm -rf "$name"-[123]
done
finish
