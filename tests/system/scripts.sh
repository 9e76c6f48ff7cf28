#!/usr/bin/env bash
# jobs/test, jobs/quickstart and jobs/evaluate-demo: their arguments, what they say while they build, and the wait for the lock of the packages. apt-get
# and cmake are stand-ins here.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export MEDTOK
# ---- arguments ----
for script in test quickstart evaluate-demo; do
    "$ROOT/jobs/$script" --help >help.txt || fail "jobs/$script --help"
    grep -q "^usage: jobs/$script" help.txt && grep -q 'SKIP_PACKAGES' help.txt || fail "jobs/$script --help says: $(cat help.txt)"
    "$ROOT/jobs/$script" --nothing >out.txt 2>error.txt
    [ $? -eq 2 ] && [ ! -s out.txt ] && grep -q 'There is no argument --nothing' error.txt || fail "jobs/$script --nothing: $(cat out.txt error.txt)"
done
grep -q -- '--quick' <<<"$("$ROOT/jobs/test" --help)" || fail "jobs/test --help does not speak of --quick"

# ---- a folder that is no data set is refused before anything is made; paths are those of the caller ----
mkdir -p "a folder/empty"
(cd "a folder" && WORK=w "$ROOT/jobs/evaluate-demo" empty) >out.txt 2>error.txt && fail "an empty folder is a data set"
grep -q 'empty is no data set of a format that is known' error.txt || fail "an empty folder: $(cat out.txt error.txt)"
[ "$(ls "a folder/w")" = files.yaml ] || fail "made before the folder was looked at: $(ls "a folder/w")"
"$ROOT/jobs/evaluate-demo" nowhere >out.txt 2>error.txt
[ $? -eq 2 ] && grep -q 'there is no folder nowhere' error.txt || fail "a folder that is not there: $(cat out.txt error.txt)"

# ---- stand-ins ----
mkdir bin
stand_in() { # NAME, the script on standard input
    { echo '#!/usr/bin/env bash' && cat; } >"bin/$1" && chmod +x "bin/$1"
}
stand_in dpkg-query <<<'exit 1'
stand_in sleep <<<'exit 0'
stand_in sudo <<<'shift; exec "$@"'
stand_in apt-get <<'STAND_IN'
echo "$*" >>"$CALLS"
case $(wc -l <"$CALLS") in
    [12]) echo "E: Could not get lock $LOCK. It is held by process 1 (apt)" >&2; exit 100 ;;
esac
[ -z "${BROKEN:-}" ] || { echo "E: Unable to locate package nothing" >&2; exit 100; }
STAND_IN
stand_in cmake <<'STAND_IN'
case $* in
    *--build*) echo "[ 10%] Building one.o"; echo "a line without a percentage"; echo "[ 90%] Linking it"; exit "${BROKEN:-0}" ;;
    *) echo "-- MEDTOK_CUDA is OFF: CPU-only build" ;;
esac
STAND_IN
export CALLS=$work/calls LOCK=/var/lib/apt/lists/lock
common() { # COMMAND: in a shell with jobs/common.sh and the stand-ins
    PATH=$work/bin:$PATH bash -c "set -euo pipefail; . '$ROOT/jobs/common.sh'; $1" 2>&1
}

# ---- a held lock is waited for, with one line that says so; another error is not ----
out=$(common 'need_packages nothing') || fail "need_packages with a held lock: $out"
[ "$(grep -c 'waiting for it, at most 10 minutes' <<<"$out")" -eq 1 ] || fail "not one line on the wait: $out"
[ "$(wc -l <calls)" -eq 4 ] && grep -q 'install .*nothing' calls || fail "calls of apt-get: $(cat calls)"
: >calls
out=$(BROKEN=1 common 'need_packages nothing') && fail "an error of apt-get is passed over: $out"
grep -q 'Unable to locate package' <<<"$out" && [ "$(wc -l <calls)" -eq 3 ] || fail "an error of apt-get: $out"

# ---- builds say what is built and how far they are ----
out=$(BUILD=$work/b PROGRESS_SECONDS=0 common 'build -DX=ON') || fail "build: $out"
grep -q "building in $work/b: -DX=ON" <<<"$out" && grep -q '90%' <<<"$out" && grep -q 'CPU-only' <<<"$out" || fail "a build says: $out"
grep -q 'without a percentage' <<<"$out" && fail "a build passes on all lines: $out"
out=$(BUILD=$work/b common 'build -DX=ON') || fail "build: $out"
grep -q '%' <<<"$out" && fail "a short build shows its progress: $out"
out=$(BUILD=$work/b BROKEN=3 common 'build; echo went on') && fail "a failed build is passed over: $out"
grep -q 'the build failed' <<<"$out" && grep -q 'without a percentage' <<<"$out" && ! grep -q 'went on' <<<"$out" || fail "a failed build says: $out"
finish
