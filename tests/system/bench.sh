#!/usr/bin/env bash
# medtok bench at small sizes, operands in the caches (bench.memory) but for one run: every primitive is measured, operations are those of a hand count, shares are plausible, several
# ranks add up, and what cannot be measured is said before anything is.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
python=${PYTHON:-python3}
command -v "$python" >/dev/null || skip "no Python"

small="--set bench.seconds=0.02 --set bench.repeats=3 --set train.batch=64 --set bench.graph_nodes=2000
--set run.device=cpu --set quantizer.size=600 --set text.dim=64 --set bench.memory=8 --set bench.json=$work/bench.json"
bench() { "$MEDTOK" bench $small "$@"; } # each run measures the ceilings first: seconds

# ---- everything ----
bench >table.txt 2>log.txt || fail "bench: $(cat log.txt)"
cat >check.py <<'PYTHON'
import json, re, sys
found = json.load(open(sys.argv[1]))
listed = open(sys.argv[2]).read()
cpu = found["backends"][0]
items = {x["name"]: x for x in cpu["items"]}
wrong, LOAD = [], 3
def check(what, good):
    if not good: wrong.append(what)

# Every primitive of the list is an item, but for the three that prepare.
primitives = re.findall(r"^(?:PRIMITIVE\(|ENTRY\([^,]*, )(\w+),", listed, re.M)
check("primitives in the list: %d" % len(primitives), len(primitives) > 40)
for name in set(primitives) - {"linear_pack", "linear_borrow", "linear_free"}: check("no item " + name, name in items)
check("no item step", "step" in items)
check("backend", cpu["name"] == "cpu" and cpu["ranks"] == 1 and cpu["threads"] >= 1)
for name, x in items.items():
    seconds = x["seconds"]
    check("times of " + name, 0 < seconds["least"] <= seconds["median"] <= seconds["most"])
    check("bytes of " + name, x["bytes"] > 0)
    check("rates of " + name, abs(x["flop_rate"] * seconds["median"] - x["flops"]) <= 1e-6 * x["flops"])
    # On a quiet machine nothing multiplies faster than the ceiling; here other work may slow the ceiling's turn and not the
    # item's. This finds wrong units and counts.
    check("share of gemm of %s: %g" % (name, x["share_of_gemm"]), 0 <= x["share_of_gemm"] <= LOAD)
    expected = x["flop_rate"] / cpu["ceilings"]["gemm"]["flop_rate"]
    check("rates and share of " + name, abs(x["share_of_gemm"] - expected) <= 1e-6 * expected)
    check("share of " + name, x["share"] == max(x["share_of_gemm"], x["share_of_copy"]))

# By hand: c[m,n] = a[m,k] b[k,n] is m n k multiplications and as many additions.
for name in ("gemm", "gemm.gradient"):
    m, n, k = map(int, items[name]["sizes"].split(" x "))
    check("flops of " + name, items[name]["flops"] == 2 * m * n * k)
check("flops of axpy", items["axpy"]["flops"] == 2 * 2000 * 64)  # graph_nodes x graph.node_dim, times alpha and plus
check("codes of step", items["step"]["codes"] == 64 and items["step"]["codes_rate"] > 0)
check("memory of step", items["step"]["tape_bytes"] > 0)
print("\n".join(wrong))
PYTHON
wrong=$("$python" check.py bench.json "$ROOT/kernels/list.h") && [ -z "$wrong" ] || fail "bench.json: $wrong"
[ "$(grep -cE '^(gemm|quantize|step) ' table.txt)" -eq 3 ] || fail "the table lacks lines: $(cat table.txt)"
[ "$(ls bench.json*)" = bench.json ] || fail "files are left behind: $(ls bench.json*)"

one=$("$python" -c 'import json; print([x["flops"] for x in json.load(open("bench.json"))["backends"][0]["items"] if x["name"] == "gemm"][0])')

