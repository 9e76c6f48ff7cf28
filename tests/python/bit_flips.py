"""A flipped bit in any file of the pipeline is refused by whatever job reads it, or changes nothing.

BIT_FLIPS (default 42) random bits over checkpoint, text, vocabulary, table, cohort and a file of health records, one at a time; after each, the
jobs that read the file. A job must end with exit code 1 and one error line, or give the output of the undamaged file. BIT_FLIPS_SEED
(default 1) chooses the bits. `BIT_FLIPS=200 python tests/python/bit_flips.py` is the run by hand. Standard library alone.
"""
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ.get("ROOT", pathlib.Path(__file__).resolve().parents[2]))
MEDTOK = os.environ.get("MEDTOK", str(ROOT / "build" / "medtok"))
SAMPLE = ROOT / "tests" / "sample"
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1",
                   OMPI_MCA_ess_singleton_isolated="1", OMPI_MCA_pml="ob1", OMPI_MCA_btl="self")  # starts in a third of the time
CONFIG = f"""
files:
  codes: [{SAMPLE}/codes.tsv]
  graph: {SAMPLE}/kg.csv
  vocabulary: vocabulary.h5
  text: text.h5
  checkpoint: checkpoint.h5
  table: table.h5
  export: export
  cohort: cohort.h5
synth: {{folder: hospital, patients: 60, formats: [mimic4]}}
cohort: {{folder: hospital/mimic4, tasks: [mortality]}}
run: {{threads: 1, seed: 3}}
text: {{dim: 64}}
quantizer: {{size: 300, dim: 32}}
train: {{batch: 96, steps: 6, checkpoint_every: 0, log_every: 6}}
inspect: {{resamples: 20, sample: 50}}
"""
NEW_CODES = "system\tcode\tdescription\tnodes\nICD10CM\tE11.998\tType 2 diabetes mellitus, made up\t3;4\n"

SUBJECT = "10000007"  # the first of a made-up hospital

# A job: its arguments, what it writes (to be removed before each run), and whether standard output counts.
JOBS = {
    "encode": (["--set", "files.text=out.h5"], "out.h5", False),
    "train": (["--set", "files.checkpoint=out.h5"], "out.h5", False),
    "tokenize": (["--set", "files.table=out.h5"], "out.h5", False),
    "append": (["--codes", "new.tsv", "--append-to", "table.h5", "--set", "files.table=out.h5"], "out.h5", False),
    "inspect": (["--set", "files.report=out.json"], "out.json", True),
    "lookup": (["E11.9", "--near", "5"], None, True),
    "export": ([], "export", False),
    "verify": ([], None, True),
    "verify text": (["text.h5"], None, True),
    "verify checkpoint": (["checkpoint.h5"], None, True),
    "verify cohort": (["cohort.h5"], None, True),
    "cohort": (["--set", "files.cohort=out.h5"], "out.h5", False),
    "explain": ([SUBJECT], None, True),
}
READERS = {
    "vocabulary.h5": ["encode", "train", "tokenize", "inspect", "lookup", "verify"],
    "text.h5": ["train", "tokenize", "verify text"],
    "checkpoint.h5": ["tokenize", "append", "verify checkpoint"],
    "table.h5": ["verify", "inspect", "lookup", "export", "append"],
    "cohort.h5": ["verify cohort", "explain"],
    "hospital/mimic4/hosp/admissions.csv.gz": ["cohort"],
}


def medtok(job, *arguments):
    return subprocess.run([MEDTOK, job, "--config", "config.yaml", *arguments], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=300)


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)


def content(path):
    """What a file or folder of outputs holds, whatever its time and paths."""
    if os.path.isdir(path):
        return [(name, pathlib.Path(path, name).read_bytes()) for name in sorted(os.listdir(path))]
    if path.endswith(".h5"):
        verified = medtok("verify", path)
        return re.findall(r"content [0-9a-f]{32}", verified.stdout)[0]
    return pathlib.Path(path).read_bytes()


def run(job):
    """The run, and what came of it."""
    arguments, output, prints = JOBS[job]
    for path in ("out.h5", "out.jsonl", "out.json", "export"):
        remove(path)
    done = medtok("tokenize" if job == "append" else job.split()[0], *arguments)
    if done.returncode:
        return done, None
    return done, (done.stdout if prints else None, content(output) if output else None)


def main():
    flips = int(os.environ.get("BIT_FLIPS", "42"))
    seed = int(os.environ.get("BIT_FLIPS_SEED", "1"))
    chance = random.Random(seed)
    refused = same = bad = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.mkdir("mpi")
        ENVIRONMENT["OMPI_MCA_orte_tmpdir_base"] = os.path.join(folder, "mpi")  # not to be shared with another test's
        pathlib.Path("config.yaml").write_text(CONFIG)
        pathlib.Path("new.tsv").write_text(NEW_CODES)
        for job in ("synth", "prepare", "encode", "train", "tokenize", "cohort"):
            done = medtok(job)
            assert done.returncode == 0, done.stderr
        expected = {}
        for job in JOBS:
            done, expected[job] = run(job)
            assert done.returncode == 0, (job, done.stderr)
            assert run(job)[1] == expected[job], f"{job} gives another output when it is run again"
        whole = {name: pathlib.Path(name).read_bytes() for name in READERS}
        for flip in range(flips):
            name = list(READERS)[flip % len(READERS)]
            at = chance.randrange(8 * len(whole[name]))
            damaged = bytearray(whole[name])
            damaged[at // 8] ^= 1 << at % 8
            pathlib.Path(name).write_bytes(damaged)
            for job in READERS[name]:
                done, got = run(job)
                errors = len(re.findall(r"error: ", done.stderr))
                if done.returncode == 1 and errors == 1:
                    refused += 1
                elif done.returncode == 0 and got == expected[job]:
                    same += 1
                else:
                    bad += 1
                    print(f"FAILED: {name}, byte {at // 8}, bit {at % 8}: {job} ends with {done.returncode}, "
                          f"{'the same' if got == expected[job] else 'another'} output: {done.stderr[-400:]}")
            pathlib.Path(name).write_bytes(whole[name])
        os.chdir("/")
    print(f"{flips} flipped bits (seed {seed}), {refused + same + bad} runs: {refused} refused, {same} with the output of "
          f"the undamaged file, {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
