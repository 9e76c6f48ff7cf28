#!/usr/bin/env bash
# The committed style and the static checks: clang-format changes nothing, clang-tidy (.clang-tidy) finds nothing, and no
# script ends processes by name.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$ROOT"
command -v clang-format >/dev/null || skip "clang-format is not installed"
files=$(find src jobs kernels tests -name '*.[ch]')
clang-format --dry-run -Werror $files 2>&1 | grep -E 'error|warning' | head -n 20
[ "${PIPESTATUS[0]}" -eq 0 ] || fail "clang-format would change files: clang-format -i \$(git ls-files '*.c' '*.h')"
database=$(dirname "$MEDTOK")/compile_commands.json
if command -v clang-tidy >/dev/null && [ -r "$database" ]; then
    # Most files are compiled twice, in both precisions: the first is enough here.
    python3 - "$database" >"$work/compile_commands.json" <<'PYTHON' || cp "$database" "$work/"
import json, sys
once = {entry["file"]: entry for entry in reversed(json.load(open(sys.argv[1])))}
json.dump(list(once.values()), sys.stdout)
PYTHON
    # The analyser looks at so many states of a function, a tenth of what it would: it then takes an eighth of the time.
    nodes="--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=20000"
    find src jobs kernels/cpu kernels/*.c -name '*.c' |
        xargs -P "$(nproc)" -n 4 clang-tidy -p "$work" --quiet $nodes 2>/dev/null >"$work/tidy.log" ||
        fail "clang-tidy: $(grep -E 'error|warning' "$work/tidy.log" | head -n 20)"
else
    echo "clang-tidy is not installed, or there is no compile_commands.json: its checks are left out"
fi

# Tests and scripts end processes by id: a pattern of names also meets the processes of others.
grep -rnE '\b(pkil[l]|killal[l])\b' tests jobs slurm && fail "processes are ended by a pattern of names"
finish
