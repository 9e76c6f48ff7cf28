#!/usr/bin/env bash
# The program finds its libraries where the loader knows no folders but its own, as on a cluster whose modules do not set
# LD_LIBRARY_PATH: in the build folder and installed, the kernels' tests too.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
build=$(dirname "$MEDTOK")
command -v readelf >/dev/null || skip "no readelf"
loader=$(readelf -l "$MEDTOK" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
"$loader" --help 2>/dev/null | grep -q inhibit-cache || skip "this loader ($loader) has no --inhibit-cache"
unset LD_LIBRARY_PATH

starts() {
    local out
    out=$("$loader" --inhibit-cache --list "$1" 2>&1) || fail "$1: $out"
    grep 'not found' <<<"$out" && fail "$1: libraries are not found"
    return 0
}
# cuBLAS is loaded when a GPU is opened (kernels/cuda/cublas_library.c): some folder of the program's own has it.
has_cublas() {
    local folder
    for folder in $(readelf -d "$1" | sed -n 's/.*R.*PATH.*\[\(.*\)\]/\1/p' | tr : ' '); do
        compgen -G "$folder/libcublas.so.*" >/dev/null && return
    done
    fail "$1 does not know where cuBLAS is"
}
starts "$MEDTOK"
libraries=$("$loader" --list "$MEDTOK")
[[ $libraries != *cublas* ]] || fail "each start loads cuBLAS"
if [ -x "$build/kernels/tests/test_cublas_library" ]; then
    "$loader" --inhibit-cache "$build/kernels/tests/test_cublas_library" >log 2>&1 || fail "cuBLAS: $(cat log)"
    has_cublas "$MEDTOK"
fi
"$loader" --inhibit-cache "$MEDTOK" --version >version.txt 2>&1 || fail "--version: $(cat version.txt)"
for program in "$build"/kernels/tests/test_kernels{,_f64} "$build"/kernels/matrix_ceiling; do
    [ ! -x "$program" ] || starts "$program"
done

if [ -f "$build/cmake_install.cmake" ] && command -v cmake >/dev/null; then
    cmake --install "$build" --prefix "$work/installed" >install.log 2>&1 || fail "cmake --install: $(cat install.log)"
    starts "$work/installed/bin/medtok"
    [ ! -x "$build/kernels/tests/test_cublas_library" ] || has_cublas "$work/installed/bin/medtok"
    "$loader" --inhibit-cache "$work/installed/bin/medtok" --version >installed.txt 2>&1 || fail "installed: $(cat installed.txt)"
    cmp version.txt installed.txt || fail "the installed program says something else"
fi
[[ $libraries == *cudart* ]] || echo "this build has no CUDA: its other libraries are found"
finish