# ---- vectors far larger than caches are near the copy ceiling; the picks that are written are the nearest rows ----
bench --set bench.items=copy_matrix,axpy,quantize --set bench.memory=0 --set bench.graph_nodes=500000 --set bench.queries=50 --set bench.export=arrays \
    >/dev/null 2>&1 || fail "export"
"$python" -c '
import json
for x in json.load(open("bench.json"))["backends"][0]["items"]:
    if x["name"] == "axpy": assert 0.02 < x["share_of_copy"] < 3, x
' || fail "share of the copy ceiling"
"$python" - <<'PYTHON' || fail "exported picks"
import array
def read(name, kind):
    a = array.array(kind); a.frombytes(open("arrays/" + name, "rb").read()); return a
u, c, picks = read("vectors.f32", "f"), read("codebook.f32", "f"), read("picks.i32", "i")
assert (len(u), len(c), len(picks)) == (50 * 64, 600 * 64, 50 * 5)
for i in range(50):
    dots = [sum(a * b for a, b in zip(u[64 * i:64 * i + 64], c[64 * j:64 * j + 64])) for j in range(600)]
    best = sorted(dots, reverse=True)[:5]
    assert all(abs(dots[picks[5 * i + k]] - best[k]) < 1e-5 for k in range(5)), i  # float32 sums of 64 products
PYTHON

# ---- ranks add up: twice the ranks do twice the operations ----
"$MPIRUN" -n 2 "$MEDTOK" bench $small --set run.threads=1 --set bench.items=gemm,step >two.txt 2>&1 || fail "2 ranks: $(cat two.txt)"
"$python" - "$one" <<'PYTHON' || fail "2 ranks: $(cat two.txt)"
import json, sys
cpu = json.load(open("bench.json"))["backends"][0]
items = {x["name"]: x for x in cpu["items"]}
assert cpu["ranks"] == 2 and cpu["threads"] == 1
assert items["gemm"]["flops"] == 2 * float(sys.argv[1])
assert items["step"]["codes"] == 64
PYTHON

# ---- steps on real files ----
medtok prepare 2>/dev/null && medtok encode 2>/dev/null
"$MEDTOK" bench --config small.yaml --set bench.items=step --set bench.data=files --set bench.seconds=0 --set bench.repeats=1 \
    --set bench.json="$work/files.json" >/dev/null 2>log.txt || fail "bench.data=files: $(cat log.txt)"
"$python" -c 'import json; assert json.load(open("files.json"))["backends"][0]["items"][0]["codes"] == 96' || fail "files.json"
[ -e vocabulary.h5 ] && [ -e text.h5 ] || fail "bench removed the files that it was given"

# ---- the scripts of tests/bench that cannot run everywhere name settings that there are ----
for job in $("$MEDTOK" --help | sed -n '/^jobs:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    "$MEDTOK" "$job" --help | sed -n 's/^  \([a-z]*\.[a-z_]*\) .*/\1/p'
done | sort -u >keys.txt
grep -ohE --directories=skip -e '--set [a-z]+\.[a-z_]+=' "$ROOT"/tests/bench/* | sed 's/--set \(.*\)=/\1/' | sort -u >used.txt
[ -s used.txt ] || fail "no settings found in tests/bench"
unknown=$(comm -13 keys.txt used.txt)
[ -z "$unknown" ] || fail "tests/bench sets what is no setting: $unknown"

# ---- mistakes ----
nvidia-smi -L >/dev/null 2>&1 || expect_error 1 'run.device is cuda, but there is none' bench --set run.device=cuda
expect_error 2 'no item gem; there are all, step, .*gemm, gemm.gradient, .*quantize' bench --set bench.items=gem
expect_error 2 'bench.json is empty' bench --set bench.json=
expect_error 1 'cannot make .*/proc/nowhere' bench --set bench.items=gemm --set bench.json=/proc/nowhere/bench.json
expect_error 1 'missing.h5' bench --set bench.items=step --set bench.data=files --set bench.repeats=1 \
    --set files.text=text.h5 --set files.vocabulary="$work/missing.h5"
finish
