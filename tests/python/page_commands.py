"""The commands of the pages, as they stand there, page after page in a copy of the repository, on the sample with small settings: all
fences of shell, but for those lines that NOT_RUN lists with a reason. What they are given in place of a user's data, cluster and cores is
set up below. One block is one script, which ends at the first command that fails."""
import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from pages import ROOT, pages  # noqa: E402

MEDTOK = os.path.abspath(os.environ.get("MEDTOK", os.path.join(ROOT, "build", "medtok")))
MPIRUN = shutil.which(os.environ.get("MPIRUN", "mpirun"))

# Pages, and commands (from their beginning), that are not run, and why. Each entry must be of use.
NOT_RUN_PAGES = {"tests/README.md": "how tests and comparisons are run by hand: minutes, downloads, other programs"}
NOT_RUN = {
    r"jobs/test": "the tests, of which this is one",
    r"spack ": "there is no Spack: slurm/recipes.sh reads the recipe",
    r"apptainer build ": "there is no Apptainer: slurm/recipes.sh reads the definition",
    r"(mpirun -n 2 sh -c .*perf record|perf report)": "perf is not there",
    r"(mpirun -n 2 nsys|ncu) ": "Nsight is not there",
    r"build/medtok probe --set files.vocabulary=v.h5": "its figures are of the public maps: by hand (tests/README.md)",
    r"build/medtok baseline .*baseline.model=xgboost": "system/baseline.sh runs it where XGBoost is",
}
# Those that need what may be missing.
NEEDS = {r"jobs/parquet_to_tsv.py ": importlib.util.find_spec("pyarrow"), r"h5dump ": shutil.which("h5dump")}

# What a command is given less of than it says: key=value in its arguments, and settings over those of its files.
LESS = {"synth.patients": "60", "synth.scale": "0.01", "ehr.seeds": "1", "ehr.pretrain_steps": "2", "train.eval_every": "2"}
SMALL = """
text: {dim: 32}
graph: {node_dim: 32}
quantizer: {size: 90, dim: 16}
train: {batch: 32, steps: 3, checkpoint_every: 0, eval_codes: 64}
attention: {layers: 1}
inspect: {resamples: 20}
probe: {resamples: 20, queries: 100}
synth: {patients: 60, formats: [mimic4], codes: made, diseases: 10, drugs: 5}
cohort: {split: 60/20/20}
ehr: {steps: 2, seeds: 1, dim: 16, layers: 1, heads: 2, inner: 16, batch: 8, eval_every: 2, max_length: 32, resamples: 20, futures: 2}
baseline: {resamples: 20, rounds: 2}
score: {resamples: 20}
report: {points: 40}
run: {threads: 1}
"""
# What is the same wherever it stands, and is run where it stands first.
ONCE = r"(slurm/submit --config configs/full.yaml( --check)?|jobs/evaluate-demo)$"
# What is said besides. bench measures the ceilings of the machine for seconds: its settings are read here, system/bench.sh runs it.
FURTHER = {
    "bench ": "--dry-run",
    "--config grid.yaml": "--set ehr.grid.arms=base,medtok-init ehr.grid.samples=all ehr.grid.tasks=los_7d",
    "evaluate --config configs/evaluate-demo.yaml": "--set ehr.grid.arms=base,medtok-init",
    "synth.codes=vocabulary": "--set synth.diseases=4",
}
MAY_FAIL = "doctor"  # it may have something to say of the machine that runs the tests

