#!/usr/bin/env bash
# All that only a GPU can show, in one run: the kernels' tests on it, the same under compute-sanitizer, cuBLAS's own ceilings, and
# `medtok bench` on made-up codes. The kernels build alone, so that the first two need neither MPI nor HDF5; the third runs if the program does
# (on a machine without them, carry the libraries of Debian's packages and name the program: MEDTOK=...). Writes logs and
# bench.json to the folder OUT (gpu-results). Exit code 77 where there is no CUDA device; 1 if a test failed.
# usage: gpu.sh; settings: OUT, MEDTOK, LAUNCH (in front of the program, e.g. mpirun -n 1)
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
cmake --build build-gpu -j >"$out/build.log" 2>&1
for program in $(find build-gpu -name 'test_kernels' -o -name 'test_kernels_f64' | sort); do
    name=$(basename "$program")
    "$program" cuda >"$out/$name.log" 2>&1 || failed=1
    tail -n 3 "$out/$name.log"
    command -v compute-sanitizer >/dev/null || continue
    for check in memcheck racecheck synccheck; do
        timeout 200 compute-sanitizer --tool "$check" --error-exitcode 9 "$program" cuda >"$out/$name.$check.log" 2>&1 || failed=1
        tail -n 1 "$out/$name.$check.log"
    done
done
$(find build-gpu -name matrix_ceiling) | tee "$out/matrix_ceiling.txt" || failed=1
if [ -x "$medtok" ]; then
    for compute in fp32 tf32 bf16; do
        ${LAUNCH:-} "$medtok" bench --set run.device=cuda --set run.compute=$compute --set text.compute=$compute \
            --set bench.json="$out/bench.$compute.json" | tee "$out/bench.$compute.txt"
    done
else
    echo "no program $medtok: bench was not run"
fi
exit $failed
