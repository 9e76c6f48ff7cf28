"""What `synth` says of its hospital is so: the effects come out of a logistic regression on its MIMIC-IV files, the Bayes probabilities are
calibrated, and their scores are scikit-learn's.

Bounds: a z-score is (found - true) / standard error, of mean 0 and standard deviation 1 if the program is right. Some 200 of them have a mean within
5 / sqrt(200) and a root mean square within 5 / sqrt(2 * 200) of 1, but for one seed in a million; the largest is below 5. Chi-squared sums
of n bins have mean n and standard deviation sqrt(2 n).
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import pandas as pd
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ROOT = pathlib.Path(os.environ.get("ROOT", pathlib.Path(__file__).resolve().parents[2]))
MEDTOK = os.environ.get("MEDTOK", str(ROOT / "build" / "medtok"))
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_ess_singleton_isolated="1")
PATIENTS, BINS, FEWEST = 40000, 20, 150


def check_z(z, what):
    n = len(z)
    mean, root, largest = z.mean(), np.sqrt((z ** 2).mean()), np.abs(z).max()
    print(f"{what}: {n} effects; z has mean {mean:.3f}, root mean square {root:.3f}, largest {largest:.2f}")
    assert n > 50 and abs(mean) < 5 / np.sqrt(n) and abs(root - 1) < 5 / np.sqrt(2 * n) and largest < 5, what


def logistic_z(x, y, true, keep, what):
    """Of a fit without penalty; standard errors from the information matrix."""
    fit = LogisticRegression(C=1e7, max_iter=3000, tol=1e-7).fit(x, y)
    p = fit.predict_proba(x)[:, 1]
    dense = np.hstack([x.toarray(), np.ones((x.shape[0], 1))])
    information = (dense * (p * (1 - p))[:, None]).T @ dense
    error = np.sqrt(np.diag(np.linalg.pinv(information)))[:-1]
    check_z(((fit.coef_[0] - true) / error)[keep], what)


def check_truth(folder):
    truth = pd.read_csv(folder / "truth.csv.gz")
    said = json.load(open(folder / "hospital.json"))["bayes_held_out"]
    assert set(truth.task) == set(said) == {"mortality", "readmission_15d", "readmission_30d", "los_7d"}
    for task, rows in truth.groupby("task"):
        p, y = rows.probability.to_numpy(), rows.label.to_numpy()
        z = (y - p).sum() / np.sqrt((p * (1 - p)).sum())
        bins = rows.groupby(pd.qcut(p, BINS, duplicates="drop"), observed=True).agg(n=("label", "size"), y=("label", "mean"), p=("probability", "mean"))
        chi = (bins.n * (bins.y - bins.p) ** 2 / (bins.p * (1 - bins.p))).sum()
        reliability = (bins.n * (bins.y - bins.p) ** 2).sum() / len(rows)  # Murphy's decomposition of the Brier score
        brier, spread = ((p - y) ** 2).mean(), np.sqrt((p * (1 - p) * (1 - 2 * p) ** 2).sum()) / len(rows)
        print(f"{task}: {len(rows)} samples, z {z:.2f}, chi squared {chi:.1f} of {len(bins)} bins, Brier {brier:.5f}, of which reliability {reliability:.2e}")
        assert abs(z) < 5 and chi < len(bins) + 5 * np.sqrt(2 * len(bins)), task
        assert abs(brier - (p * (1 - p)).mean()) < 5 * spread, task  # what a calibrated score has
        held_out = rows[rows.split == "held_out"]
        for name, score in (("roc_auc_score", roc_auc_score), ("average_precision_score", average_precision_score), ("brier_score", brier_score_loss)):
            found = score(held_out.label, held_out.probability)
            assert abs(found - said[task][name]) < 2e-6, (task, name, found, said[task][name])  # six digits are said
        assert said[task]["samples"] == len(held_out)
    shares = truth.drop_duplicates("subject_id").split.value_counts(normalize=True)
    assert abs(shares["train"] - 0.7) < 0.02 and abs(shares["held_out"] - 0.2) < 0.02, shares


def read_mimic4(folder):
    admissions = pd.read_csv(folder / "mimic4/hosp/admissions.csv.gz", parse_dates=["admittime", "dischtime"])
    admissions = admissions.sort_values(["subject_id", "admittime"]).reset_index(drop=True)
    diagnoses = pd.read_csv(folder / "mimic4/hosp/diagnoses_icd.csv.gz", dtype={"icd_code": str})
    codes = pd.read_csv(folder / "codes.csv.gz", dtype={"code": str})
    codes["icd_version"] = np.where(codes.system == "ICD9CM", 9, 10)
    codes["icd_code"] = codes.code.str.replace(".", "", regex=False)
    found = diagnoses.merge(codes, on=["icd_version", "icd_code"], how="left")
    assert found.group.notna().all()
    counts = found.groupby(["icd_version", "icd_code"]).size()
    listed = codes.set_index(["icd_version", "icd_code"])["all"]
    assert (listed[listed > 0].sort_index() == counts.sort_index()).all()  # codes.csv counts right
    return admissions, found


def check_effects(folder):
    admissions, diagnoses = read_mimic4(folder)
    diseases = pd.read_csv(folder / "diseases.csv.gz")
    patients = pd.read_csv(folder / "mimic4/hosp/patients.csv.gz")
    diagnoses = diagnoses[diagnoses.group < len(diseases)]
    row = pd.Series(admissions.index, index=admissions.hadm_id)
    coded = np.zeros((len(admissions), len(diseases)))
    coded[row[diagnoses.hadm_id].to_numpy(), diagnoses.group.astype(int).to_numpy()] = 1
    age = admissions.merge(patients, on="subject_id").anchor_age.to_numpy()
    keep = coded.sum(0) > FEWEST
    died = admissions.hospital_expire_flag.to_numpy()
    logistic_z(sparse.csr_matrix(np.hstack([coded, (age[:, None] - 60) / 50])), died, np.append(diseases.death, 50 * 0.02),
               np.append(keep, True), "death in hospital")

    days = (admissions.dischtime - admissions.admittime).dt.total_seconds().to_numpy() / 86400
    dense = np.hstack([coded, np.ones((len(coded), 1))])
    fit = np.linalg.lstsq(dense, np.log(days), rcond=None)[0]
    spread = np.std(np.log(days) - dense @ fit)
    error = spread * np.sqrt(np.diag(np.linalg.pinv(dense.T @ dense)))
    check_z(((fit - np.append(diseases.stay, 0)) / error)[:-1][keep], "length of stay")

    history = coded.copy()
    same = admissions.subject_id.to_numpy()[1:] == admissions.subject_id.to_numpy()[:-1]
    for i in np.flatnonzero(same) + 1:
        history[i] = np.maximum(history[i], history[i - 1])
    following = admissions.groupby("subject_id").admittime.shift(-1)
    back = ((following - admissions.dischtime).dt.total_seconds() <= 30 * 86400).to_numpy()
    alive = died == 0
    logistic_z(sparse.csr_matrix(history[alive]), back[alive], diseases.back.to_numpy(), history[alive].sum(0) > FEWEST, "return within 30 days")

    wanted = {"admissions a patient": (len(admissions) / len(patients), 1.4975), "diagnoses": (len(read_mimic4(folder)[1]) / len(admissions), 8),
              "deaths": (died.mean(), 0.03), "returns": (back[alive].mean(), 0.2), "median stay": (np.exp(np.log(days).mean()), 2.8)}
    for name, (found, asked) in wanted.items():
        print(f"{name}: {found:.4f}, asked for {asked}")
        assert abs(found / asked - 1) < 0.06, name  # the intercepts are found on 6,000 patients


with tempfile.TemporaryDirectory() as folder:
    settings = [f"synth.folder={folder}/hospital", f"synth.patients={PATIENTS}", "synth.formats=mimic4", "synth.diagnoses=8", "synth.drugs=6",
                "synth.lab_days=0", "synth.death=0.03", "run.seed=11"]
    run = subprocess.run([MEDTOK, "synth", "--set", *settings], capture_output=True, text=True, env=ENVIRONMENT)
    assert run.returncode == 0, run.stderr
    check_truth(pathlib.Path(folder) / "hospital")
    check_effects(pathlib.Path(folder) / "hospital")
print("all good")