PROGRAM = """#!/usr/bin/env bash
arguments=()
for a in "$@"; do
    case $a in
LESS
    esac
    arguments+=("$a")
done
further=
case "$* " in
FURTHER
esac
case ${1:-} in [a-z]*) [ "$1" = help ] || arguments+=(--config "$SMALL" $further) ;; esac
[ "${1:-}" != MAY_FAIL ] || { "$PROGRAM" "${arguments[@]}"; [ $? -le 1 ]; exit; }
exec "$PROGRAM" "${arguments[@]}"
"""
# Programs of a cluster, and mpirun: the first time with two ranks, then without any, which a tenth of the time is enough for.
STAND_INS = {
    "mpirun": f"""n=$2; shift 2
[ ! -e "$STATE/ranks" ] || exec "$@"
touch "$STATE/ranks"
exec env -u OMPI_MCA_ess_singleton_isolated {MPIRUN} -n 2 "$@" """,
    "srun": 'while [ "${1#-}" != "$1" ]; do case $1 in -N | -n) shift ;; esac; shift; done; exec "$@"',
    "sbatch": 'echo x >>"$STATE/jobs"; wc -l <"$STATE/jobs"',
    "scancel": "exit 0",
    "squeue": "exit 0",
    "module": '[ "$1" = load ]',
    "cmake": "exit 0",
    "apptainer": '[ "$1" = exec ] || exit 2; shift; [ "$1" != --nv ] || shift; [ "${1%.sif}" != "$1" ] && shift 2 && exec build/medtok "$@"',
    # Run folders are called after the time.
    "date": """[ "${1:-}" = +%Y%m%d-%H%M%S ] || exec /bin/date "$@"
n=0; while ls runs/*-20261126-12000$n >/dev/null 2>&1; do n=$((n + 1)); done; echo 20261126-12000$n""",
    "python3": f'exec {sys.executable} "$@"',
}


def write(path, text, executable=False):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    if executable:
        os.chmod(path, 0o755)


def make_copy():
    """What the commands touch of the repository, with stand-ins for what is around it; in the current folder."""
    for folder in ("configs", "slurm", "tests/sample"):
        shutil.copytree(os.path.join(ROOT, folder), folder)
    os.mkdir("jobs")
    for script in ("quickstart", "evaluate-demo", "common.sh", "parquet_to_tsv.py"):
        shutil.copy(os.path.join(ROOT, "jobs", script), "jobs")
    cases = "".join(f"        {key}=*) a={key}={value} ;;\n" for key, value in LESS.items()).rstrip()
    further = "".join(f'    *"{words}"*) further="{more}" ;;\n' for words, more in FURTHER.items()).rstrip()
    write("build/medtok", PROGRAM.replace("LESS", cases).replace("FURTHER", further).replace("MAY_FAIL", MAY_FAIL), True)
    for name, script in STAND_INS.items():
        write(f"bin/{name}", "#!/usr/bin/env bash\n" + script + "\n", True)
    write("small.yaml", SMALL)
    os.mkdir("state")


