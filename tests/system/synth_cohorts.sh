#!/usr/bin/env bash
# One made-up hospital read from its MIMIC-IV, EHRSHOT, OMOP and MEDS forms is one cohort: the same splits, births, deaths, visits, events and
# labels; from MIMIC-III what that can hold. The labels are those that `synth` says are true, and `cohort` finds each planted fault, and
# nothing else, without losing a good row.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$PYTHON" -c 'import h5py, numpy' 2>/dev/null || skip "h5py is not installed for $PYTHON"
for kind in good bad; do
    faults=$([ $kind = bad ] && echo 2 || echo 0)
    "$MEDTOK" synth --set synth.folder=$kind synth.patients=800 run.seed=5 synth.faults=$faults 2>log.txt || fail "synth: $(cat log.txt)"
    for format in mimic3 mimic4 ehrshot omop meds; do
        "$MEDTOK" cohort --set cohort.folder=$kind/$format files.cohort=$kind-$format.h5 run.seed=5 cohort.most_bad=0.05 2>$kind-$format.log ||
            fail "cohort of $kind/$format: $(cat $kind-$format.log)"
    done
done

cat >compare.py <<'PY'
import collections, csv, gzip, re
import h5py
import numpy as np

NO_TIME = -2**63
KINDS = {1: "diagnoses", 2: "procedures", 3: "drugs", 4: "tests"}
ICD_FREE = {"mortality", "mortality_24h", "readmission_15d", "readmission_30d", "los_7d", "length_of_stay"}

def read(path):
    h = h5py.File(path)
    subject, kind = h["subject"][:], h["code_kind"][:]
    codes = np.array([c.decode() for c in h["code"][:]])
    found = {name: dict(zip(subject.tolist(), h[name][:].tolist())) for name in ("split", "birth", "death")}
    owner = np.repeat(subject, np.diff(h["visit_offsets"][:]))
    found["visits"] = sorted(zip(owner.tolist(), *(h["visit_" + name][:].tolist() for name in ("start", "end", "kind", "died"))))
    found["visit ids"] = sorted(zip(owner.tolist(), h["visit_start"][:].tolist(), h["visit_id"][:].tolist()))
    owner, code, time = np.repeat(subject, np.diff(h["event_offsets"][:])), h["event_code"][:], h["event_time"][:]
    for number, name in KINDS.items():
        of = kind[code] == number
        # what a test is called differs: MIMIC's items, LOINC
        text = np.full(of.sum(), "") if name == "tests" else codes[code[of]]
        found[name] = sorted(zip(owner[of].tolist(), time[of].tolist(), text.tolist(), np.nan_to_num(h["event_value"][:][of]).tolist()))
    static = (kind[code] == 6) & (time == NO_TIME)
    found["sexes"] = {(s, codes[c]) for s, c in zip(owner[static].tolist(), code[static].tolist()) if codes[c].startswith("GENDER")}
    offsets = h["task_offsets"][:]
    for i, task in enumerate(h["task"][:]):
        of = slice(offsets[i], offsets[i + 1])
        found["task " + task.decode()] = list(zip(subject[h["sample_subject"][of]].tolist(), h["sample_time"][of].tolist(), h["sample_label"][of].tolist()))
    found["faults"] = dict(zip((f.decode() for f in h["file"][:]), h["file_faults"][:].tolist()))
    return found

def equal(a, b, what):
    assert len(a) > 0, what + ": there are none"
    if a != b:
        left, right = (set(x.items()) if isinstance(x, dict) else set(x) for x in (a, b))
        raise SystemExit(f"{what}: {len(a)} and {len(b)}; only here {sorted(left - right)[:3]}, only there {sorted(right - left)[:3]}")

good = {f: read(f"good-{f}.h5") for f in ("mimic3", "mimic4", "ehrshot", "omop", "meds")}
first = good["mimic4"]
for form in ("ehrshot", "omop", "meds"):
    for what in ("split", "birth", "death", "visits", "sexes", *KINDS.values()):
        equal(first[what], good[form][what], f"{what} from MIMIC-IV and {form}")
    tasks = [t for t in first if t.startswith("task ") and t in good[form]]
    assert len(tasks) >= 4, tasks
    for task in tasks:
        equal(first[task], good[form][task], f"{task} from MIMIC-IV and {form}")
    if form != "meds":  # whose visits have no ids
        equal(first["visit ids"], good[form]["visit ids"], f"ids of visits from MIMIC-IV and {form}")
for what in ("split", "birth", "death", "visits", "visit ids", "sexes", "tests", *("task " + t for t in ICD_FREE)):
    equal(first[what], good["mimic3"][what], f"{what} from MIMIC-IV and mimic3")
for what in ("diagnoses", "procedures", "drugs"):
    assert len(first[what]) == len(good["mimic3"][what]), what

# labels: the hospital knows them without any reader
truth = collections.defaultdict(list)
for row in csv.DictReader(gzip.open("good/truth.csv.gz", "rt")):
    time = np.datetime64(row["prediction_time"].replace(" ", "T"), "us").astype(np.int64)
    truth["task " + row["task"]].append((int(row["subject_id"]), int(time), int(row["label"])))
assert len(truth) == 4
for task, samples in truth.items():
    equal(sorted(samples), sorted(first[task]), f"{task} and its truth")

# faults
planted = collections.defaultdict(set)
for row in csv.DictReader(gzip.open("bad/faults.csv.gz", "rt")):
    form, name = row["file"].split("/", 1)
    planted[form, name].add(int(row["line"]))
assert sum(map(len, planted.values())) == 2 * (6 * 5 - 1)
for form in good:
    bad = read(f"bad-{form}.h5")
    for name, n in bad["faults"].items():
        assert n == len(planted.get((form, name), ())), (form, name, n, planted.get((form, name)))
    assert sum(bad["faults"].values()) == sum(len(lines) for (f, _), lines in planted.items() if f == form)
    for name, line in re.findall(r"warning: (\S+), line (\d+): ", open(f"bad-{form}.log").read()):
        assert int(line) in planted[form, name], (form, name, line)
    for what in good[form]:
        if what in ("split", "birth", "death"):  # somebody who died before birth is there, without a death
            bad[what] = {s: x for s, x in bad[what].items() if s in good[form][what]}
        if what not in ("faults", "sexes"):
            equal(good[form][what], bad[what], f"{what} of {form} with faulty rows")
PY
"$PYTHON" compare.py >log.txt 2>&1 || fail "$(tail -n 3 log.txt)"
finish
