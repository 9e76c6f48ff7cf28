"""Rounds of `medtok cohort` and of DuckDB on one folder of MIMIC-IV; see cohort_speed.sh."""
import argparse
import glob
import os
import resource
import subprocess
import sys
import time

import rounds

TABLES = ["hosp/patients", "hosp/admissions", "hosp/diagnoses_icd", "hosp/procedures_icd", "hosp/prescriptions"]

# Events as the cohort has them: diagnoses at discharge, procedures at the end of their day or of the visit, drugs when they begin.
QUERY = """
CREATE VIEW admissions AS SELECT subject_id, hadm_id, admittime, dischtime FROM read_csv('{hosp/admissions}');
CREATE VIEW patients AS SELECT subject_id, gender, make_date(anchor_year - anchor_age, 1, 1) AS birth, dod FROM read_csv('{hosp/patients}');
CREATE VIEW events AS
    SELECT subject_id, hadm_id, NULL::TIMESTAMP AS time, concat('DIAGNOSIS//ICD//', icd_version, '//', trim(icd_code)) AS code
    FROM read_csv('{hosp/diagnoses_icd}', types = {{'icd_code': 'VARCHAR'}})
  UNION ALL
    SELECT subject_id, hadm_id, chartdate + INTERVAL '86399999999 microseconds', concat('PROCEDURE//ICD//', icd_version, '//', trim(icd_code))
    FROM read_csv('{hosp/procedures_icd}', types = {{'icd_code': 'VARCHAR', 'chartdate': 'DATE'}})
  UNION ALL
    SELECT subject_id, hadm_id, starttime, CASE WHEN ndc IS NULL OR ndc = '0' THEN concat('MEDICATION//NAME//', trim(drug))
                                                ELSE concat('MEDICATION//NDC//', ndc) END
    FROM read_csv('{hosp/prescriptions}', types = {{'ndc': 'VARCHAR', 'starttime': 'TIMESTAMP', 'gsn': 'VARCHAR', 'dose_val_rx': 'VARCHAR',
                                                    'form_val_disp': 'VARCHAR', 'doses_per_24_hrs': 'VARCHAR', 'stoptime': 'VARCHAR'}});
COPY (SELECT e.subject_id, p.gender, p.birth, p.dod, e.hadm_id, a.admittime, a.dischtime, least(coalesce(e.time, a.dischtime), greatest(e.time, a.dischtime)) AS time, e.code
      FROM events e JOIN admissions a USING (hadm_id) JOIN patients p ON p.subject_id = e.subject_id
      ORDER BY e.subject_id, time) TO '{out}' (FORMAT parquet);
"""


def measured(command):
    """Wall-clock seconds of a command, and kB of its largest process."""
    code = ("import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)")
    begin = time.time()
    largest = max(int(x) for x in rounds.run([sys.executable, "-c", code] + command).split())
    return time.time() - begin, largest


def ours(arguments, out):
    """RANKS processes, each of which says its memory."""
    code = ("import resource, subprocess, sys; status = subprocess.call(sys.argv[1:], stderr=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)")
    command = ["mpirun", "--bind-to", "none", "-n", str(arguments.ranks), sys.executable, "-c", code, rounds.MEDTOK, "cohort", "--force"]
    for setting in ("cohort.folder=" + arguments.folder, "files.cohort=" + out, "cohort.kinds=diagnosis,procedure,drug"):
        command += ["--set", setting]
    begin = time.time()
    largest = max(int(x) for x in rounds.run(command).split())
    return time.time() - begin, largest


def duckdb(arguments, out):
    paths = {t: min(glob.glob(os.path.join(arguments.folder, t + ".csv*"))) for t in TABLES}
    query = QUERY.format(out=out, **paths)
    program = "import duckdb, sys; c = duckdb.connect(); [c.execute(x) for x in sys.argv[1:]]"
    setup = "SET threads = %d; SET memory_limit = '%dGB'; SET temp_directory = '%s'" % (
        arguments.ranks, arguments.ranks * arguments.memory, arguments.work)
    return measured([sys.executable, "-c", program, setup, query])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work")
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--memory", type=int, default=3)
    arguments = parser.parse_args()
    import duckdb as module
    print(rounds.versions("DuckDB " + module.__version__) + "; %d ranks, %d threads of DuckDB; load at the start %.1f\n" % (
        arguments.ranks, arguments.ranks, os.getloadavg()[0]))
    rows = []
    for _ in range(arguments.rounds):
        our_time, our_memory = ours(arguments, os.path.join(arguments.work, "cohort.h5"))
        their_time, their_memory = duckdb(arguments, os.path.join(arguments.work, "events.parquet"))
        rows.append([our_time, their_time, our_memory / 1e6, their_memory / 1e6, their_time / our_time])
    rounds.table([("medtok, s", "%.1f"), ("DuckDB, s", "%.1f"), ("medtok, GB a rank", "%.2f"), ("DuckDB, GB", "%.2f"),
                  ("times as fast", "%.2f")], rows)


if __name__ == "__main__":
    main()