def make_data():
    """What a user brings."""
    with open("tests/sample/codes.tsv", encoding="utf-8") as file:
        lines = file.read().splitlines() 
    lines += ["NDC\t00002120001\tmetformin 500 MG\t", "ICD9CM\t157.9\tMalignant neoplasm of pancreas\t"]  # a map's; a disease that synth has
    os.makedirs("data")
    with gzip.open("data/codes.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    with gzip.open("data/codes-2027.tsv.gz", "wt", encoding="utf-8") as file:  # the next edition
        file.write("\n".join(lines + ["ICD10CM\tE11.A\tType 2 diabetes mellitus without complications in remission\t"]) + "\n")
    shutil.copy("tests/sample/kg.csv", "data")
    shutil.copy("tests/sample/kg.csv", "data/kg-2027.csv")
    if importlib.util.find_spec("pyarrow"):
        import pyarrow
        import pyarrow.parquet
        columns = list(zip(*(line.split("\t") for line in lines[1:])))
        columns[3] = [[int(n) for n in nodes.split(";") if n] for nodes in columns[3]]
        names = ["code_system", "med_code", "desc", "pkg_index_list"]
        pyarrow.parquet.write_table(pyarrow.table(dict(zip(names, columns))), "all_codes_mappings.parquet")
    write("new.tsv", "system\tcode\tdescription\nICD10CM\tE11.999\tType 2 diabetes mellitus, made up\n")
    write("maps/gem_icd9_to_icd10cm.csv", "icd_9,icd_10,flags\n25000,E119,10000\n4019,I10,10000\n")
    write("maps/ndc_to_atc.tsv", "ndc11\tatc_code\n00002120001\tA10BA02\n")
    write("maps/icd10cm_chapters.tsv", "icd10cm\tgroup\nE119\tE00-E89\nE1122\tE00-E89\nI10\tI00-I99\n")
    write("maps/icd9cm_headers.tsv", "system\tcode\tdescription\nICD9CM\t250.00\tadult-onset diabetes\n")
    write("maps/icd10cm_headers.tsv", "system\tcode\tdescription\nICD10CM\tE11.9\tadult-onset diabetes\n")
    question = "A man with type 2 diabetes takes which drug?\n A:  metformin\n B:  aspirin\n C:  warfarin\n D:  digoxin\n"
    with gzip.open("data/medmcqa_dataset.json.gz", "wt", encoding="utf-8") as packed:
        json.dump([{"input": [question, "A"], "medical_codes": []}] * 2, packed)
    for name in ("ndc_to_atc", "icd10cm_chapters", "icd9cm_headers", "icd10cm_headers"):
        with open(f"maps/{name}.tsv", "rb") as plain, gzip.open(f"maps/{name}.tsv.gz", "wb") as packed:
            packed.write(plain.read())
    write("maps/ccs_icd10cm.tsv", "icd10cm\tgroup\nE119\tdiabetes\nE1122\tdiabetes\nE1121\tdiabetes\nI10\thypertension\n")
    rows = "".join(f"{s},2020-01-0{d} 00:00:00,{'true' if s % 3 == 0 else 'false'},0.{(s * 7 + d) % 10}\n" for s in range(30) for d in (1, 2))
    for name in ("mine", "other", "los", "los-8-0", "los-8-1"):
        write(f"{name}.csv", "subject_id,prediction_time,boolean_value,predicted_boolean_probability\n" + rows)
    shutil.copytree(os.path.join(ROOT, "tests/golden/text/f16"), "models/minilm")
    subprocess.run(["build/medtok", "synth", "--set", "synth.folder=made", "run.log_level=error"], check=True)
    shutil.copytree("made/mimic4", "data/mimic-iv")


def commands_of(page, text, used, done):
    """Those of a block that are run here."""
    kept = []
    for command in page.commands(text):
        reason = next((pattern for pattern in NOT_RUN if re.match(pattern, command)), None)
        need = next((pattern for pattern in NEEDS if re.match(pattern, command)), None)
        if reason:
            used.add(reason)
        elif re.match(ONCE, command) and command in done:
            continue
        elif need and not NEEDS[need]:
            print(f"left out, since what it needs is not here: {command}")
        else:
            kept.append(command)
            done.add(command)
    return kept


def main():
    environment = dict(os.environ, PATH=os.path.abspath("bin") + os.pathsep + os.environ["PATH"], SMALL=os.path.abspath("small.yaml"), PROGRAM=MEDTOK,
                       STATE=os.path.abspath("state"), SKIP_PACKAGES="1", OMPI_MCA_ess_singleton_isolated="1", OMP_NUM_THREADS="1")
    for name in ("MEDTOK", "BUILD", "MPIRUN", "ROOT"):
        environment.pop(name, None)
    if os.geteuid() == 0:
        environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    environment["OMPI_MCA_rmaps_base_oversubscribe"] = "1"
    os.environ.update(environment)
    make_copy()
    make_data()
    used, begun, n_commands, failures = set(), set(), 0, []
    # Pages that work on what others make come behind them; results/ holds figures, and commands that made them.
    order = ["README.md", "jobs/README.md", "src/ingest/README.md"]
    found = pages()
    run = [p for p in found if not p.path.startswith("results/") and p.path not in NOT_RUN_PAGES]
    failures += [f"NOT_RUN_PAGES: there is no page {path}" for path in NOT_RUN_PAGES if path not in {p.path for p in found}]
    for page in sorted(run, key=lambda p: order.index(p.path) if p.path in order else len(order)):
        for language, text, before in page.fences:
            named = re.search(r"`([\w-]+\.yaml)`:$", before)
            if language == "yaml" and named:
                write(named.group(1), text)
            if language != "sh":
                continue
            commands = commands_of(page, text, used, begun)
            script = "set -euo pipefail\n" + "\n".join(commands) + "\n"
            done = subprocess.run(["bash", "-x"], input=script, capture_output=True, text=True, env=environment)
            n_commands += len(commands)
            if done.returncode:
                failures.append(f"{page.path}: ended with {done.returncode}:\n{text}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}")
    failures += [f"NOT_RUN[{pattern!r}] is the beginning of no command" for pattern in NOT_RUN if pattern not in used]
    for failure in failures:
        print("FAILED:", failure)
    print(f"{n_commands} commands", "all good" if not failures else "")
    return bool(failures) or n_commands < 40


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    failed = main()
    os.chdir(ROOT)
sys.exit(failed)
