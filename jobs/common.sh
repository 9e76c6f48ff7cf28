# Shared by jobs/quickstart and jobs/test: finds or installs what the build needs, and builds. Sourced, not run.
# Settings: BUILD (folder, default build), JOBS (parallel compilers), MPIRUN (default mpirun), CMAKE_ARGS.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
BUILD=${BUILD:-$root/build}
JOBS=${JOBS:-$(nproc)}
MPIRUN=${MPIRUN:-mpirun}
packages="build-essential cmake pkg-config libopenmpi-dev openmpi-bin libhdf5-openmpi-dev libyaml-dev libopenblas-dev
zlib1g-dev libutf8proc-dev libxxhash-dev libjansson-dev libssl-dev libdnnl-dev"

say() { printf '\n== %s\n' "$*"; }

# Installs the Debian packages named, if some are missing. Elsewhere, or without the right, says what is needed.
need_packages() {
    local missing=()
    if ! command -v dpkg-query >/dev/null; then
        if ! command -v mpicc >/dev/null || ! command -v cmake >/dev/null; then
            echo "This is no Debian system. Please load or install: a C compiler, CMake 3.20, Open MPI, a parallel HDF5," >&2
            echo "libyaml, OpenBLAS, zlib, utf8proc, xxHash, jansson, OpenSSL. Usual modules: gcc cmake openmpi hdf5-mpi openblas libyaml" >&2
            exit 1
        fi
        return 0
    fi
    for p in "$@"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local become=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            echo "These packages are missing, and this account may not install them: ${missing[*]}" >&2
            echo "Ask for them, or load the modules usually called: gcc cmake openmpi hdf5-mpi openblas libyaml" >&2
            echo "(then run with SKIP_PACKAGES=1)." >&2
            exit 1
        fi
        become=(sudo -n)
    fi
    say "installing ${missing[*]}"
    "${become[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${become[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Configures and builds into $BUILD; arguments go to cmake. The log is shown if it fails.
build() {
    say "building in $BUILD"
    mkdir -p "$BUILD"
    if ! { cmake -S "$root" -B "$BUILD" ${CMAKE_ARGS:-} "$@" && cmake --build "$BUILD" -j "$JOBS"; } >"$BUILD/build.log" 2>&1; then
        tail -n 40 "$BUILD/build.log" >&2
        echo "the build failed; the whole log is $BUILD/build.log" >&2
        exit 1
    fi
    grep -E 'CUDA|CPU-only' "$BUILD/build.log" | sed 's/^-- //' | head -n 1 || true
}

# Options for two ranks on whatever cores there are. Open MPI refuses root and more ranks than cores unless told.
mpi_setup() {
    if [ "$(id -u)" -eq 0 ]; then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
    export OMPI_MCA_rmaps_base_oversubscribe=${OMPI_MCA_rmaps_base_oversubscribe:-1}
}

[ -n "${SKIP_PACKAGES:-}" ] && need_packages() { :; }
return 0
