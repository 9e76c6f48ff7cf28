#!/usr/bin/env bash
# All that only a GPU can show, in one run: the kernels' tests on it, the same under compute-sanitizer, cuBLAS's own ceilings,
# `medtok bench` on made-up codes, and `medtok encode` with the language model in MODEL, if that is set. The kernels build alone, so
# that all but the last two need neither MPI nor HDF5; these run if the program does (on a machine without them, carry the libraries of
# Debian's packages and name the program: MEDTOK=...). Writes logs and bench.*.json to the folder OUT (gpu-results). Exit code 77
# where there is no CUDA device; 1 if a test failed or could not be built.
# usage: gpu.sh; settings: OUT, MEDTOK, LAUNCH (in front of the program, e.g. mpirun -n 1), MODEL (a folder with e.g. BERT-base)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${OUT:-gpu-results}
medtok=${MEDTOK:-build/medtok}
if ! nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
    echo "skipped: no CUDA device" >&2
    exit 77
fi
mkdir -p "$out"
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv | tee "$out/gpu.csv"
failed=0
cmake -S kernels -B build-gpu -DCMAKE_CUDA_ARCHITECTURES=native >"$out/configure.log"
cmake --build build-gpu -j >"$out/build.log" 2>&1 || { tail "$out/build.log" >&2; exit 1; }
programs=$(find build-gpu -name 'test_kernels' -o -name 'test_kernels_f64' | sort)
[ -n "$programs" ] || { echo "no kernel tests were built: is cmocka there? See $out/configure.log" >&2; failed=1; }
for program in $programs; do
    name=$(basename "$program")
    "$program" cuda >"$out/$name.log" 2>&1 || failed=1
    tail -n 3 "$out/$name.log"
    command -v compute-sanitizer >/dev/null || continue
    for check in memcheck racecheck synccheck; do
        timeout 200 compute-sanitizer --tool "$check" --error-exitcode 9 "$program" cuda >"$out/$name.$check.log" 2>&1 || failed=1
        tail -n 1 "$out/$name.$check.log"
    done
done
build-gpu/matrix_ceiling | tee "$out/matrix_ceiling.txt" || failed=1
if [ -x "$medtok" ]; then
    for compute in fp32 tf32 bf16; do
        ${LAUNCH:-} "$medtok" bench --set run.device=cuda --set run.compute=$compute --set text.compute=$compute \
            --set bench.json="$out/bench.$compute.json" | tee "$out/bench.$compute.txt" || failed=1
    done
    if [ -n "${MODEL:-}" ]; then
        encode="--set files.vocabulary=$out/v.h5 --set files.text=$out/t.h5 --set text.encoder=bert --set text.model=$MODEL"
        ${LAUNCH:-} "$medtok" prepare --set files.codes=tests/sample/codes.tsv --set files.graph=tests/sample/kg.csv \
            --set files.vocabulary="$out/v.h5" || failed=1
        ${LAUNCH:-} "$medtok" encode $encode --set text.features=sentence --set text.compute=bf16 2>&1 | tee "$out/encode.txt" || failed=1
    fi
else
    echo "no program $medtok: bench was not run"
fi
exit $failed
