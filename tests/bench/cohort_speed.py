"""Rounds of `medtok cohort` and of DuckDB on one folder of MIMIC-IV; see cohort_speed.sh."""
import argparse
import glob
import os
import sys
import time

import rounds

TABLES = ["hosp/patients", "hosp/admissions", "hosp/diagnoses_icd", "hosp/procedures_icd", "hosp/prescriptions"]

# Events much as the cohort has them: diagnoses at discharge, procedures at the end of their day, drugs when they begin.
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
                                                ELSE concat('MEDICATION//NDC//', ndc, '//', trim(drug)) END
    FROM read_csv('{hosp/prescriptions}', types = {{'ndc': 'VARCHAR', 'starttime': 'TIMESTAMP', 'gsn': 'VARCHAR', 'dose_val_rx': 'VARCHAR',
                                                    'form_val_disp': 'VARCHAR', 'doses_per_24_hrs': 'VARCHAR', 'stoptime': 'VARCHAR'}});
COPY (SELECT e.subject_id, p.gender, p.birth, p.dod, e.hadm_id, a.admittime, a.dischtime, coalesce(e.time, a.dischtime) AS time, e.code
      FROM events e JOIN admissions a USING (hadm_id) JOIN patients p ON p.subject_id = e.subject_id
      ORDER BY e.subject_id, time) TO '{out}' (FORMAT parquet);
"""


# Runs a command and says the kB of its largest process, and its seconds of processor time.
MEASURE = ("import resource, subprocess, sys; status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL); "
           "r = resource.getrusage(resource.RUSAGE_CHILDREN); print(r.ru_maxrss, r.ru_utime + r.ru_stime); sys.exit(status)")


def measured(command, launcher=()):
    """Wall-clock seconds of a command, GB of its largest process, and seconds of processor time of all."""
    begin = time.time()
    lines = rounds.run([*launcher, sys.executable, "-c", MEASURE] + command).splitlines()
    said = [[float(x) for x in line.split()] for line in lines]
    return time.time() - begin, max(x[0] for x in said) / 1e6, sum(x[1] for x in said)


def ours(arguments, out):
    command = [rounds.MEDTOK, "cohort", "--force"]
    for setting in ("cohort.folder=" + arguments.folder, "files.cohort=" + out, "cohort.kinds=diagnosis,procedure,drug",
                    "cohort.tasks=[mortality]"):  # DuckDB makes no samples; none at all cannot be asked for
        command += ["--set", setting]
    return measured(command, ["mpirun", "--bind-to", "none", "-n", str(arguments.ranks)])


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
        here = ours(arguments, os.path.join(arguments.work, "cohort.h5"))
        there = duckdb(arguments, os.path.join(arguments.work, "events.parquet"))
        rows.append([*here, *there, there[0] / here[0]])
    rounds.table([("medtok, s", "%.1f"), ("GB a rank", "%.2f"), ("CPU s", "%.1f"), ("DuckDB, s", "%.1f"), ("GB", "%.2f"), ("CPU s", "%.1f"),
                  ("times as fast", "%.2f")], rows)


if __name__ == "__main__":
    main()
