"""The open demos of MIMIC-III and MIMIC-IV as list_records finds them, record by record, beside what pandas makes of the same files; from
gzip files, plain ones, and gzip files of several members, on 1, 2 and 3 ranks."""
import glob
import gzip
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy
    import pandas
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

ROOT = os.environ.get("ROOT", os.path.join(os.path.dirname(__file__), "..", ".."))
LIST = os.environ.get("LIST_RECORDS", os.path.join(ROOT, "build", "tests", "list_records"))
EHR = os.path.join(ROOT, "..", "shared", "data", "ehr")
if not os.path.isdir(os.path.join(EHR, "mimic3_demo")):
    print("skipped: the demos of MIMIC are not in", EHR)
    sys.exit(77)
KINDS = "diagnosis,procedure,drug,measurement,visit"
TABLES = {
    "mimic3": ["patients", "admissions", "icustays", "diagnoses_icd", "procedures_icd", "prescriptions", "labevents"],
    "mimic4": ["hosp/patients", "hosp/admissions", "icu/icustays", "hosp/diagnoses_icd", "hosp/procedures_icd", "hosp/prescriptions",
               "hosp/labevents"],
}


def source(name, table):
    """The path of a table in the demos; the laboratory of MIMIC-IV stands there under another name."""
    if name == "mimic3":
        return os.path.join(EHR, "mimic3_demo", table.upper() + ".csv.gz")
    return os.path.join(EHR, "mimic4_demo", table.replace("labevents", "labevents_from_meds") + ".csv.gz")


# ---- what pandas says ----
def us(column):
    """Microseconds as text, - for none."""
    times = pandas.to_datetime(column.where(column != "", None), format="ISO8601")
    numbers = times.to_numpy().astype("datetime64[us]").astype("int64")
    return numpy.where(times.isna(), "-", numbers.astype(str))


def found(what, table, frame, *columns):
    """Lines of list_records, one for each row of the frame."""
    values = [numpy.broadcast_to(numpy.asarray(c, dtype=object), len(frame)) for c in columns]
    return ["\t".join((what, str(table)) + row) for row in zip(frame["line"], *values)]


def event(table, frame, visit, time, precision, kind, code, value="-"):
    visits = numpy.where(visit == "", "-", visit)
    return found("event", table, frame, frame["subject_id"], visits, time, str(precision), kind, code, value)


def facts(table, frame, prefix, column):
    frame = frame[frame[column] != ""]
    return event(table, frame, "", "-", 0, "fact", prefix + frame[column])


def drug_code(frame):
    digits = frame["ndc"].where(frame["ndc"].str.fullmatch(r"\d{7,11}") & ~frame["ndc"].str.fullmatch("0+"), "")
    name = frame["drug"].str.strip()
    return numpy.where(digits != "", "MEDICATION//NDC//" + digits.str.zfill(11) + "//" + name, "MEDICATION//NAME//" + name)


