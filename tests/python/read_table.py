"""The README's example, run as it stands there on the sample's table; and what NumPy reads of the export is what h5py reads."""
import os
import re
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

ROOT = os.environ.get("ROOT", os.path.join(os.path.dirname(__file__), "..", ".."))
MEDTOK = os.environ.get("MEDTOK", os.path.join(ROOT, "build", "medtok"))

with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as readme:
    example = re.search(r"```python\n(.*?)```", readme.read(), re.S).group(1)

with tempfile.TemporaryDirectory() as folder:
    files = {"vocabulary": "vocabulary.h5", "text": "text.h5", "checkpoint": "checkpoint.h5", "table": "table.h5",
             "export": "export"}
    sets = [part for key, name in files.items() for part in ("--set", f"files.{key}={os.path.join(folder, name)}")]
    sets += ["--set", "train.steps=5", "--set", "train.checkpoint_every=0"]
    for job in ("prepare", "encode", "train", "tokenize", "export"):
        subprocess.run([MEDTOK, job, "--config", "configs/quickstart.yaml"] + sets, check=True, cwd=ROOT,
                       stderr=subprocess.DEVNULL)
    path = os.path.join(folder, "table.h5")
    names = {}
    exec(example.replace("results/quickstart/table.h5", path), names)
    assert names["vector"].shape == (256,) and names["codes"][names["row"]] == "E11.9"

    with h5py.File(path) as table:
        assert table["tokens"].shape == (710, 4, 5) and table["tokens"].dtype == numpy.int32
        assert table["weights"].shape == (710, 4, 5) and table["weights"].dtype == numpy.float32
        assert table["embedding"].shape == (710, 256) and table["codebook"].shape == (600, 64)
        assert list(table["group"][:]) == [b"text-specific", b"graph-specific", b"shared-text", b"shared-graph"]
        weights, tokens = table["weights"][:], table["tokens"][:]
        absent = tokens[:, :, 0] < 0
        assert table.attrs["sparse"] == 1 and (weights >= 0).all() and (numpy.diff(weights, axis=2) <= 0).all()
        assert (absent == (absent[:, 1:2] & numpy.array([False, True, False, True]))).all()
        mean = numpy.einsum("ngk,ngkd->ngd", weights, table["codebook"][:][tokens])
        length = numpy.linalg.norm(mean, axis=2)  # of what least squares finds of a vector of norm 1
        assert (length <= 1 + 1e-5).all() and ((length > 0.1) == ~absent).all()
        weight = float(table.attrs["graph_weight"].decode().rstrip("\0"))
        assert weight == 0.7
        mean *= numpy.array([1, weight, 1, weight])[:, None]
        assert numpy.allclose(mean.reshape(710, 256), table["embedding"][:], atol=1e-5)
        for name, array in (("tokens_all", tokens), ("weights_all", weights), ("embeddings_all", table["embedding"][:])):
            exported = numpy.load(os.path.join(folder, "export", name + ".npy"))
            assert exported.dtype == array.dtype and (exported == array).all(), name
    with h5py.File(os.path.join(folder, "text.h5")) as text:
        assert text["features"].dtype == numpy.float16 and numpy.isfinite(text["features"][:]).all()
        # Rows have norm sqrt(dim), rounded to half precision (relative 2^-11).
        norms = numpy.linalg.norm(text["features"][:].astype(float), axis=1)
        assert numpy.allclose(norms, 16, rtol=1e-3)
    import json
    with open(os.path.join(folder, "export", "tokens.jsonl"), encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) == 710 and rows[names["row"]]["tokens"] == tokens[names["row"]].tolist()
print("all good")
