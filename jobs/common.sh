# Shared by jobs/quickstart and jobs/test: reads their arguments, finds or installs what the build needs, and builds. Sourced,
# not run. Settings: those that settings_help lists; PROGRESS_SECONDS (20) between two signs of life of a build.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
BUILD=${BUILD:-$root/build}
JOBS=${JOBS:-$(nproc)}
MPIRUN=${MPIRUN:-mpirun}
packages="build-essential cmake pkg-config libopenmpi-dev openmpi-bin libhdf5-openmpi-dev libyaml-dev libopenblas-dev
zlib1g-dev libutf8proc-dev libxxhash-dev libjansson-dev libpcre2-dev libssl-dev libdnnl-dev libisal-dev libmetis-dev"
plot_packages=gnuplot-nox # of `report`, which has no plots without

say() { printf '\n== %s\n' "$*"; }

settings_help='Settings, from the environment: BUILD (folder of the build), JOBS (parallel compilers), MPIRUN (mpirun), CMAKE_ARGS
(options for cmake), SKIP_PACKAGES=1 (look for no Debian packages).'

# Ends the script: with the usage if that is asked for, with an error if an argument is none of those that it knows.
unknown_argument() {
    case $1 in
        -h | --help) printf '%s\n\n%s\n' "$usage" "$settings_help" && exit 0 ;;
        *) printf 'There is no argument %s.\n%s\n' "$1" "$usage" >&2 && exit 2 ;;
    esac
}

# apt-get, as root. While another one is at work it says so, and waits up to 10 minutes. (The option that apt has for this
# leaves out the lock of the package lists.)
apt_get() {
    local log=$(mktemp) end=$((SECONDS + 600)) said=
    until "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=5 "$@" >"$log" 2>&1; do
        if ! grep -qiE 'could not get lock|unable to (acquire|lock)' "$log" || [ "$SECONDS" -ge "$end" ]; then
            cat "$log" >&2
            rm -f "$log"
            return 1
        fi
        [ -n "$said" ] || echo "another program holds the lock of the packages; waiting for it, at most 10 minutes"
        said=1
        sleep 5
    done
    rm -f "$log"
}

# Installs the Debian packages named, if some are missing. Elsewhere, or without the right, says what is needed.
need_packages() {
    local missing=()
    if ! command -v dpkg-query >/dev/null; then
        if ! command -v mpicc >/dev/null || ! command -v cmake >/dev/null; then
            echo "This is no Debian system. Please load or install: a C compiler, CMake 3.20, Open MPI, a parallel HDF5," >&2
            echo "libyaml, OpenBLAS, zlib, utf8proc, xxHash, jansson, PCRE2, OpenSSL. Usual modules: gcc cmake openmpi hdf5-mpi openblas libyaml" >&2
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
    apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"
}

# Passes on one of cmake's lines now and then, with the percentage: a sign of life.
show_progress() {
    local line last=$SECONDS
    while IFS= read -r line; do
        if [[ $line == \[*%\]* ]] && ((SECONDS - last >= ${PROGRESS_SECONDS:-20})); then
            printf '   %s\n' "$line"
            last=$SECONDS
        fi
    done
}

# Configures and builds TARGET (all) into $BUILD; arguments go to cmake. The log is shown if it fails.
build() {
    local begun=$SECONDS
    say "building in $BUILD: $*"
    mkdir -p "$BUILD"
    if ! { cmake -S "$root" -B "$BUILD" ${CMAKE_ARGS:-} "$@" && cmake --build "$BUILD" -j "$JOBS" --target "${TARGET:-all}"; } 2>&1 |
        tee "$BUILD/build.log" | show_progress; then
        tail -n 40 "$BUILD/build.log" >&2
        echo "the build failed; the whole log is $BUILD/build.log" >&2
        exit 1
    fi
    grep -E 'CUDA|CPU-only' "$BUILD/build.log" | sed 's/^-- //' | head -n 1 || true
    grep 'no METIS' "$BUILD/build.log" | sed 's/^-- //' || true
    echo "built in $((SECONDS - begun)) s"
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