def expected(name):
    frames = []
    for table in TABLES[name]:
        frame = pandas.read_csv(source(name, table), dtype=str, keep_default_na=False)
        frame["line"] = [str(i + 2) for i in range(len(frame))]  # no field of the demos has a line break
        frames.append(frame)
    patients, admissions, stays, diagnoses, procedures, drugs, labs = frames
    third = name == "mimic3"
    if third:
        dob = pandas.to_datetime(patients["dob"])
        moved = dob.dt.year < 2000
        birth = us((dob + pandas.to_timedelta(numpy.where(moved, 76336, 0), unit="D")).astype(str))
        assert moved.sum() == 8
    else:
        birth = us((patients["anchor_year"].astype(int) - patients["anchor_age"].astype(int)).astype(str) + "-01-01")
    lines = found("subject", 0, patients, patients["subject_id"], birth, us(patients["dod"]), "1", "-1")
    lines += facts(0, patients, "GENDER//", "gender")
    discharge, dead = (pandas.to_datetime(admissions[c]) for c in ("dischtime", "deathtime"))
    end = discharge.where(~(dead > discharge), dead)
    assert (end != discharge).sum() == (1 if third else 4)
    lines += found("visit", 1, admissions, admissions["subject_id"], admissions["hadm_id"], us(admissions["admittime"]), us(end.astype(str)),
                   "3", admissions["hospital_expire_flag"])
    died = admissions[admissions["deathtime"] != ""]
    lines += found("death", 1, died, died["subject_id"], us(died["deathtime"]), "0")
    lines += event(1, admissions, admissions["hadm_id"], "-", 0, "fact", "RACE//" + admissions["ethnicity" if third else "race"])
    lines += event(2, stays, stays["hadm_id"], us(stays["intime"]), 0, "visit", "ICU_ADMISSION//" + stays["first_careunit"])
    lines += event(2, stays, stays["hadm_id"], us(stays["outtime"]), 0, "visit", "ICU_DISCHARGE//" + stays["last_careunit"])
    for number, frame, kind in ((3, diagnoses, "diagnosis"), (4, procedures, "procedure")):
        code = "9//" + frame["icd9_code"] if third else frame["icd_version"] + "//" + frame["icd_code"]
        day = kind == "procedure" and not third
        lines += event(number, frame, frame["hadm_id"], us(frame["chartdate"]) if day else "-", 1 if day else 2, kind,
                       kind.upper() + "//ICD//" + code)
    when = drugs["startdate" if third else "starttime"]
    lines += event(5, drugs, drugs["hadm_id"], us(when), 1 if third else 0, "drug", drug_code(drugs))
    numbers = pandas.to_numeric(labs["valuenum"].where(labs["valuenum"] != "", None)).astype("float64").astype("float32")
    value = ["-" if numpy.isnan(x) else "%.9g" % x for x in numbers]
    lines += event(6, labs, labs["hadm_id"], us(labs["charttime"]), 0, "measurement",
                   "LAB//" + labs["itemid"] + "//" + labs["valueuom"].str.strip().replace("", "UNK"), value)
    return sorted(lines)


# ---- what the program says ----
def listed(name, folder, ranks, work):
    out = os.path.join(work, "out")
    command = [os.environ.get("MPIRUN", "mpirun"), "-n", str(ranks)] if ranks > 1 else []
    subprocess.run(command + [LIST, name, folder, KINDS, out], check=True)
    lines = []
    for path in sorted(glob.glob(out + ".*")):
        with open(path, encoding="utf-8") as file:
            lines += file.read().split("\n")[:-1]
        os.remove(path)
    return lines


def write(name, folder, form):
    """The demo's tables in the form. Plain ones lie flat, with names and headers in several cases."""
    for i, table in enumerate(TABLES[name]):
        with gzip.open(source(name, table)) as file:
            text = file.read()
        if form == "plain":
            table = os.path.basename(table)
            head, rows = text.split(b"\n", 1)
            text = (head.upper() if i % 3 else head.lower()) + b"\n" + rows
        path = os.path.join(folder, table if i % 2 or "/" in table else table.upper()) + ".csv"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if form == "plain":
            with open(path, "wb") as file:
                file.write(text)
        elif form == "gzip":
            shutil.copy(source(name, table), path + ".gz")
        else:
            with open(path + ".gz", "wb") as file:
                for at in range(0, len(text), 100003):
                    file.write(gzip.compress(text[at:at + 100003]))


for name in TABLES:
    wanted = expected(name)
    with tempfile.TemporaryDirectory() as work:
        for form in ("gzip", "plain", "members"):
            folder = os.path.join(work, form)
            os.mkdir(folder)
            write(name, folder, form)
            for ranks in (1, 2, 3):
                lines = sorted(listed(name, folder, ranks, work))
                if lines != wanted:
                    only = sorted(set(lines) - set(wanted))[:5], sorted(set(wanted) - set(lines))[:5]
                    raise SystemExit("%s, %s, %d ranks: %d records, pandas has %d; only here, only there: %s" % (
                        name, form, ranks, len(lines), len(wanted), only))
            print("%s, %s: %d records are those of pandas" % (name, form, len(wanted)))
