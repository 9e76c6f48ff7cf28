#!/usr/bin/env bash
# tests/bench/gpu.sh, which nobody can run here, with stand-ins for nvidia-smi, cmake, compute-sanitizer and the program: it comes to
# its end, and tells what passed from what failed and from what did not end in its time.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
real_medtok=$MEDTOK
mkdir bin
write() { printf '#!/usr/bin/env bash\n%s\n' "$2" >"bin/$1" && chmod +x "bin/$1"; }
write nvidia-smi 'case $* in -L) echo "GPU 0: made up" ;; *compute_cap*) printf "9.0\n9.0\n8.6\n" ;; *) echo "made up, 580, 80 GB" ;; esac'
write cmake 'echo "cmake $*" >>"$CALLS"
[ "$1" = --build ] || exit 0
mkdir -p "$2/tests"
for name in tests/test_kernels tests/test_kernels_f64 matrix_ceiling; do printf "#!/bin/sh\necho ok\n" >"$2/$name" && chmod +x "$2/$name"; done'
write compute-sanitizer 'echo "compute-sanitizer $*" >>"$CALLS"
[ "$2" = "${SLOW:-}" ] && sleep 60
[ "$2" = "${BAD:-}" ] && exit 9
case "$*" in *memcheck*no\ --error-exitcode*) ;; *memcheck*) echo "ERROR SUMMARY: 7 errors (of the runtime, provoked)" && exit 9 ;; esac
exit 0'
write program 'echo "medtok $*" >>"$CALLS"; [ "$1" != "${BAD:-}" ]'
export CALLS=$work/calls PATH=$work/bin:$PATH OUT=$work/out BUILD=$work/kernels-build MEDTOK=$work/bin/program MODEL=/a/model SANITIZER_LIMIT=2
script=$ROOT/tests/bench/gpu.sh

# ends CODE 'beginning of the last line' [variables]: how the script ends.
ends() {
    local code=$1 got=0
    : >"$CALLS"
    env "${@:3}" bash "$script" >log 2>&1 || got=$?
    [ $got -eq "$code" ] || fail "${*:3}: exit code $got, not $code: $(cat log)"
    tail -n 1 log | grep -q "^$2 in their time; " || fail "${*:3}: not '$2' at the end: $(cat log)"
}
ends 0 '16 passed, 0 failed, 0 did not end'
grep -q -- '-DCMAKE_CUDA_ARCHITECTURES=86;90$' "$CALLS" || fail "architectures: $(grep cmake "$CALLS")"
grep -q 'medtok encode .*text.model=/a/model' "$CALLS" || fail "encode was not run: $(cat "$CALLS")"
[ "$(wc -l <out/codes.tsv)" -eq 35501 ] && [ -z "$(cut -f 1,2 out/codes.tsv | sort | uniq -d)" ] || fail "the larger sample: $(wc -l out/codes.tsv)"
"$real_medtok" prepare --set files.codes=out/codes.tsv --set files.graph="$SAMPLE/kg.csv" --set files.vocabulary=v.h5 >log 2>&1 || fail "prepare the larger sample: $(cat log)"
ends 3 '14 passed, 0 failed, 2 did not end' SLOW=racecheck
ends 1 '14 passed, 2 failed, 0 did not end' BAD=synccheck
grep -q 'test_kernels.synccheck: FAILED with 9' log || fail "what failed is not said: $(cat log)"
ends 1 '13 passed, 3 failed, 0 did not end' BAD=bench
ends 1 '12 passed, 2 failed, 2 did not end' SLOW=racecheck BAD=memcheck
write nvidia-smi 'exit 9'
bash "$script" >log 2>&1
[ $? -eq 77 ] && grep -q 'no CUDA device' log || fail "without a GPU: $(cat log)"
"$BASH" -n "$script" || fail "syntax"
finish
