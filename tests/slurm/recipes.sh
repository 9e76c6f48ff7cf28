#!/usr/bin/env bash
# The Apptainer definition and the Spack recipe, as far as can be told without either: they ask for the libraries that the build asks for,
# and what the image copies is enough to configure it. The scripts of slurm/ pass shellcheck; site.example.yaml has every setting.
. "$(dirname "${BASH_SOURCE[0]}")/../system/common.sh"
cd "$ROOT" || exit 1
definition=slurm/medtok.def
section() { sed -n "/^%$1\$/,/^%[a-z]/p" $definition | sed '1d; /^%/d'; }

# ---- the image ----
# shellcheck disable=SC2016
wanted=$(bash -c '. jobs/common.sh && echo $packages $plot_packages' | tr ' ' '\n' | sort)
there=$(section post | sed -n 's/.*--no-install-recommends //p' | tr ' ' '\n' | grep -v '^python3-venv$' | sort)
[ "$wanted" = "$there" ] || fail "packages of the image and of jobs/common.sh: $(diff <(echo "$wanted") <(echo "$there"))"
section post | bash -n || fail "%post is no script"
section files | grep . | while read -r from to; do
    mkdir -p "$work$(dirname "$to")" && cp -r "$from" "$work$to" || echo "$from" >>"$work/lacking"
done
[ ! -e "$work/lacking" ] || fail "%files names what is not there: $(cat "$work/lacking")"
configure=$(section post | sed -n 's|^ *cmake -S /opt/medtok -B /opt/medtok/build ||p')
[ -n "$configure" ] || fail "%post does not configure"
# shellcheck disable=SC2086
cmake -S "$work/opt/medtok" -B "$work/build" $configure -DMEDTOK_CUDA=OFF >"$work/cmake.log" 2>&1 || fail "what the image copies does not configure: $(tail "$work/cmake.log")"

# ---- Spack ----
python3 - <<'PYTHON' || fail "spack/package.py"
import re, sys, types

asked, built = [], types.ModuleType("spack.package")
built.depends_on = lambda name, **_: asked.append(re.split("[@+ ]", name)[0])
built.version = lambda *_, **__: None
built.CMakePackage, built.CudaPackage = type("CMakePackage", (), {}), type("CudaPackage", (), {})
built.__all__ = ["depends_on", "version", "CMakePackage", "CudaPackage"]
sys.modules["spack"], sys.modules["spack.package"] = types.ModuleType("spack"), built
recipe = {}
exec(compile(open("slurm/spack/package.py").read(), "package.py", "exec"), recipe)
# What CMake needs, by its own names, and how Spack calls it.
names = {"MPI": "mpi", "HDF5": "hdf5", "YAML": "libyaml", "XXHASH": "xxhash", "UTF8PROC": "utf8proc", "JANSSON": "jansson", "PCRE2": "pcre2",
         "CRYPTO": "openssl", "ZLIB": "zlib-api", "PkgConfig": "pkgconfig", "ISAL": "isa-l", "OPENBLAS": "openblas", "OpenMP": None}
text = open("CMakeLists.txt").read() + open("kernels/CMakeLists.txt").read()
needed = set(re.findall(r"^ *(?:find_package|pkg_check_modules)\((\w+)", text, re.M))
unknown = needed - set(names)
assert not unknown, f"the recipe's test does not know {unknown}"
lacking = {names[n] for n in needed if names[n]} - set(asked)
assert not lacking, f"the recipe does not ask for {lacking}"
assert "gnuplot" in asked and "py-pyarrow" in asked, "the recipe lacks what the program starts"

class Package(recipe["Medtok"]):
    def __init__(self, on, architectures):
        self.spec = types.SimpleNamespace(satisfies=lambda what: on, variants={"cuda_arch": types.SimpleNamespace(value=architectures)})
    define = lambda self, name, value: f"-D{name}={value}"
    define_from_variant = lambda self, name, variant: f"-D{name}={self.spec.satisfies('+' + variant)}"

assert Package(True, ("80", "90")).cmake_args() == ["-DMEDTOK_TESTS=False", "-DMEDTOK_CUDA=True", "-DCMAKE_CUDA_ARCHITECTURES=80;90"]
assert Package(False, ("none",)).cmake_args() == ["-DMEDTOK_TESTS=False", "-DMEDTOK_CUDA=False"]
PYTHON

# ---- the scripts and the site file ----
if command -v shellcheck >/dev/null; then
    shellcheck slurm/submit slurm/stage.sh || fail "shellcheck"
else
    echo "shellcheck is not installed: left out"
fi
"$MEDTOK" plan --dry-run >"$work/defaults" 2>&1 && "$MEDTOK" plan --dry-run --config configs/site.example.yaml >"$work/example" 2>&1 || fail "plan --dry-run: $(cat "$work/example")"
for file in $(grep -o 'configs/[a-z.-]*\.yaml' slurm/README.md | grep -vx configs/site.yaml); do [ -r "$file" ] || fail "slurm/README.md names $file, which is not there"; done
cmp -s "$work/defaults" "$work/example" || fail "site.example.yaml does not show the defaults: $(diff "$work/defaults" "$work/example")"
for name in $(sed -n 's/^site\.\([a-z_]*\):.*/\1/p' "$work/defaults"); do
    grep -q "^  $name: " configs/site.example.yaml || fail "site.example.yaml lacks site.$name"
done
finish
