#!/usr/bin/env bash
# All that only a GPU can show, in one run: the kernels' tests on it, the same under compute-sanitizer, cuBLAS's own ceilings,
# `medtok bench` on made-up codes, and `medtok encode` with the language model in MODEL, if that is set. The kernels build alone, so
# that all but the last two need neither MPI nor HDF5; these run if the program does (on a machine without them, carry the libraries of
# Debian's packages and name the program: MEDTOK=...). Writes logs and bench.*.json to the folder OUT (gpu-results), says of each step
# how it ended, and goes on after one that failed. Exit code 0: all is well; 1: a step failed or could not be built; 3: none failed, but
# one did not end in its time; 77: there is no CUDA device.
# The checks of compute-sanitizer come last, side by side: they measure nothing.
# usage: gpu.sh; settings: OUT, MEDTOK, LAUNCH (in front of the program, e.g. mpirun -n 1), MODEL (a folder with e.g. BERT-base),
# BUILD (folder of the kernels' build: build-gpu), BUILT (such a folder, built elsewhere for this GPU: nothing is built then), LIMIT and
# SANITIZER_LIMIT (seconds for a step: 900, and under compute-sanitizer 1800)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${OUT:-gpu-results}
medtok=${MEDTOK:-build/medtok}
build=${BUILT:-${BUILD:-build-gpu}}
limit=${LIMIT:-900}
sanitizer_limit=${SANITIZER_LIMIT:-1800}
if ! nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
    echo "skipped: no CUDA device" >&2
    exit 77
fi
mkdir -p "$out"
passed=0 failed=0 late=0

# ended NAME SECONDS CODE: says how a step ended whose output is in OUT/NAME.log.
ended() {
    case $3 in
        0) passed=$((passed + 1)) && echo "$1: passed" ;;
        124 | 137) late=$((late + 1)) && echo "$1: did not end in $2 s (no failure so far; a larger limit may show one)" ;;
        *) failed=$((failed + 1)) && echo "$1: FAILED with $3: $(tail -n 1 "$out/$1.log")" ;;
    esac
    return 0
}

# attempt NAME SECONDS command...: runs it with its output in OUT/NAME.log, and says how it ended.
attempt() {
    local name=$1 seconds=$2 code=0
    shift 2
    timeout -k 10 "$seconds" "$@" >"$out/$name.log" 2>&1 || code=$?
    ended "$name" "$seconds" $code
}

nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv | tee "$out/gpu.csv"
# CMake knows the word "native" from 3.24 on, old drivers do not know the field.
architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d '. ' | grep -E '^[0-9]+$' | sort -u | paste -sd ';' || true)
if [ -z "${BUILT:-}" ]; then
    attempt configure "$limit" cmake -S kernels -B "$build" -DMEDTOK_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=${architectures:-native}"
    attempt build "$limit" cmake --build "$build" -j
fi

programs=$(find "$build" \( -name test_kernels -o -name test_kernels_f64 \) -type f 2>/dev/null | sort)
if [ -z "$programs" ]; then
    echo "kernel tests: FAILED: none were built: is cmocka there? See $out/configure.log" && failed=$((failed + 1))
fi
for program in $programs; do attempt "$(basename "$program")" "$limit" "$program" cuda; done
attempt matrix_ceiling "$limit" "$build/matrix_ceiling"

# run NAME arguments...: a job of the program.
run() { attempt "$1" "$limit" ${LAUNCH:-} "$medtok" "${@:2}"; }
if [ -x "$medtok" ]; then
    for compute in fp32 tf32 bf16; do
        run "bench.$compute" bench --set run.device=cuda --set run.compute=$compute --set text.compute=$compute --set bench.json="$out/bench.$compute.json"
    done
    if [ -n "${MODEL:-}" ]; then
        # The sample has 710 codes, a few batches: fifty times as many, each with a text of its own.
        awk -F '\t' -v OFS='\t' 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; print; next}
            {c = $at["code"]; d = $at["description"]
             for (k = 1; k <= 50; k++) {$at["system"] = "made-up"; $at["code"] = NR "-" k; $at["description"] = d " " k " " c; print}}' \
            tests/sample/codes.tsv >"$out/codes.tsv"
        files="--set files.vocabulary=$out/v.h5 --set files.text=$out/t.h5"
        rm -f "$out"/[vt].h5*
        run prepare prepare $files --set files.codes="$out/codes.tsv" --set files.graph=tests/sample/kg.csv
        run encode encode $files --set text.encoder=bert --set text.model="$MODEL" --set text.features=sentence --set text.compute=bf16
    fi
else
    echo "no program $medtok: bench was not run"
fi

# The tests provoke errors of the CUDA runtime on purpose (no memory, a wait while recording): these are no faults.
declare -A checks=([memcheck]="--report-api-errors no" [racecheck]="" [synccheck]="")
declare -A running=()
command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not on the PATH: memory, races and barriers are not checked" && programs=; }
for program in $programs; do
    for check in "${!checks[@]}"; do
        name=$(basename "$program").$check
        timeout -k 10 "$sanitizer_limit" compute-sanitizer --tool "$check" ${checks[$check]} --error-exitcode 9 "$program" cuda >"$out/$name.log" 2>&1 &
        running[$name]=$!
    done
done
for name in "${!running[@]}"; do
    code=0
    wait "${running[$name]}" || code=$?
    ended "$name" "$sanitizer_limit" $code
done
echo "$passed passed, $failed failed, $late did not end in their time; logs are in $out"
[ $failed -eq 0 ] || exit 1
[ $late -eq 0 ] || exit 3
