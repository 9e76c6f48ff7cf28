"""jobs/parquet_to_tsv.py on a file made here: values, order, odd rows, a missing column; `prepare` reads the outcome."""
import gzip
import os
import subprocess
import sys
import tempfile

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    print("skipped: pyarrow is not installed")
    sys.exit(77)

ROOT = os.environ.get("ROOT", os.path.join(os.path.dirname(__file__), "..", ".."))
SCRIPT = os.path.join(ROOT, "jobs", "parquet_to_tsv.py")

with tempfile.TemporaryDirectory() as folder:
    source, target = os.path.join(folder, "codes.parquet"), os.path.join(folder, "codes.tsv.gz")
    columns = {"extra": [1.0, 2.0, 3.0], "med_code": ["E11.9", "A10BA02", "Z23.0"],
               "desc": ["Type 2\tdiabetes\nmellitus", None, "Ménière"], "code_system": ["icd10", "atc", "icd10"],
               "pkg_index_list": [[4, 7], [], None]}
    pq.write_table(pa.table(columns), source)
    subprocess.run([sys.executable, SCRIPT, source, target], check=True)
    lines = gzip.open(target, "rt", encoding="utf-8").read().splitlines()
    assert lines == ["med_code\tdesc\tcode_system\tpkg_index_list", "E11.9\tType 2 diabetes mellitus\ticd10\t4;7",
                     "A10BA02\t\tatc\t", "Z23.0\tMénière\ticd10\t"], lines
    assert os.listdir(folder).count("codes.tsv.gz.tmp") == 0
    first, again = open(target, "rb").read(), os.path.join(folder, "again.tsv.gz")
    os.utime(target, (1, 1))
    subprocess.run([sys.executable, SCRIPT, source, again], check=True)
    assert open(again, "rb").read() == first and b"codes" not in first[:20], "the same table has other bytes"

    medtok = os.environ.get("MEDTOK")
    if medtok:
        run = subprocess.run([medtok, "prepare", "--set", "files.codes=" + target, "--set",
                              "files.graph=" + os.path.join(ROOT, "tests/sample/kg.csv"), "--set",
                              "files.vocabulary=" + os.path.join(folder, "v.h5")], capture_output=True, text=True)
        assert run.returncode == 0 and "3 codes; 2 without a graph" in run.stderr, run.stderr

    pq.write_table(pa.table({"med_code": ["x"]}), source)
    run = subprocess.run([sys.executable, SCRIPT, source, target], capture_output=True, text=True)
    assert run.returncode == 1 and "lacks the columns desc, code_system, pkg_index_list" in run.stderr, run.stderr
    run = subprocess.run([sys.executable, SCRIPT, SCRIPT, target], capture_output=True, text=True)
    assert run.returncode == 1 and len(run.stderr.splitlines()) == 1, run.stderr
print("all good")
