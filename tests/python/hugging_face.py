"""What `export hf` writes is the table: read as NumPy alone reads it, and as transformers load it, offline; codes get what `lookup` prints."""
import json
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
TYPES = {"F32": "<f4", "I32": "<i4", "U8": "u1"}


SEVERAL = "system\tcode\tdescription\tnodes\nHCPCS\t7.77\tone code\t\nCPT\t77.7\tanother, spelled like it but for a dot\t\n"


def medtok(folder, job, *arguments):
    names = {"vocabulary": "vocabulary.h5", "text": "text.h5", "checkpoint": "checkpoint.h5", "table": "table.h5", "export": "export"}
    sets = [f"files.{key}={os.path.join(folder, name)}" for key, name in names.items()]
    sets += [f"files.codes=[tests/sample/codes.tsv,{folder}/several.tsv]", "train.steps=5", "train.checkpoint_every=0", "train.batch=128", "run.threads=1"]
    done = subprocess.run([MEDTOK, job, "--config", "configs/quickstart.yaml", "--config", "tests/support/plain.yaml",
                           "--set", f"probe.report={folder}/probe.json"] + [a for s in sets for a in ("--set", s)] + list(arguments),
                          cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def read_safetensors(path):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        assert (8 + size) % 8 == 0
        data = file.read()
    assert header.pop("__metadata__") == {"format": "pt"}
    return {name: numpy.frombuffer(data[t["data_offsets"][0]:t["data_offsets"][1]], TYPES[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items()}


def looked_up(folder, code, k):
    """tokens and weights [4, K] as printed; -1 and 0 where absent."""
    status, out, err = medtok(folder, "lookup", code)
    assert status == 0, err
    groups = [re.findall(r"(\d+) \(([0-9.]+)\)", line) for line in out.splitlines()[1:]]
    return ([[int(t) for t, _ in g] or [-1] * k for g in groups], [[float(w) for _, w in g] or [0] * k for g in groups])


def check_weight(hf, tensors, table):
    """config.json has what makes embeddings of tokens."""
    with open(f"{hf}/config.json", encoding="utf-8") as file:
        weight = json.load(file)["graph_weight"]
    assert weight == float(table.attrs["graph_weight"].decode().rstrip("\0"))
    there = tensors["tokens"] >= 0
    made = ((tensors["weights"] * there)[..., None] * tensors["codebook.weight"][tensors["tokens"] * there]).sum(axis=2)
    made *= numpy.array([1, weight, 1, weight])[:, None]
    assert numpy.allclose(made.reshape(len(made), -1), tensors["embeddings"], atol=1e-6)
    with open(f"{hf}/README.md", encoding="utf-8") as file:
        assert ("groups times 0.7" in file.read()) == (weight == 0.7)


def check_files(folder, hf, table):
    tensors = read_safetensors(f"{hf}/model.safetensors")
    for name, dataset in (("codebook.weight", "codebook"), ("tokens", "tokens"), ("weights", "weights"), ("embeddings", "embedding")):
        assert tensors[name].dtype == table[dataset].dtype and (tensors[name] == table[dataset][:]).all(), name
    check_weight(hf, tensors, table)
    names = [f"{s.decode()}:{c.decode()}" for s, c in zip(table["system"][:], table["code"][:])]
    assert [bytes(row).rstrip(b"\0").decode() for row in tensors["codes"]] == names
    with open(f"{hf}/codes.tsv", encoding="utf-8") as lines:
        assert [line.rstrip("\n").replace("\t", ":", 1) for line in lines][1:] == names
    return names


def check_card(folder, hf, table):
    with open(f"{hf}/README.md", encoding="utf-8") as file:
        card = file.read()
    assert card.startswith("---\nlibrary_name: transformers\n") and card.count("\n---\n") == 1
    tokens = table["tokens"][:]
    for system in set(table["system"][:]):
        of = tokens[table["system"][:] == system]
        row = f"| {system.decode()} | {len(of)} | {(of[:, 0, 0] >= 0).sum()} | {(of[:, 1, 0] >= 0).sum()} |"
        assert row in card, row
    for wanted in (table.attrs["content_id"].decode().rstrip("\0"), "train.steps: 5",
                   subprocess.run(["sha256sum", f"{hf}/model.safetensors"], capture_output=True, text=True).stdout.split()[0]):
        assert wanted in card, wanted
    assert folder not in card, "the card tells folders of the machine"


def check_probes(folder, hf, table):
    """Figures of this table are on the card, those of another are not."""
    probe = {"probed_table": table.attrs["content_id"].decode().rstrip("\0"), "resamples": 20, "probes": {
        "an | <odd> *question*": {"seen": {"hit at 1": 0.5, "MRR": 0}, "of_hierarchy": 0, "figures": {
            "embedding": {"hit at 1": {"value": 0.25, "low": 0.125, "high": 0.5}, "MRR": {"value": 0.5, "low": 0.5, "high": 0.5}},
            "tokens": {"hit at 1": {"value": None}}}},
        "ATC": {"seen": {"nearest, level 1": 0.996}, "of_hierarchy": 1, "figures": {"embedding": {"nearest, level 1": {"value": 1, "low": 1, "high": 1}}}}}}
    rows = ("| by | hit at 1 (seen 50 %) | MRR |", "| embedding | 0.250 (0.125 to 0.500) | 0.500 (0.500 to 0.500) |",
            "| by | nearest, level 1* (seen 100 %) |", "seen: the training's graph holds the answer", "\\*: classes and distances of codes whose parents")
    for known in (True, False):
        with open(f"{folder}/probe.json", "w", encoding="utf-8") as file:
            json.dump(probe, file)
        status, _, err = medtok(folder, "export", "hf", hf)
        assert status == 0, err
        with open(f"{hf}/README.md", encoding="utf-8") as file:
            card = file.read()
        assert ("\n### an | \\<odd\\> \\*question\\*\n" in card) == known, card
        assert all(row in card for row in rows) if known else ("hit at 1" not in card and "of another table" in err), card
        probe["probed_table"] = "another"
    os.remove(f"{folder}/probe.json")


def check_folder(folder, hf):
    """What is not export's own is not replaced."""
    with open(f"{hf}/notes.txt", "w", encoding="utf-8") as file:
        file.write("mine")
    status, _, err = medtok(folder, "export", "hf", hf)
    assert status == 2 and "notes.txt" in err and os.path.exists(f"{hf}/notes.txt"), err
    os.remove(f"{hf}/notes.txt")
    os.mkdir(f"{hf}.tmp-medtok-1")
    status, _, err = medtok(folder, "export", "hf", hf + "/")
    assert status == 0 and not [name for name in os.listdir(folder) if "tmp-medtok" in name], err
    assert medtok(folder, "export", "hf")[0] == 2 and medtok(folder, "export", "parquet")[0] == 2


def check_vectors(path, table, names):
    """What is loaded from a folder gives what the table has; returns model and tokenizer."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer
    tokens, weights, vectors = table["tokens"][:], table["weights"][:], table["embedding"][:]
    k, n = tokens.shape[2], len(names)
    config = AutoConfig.from_pretrained(path, trust_remote_code=True)
    model = AutoModel.from_pretrained(path, trust_remote_code=True)
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=True)
    assert config.n_codes == n and config.hidden_size == vectors.shape[1] and len(tokenizer) == config.vocab_size
    assert config.provenance["content_id"] == table.attrs["content_id"].decode().rstrip("\0")

    found = model.lookup(names)
    assert (found.tokens.numpy() == tokens).all() and (found.weights.numpy() == weights).all()
    assert (found.embeddings.numpy() == vectors).all()
    assert all((a == b).all() for a, b in zip(tokenizer.lookup(names), (tokens, weights)))

    batch = tokenizer([names[:3], names[-1:]], padding=True, return_tensors="pt")
    assert batch["input_ids"].shape == (2, 12 * k) and batch["attention_mask"][1, 4 * k:].sum() == 0
    out = model(**batch)
    made = out.last_hidden_state.detach().numpy()
    # Sums of at most 16 products in float32.
    assert numpy.allclose(made[0], vectors[:3], atol=1e-6) and numpy.allclose(made[1, 0], vectors[-1], atol=1e-6)
    assert numpy.allclose(out.pooler_output.detach().numpy()[0], vectors[:3].mean(axis=0), atol=1e-6)
    assert (made[1, 1:] == 0).all() and numpy.allclose(out.pooler_output.detach().numpy()[1], vectors[-1], atol=1e-6)
    out.pooler_output.sum().backward()
    assert model.get_input_embeddings().weight.grad.abs().sum() > 0
    return model, tokenizer


def check_transformers(folder, exports, names):
    """exports: folders, and the tables that they are of."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_HOME=f"{folder}/home", TRANSFORMERS_VERBOSITY="error")
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        print("the files are good; skipped what transformers load:", error)
        sys.exit(77)
    torch.set_num_threads(1)
    for hf, table in exports:
        model, tokenizer = check_vectors(hf, table, names)
        model.save_pretrained(f"{hf}.saved")
        tokenizer.save_pretrained(f"{hf}.saved")
        model, tokenizer = check_vectors(f"{hf}.saved", table, names)

    tokens = table["tokens"][:]
    k = tokens.shape[2]
    absent = names[int(numpy.argmax(tokens[:, 1, 0] < 0))]
    for code in ("ICD10CM:E11.9", "icd10cm:e119", "E11.9", absent):
        printed = looked_up(folder, code, k)
        row = model.lookup(code)
        assert row.tokens[0].tolist() == printed[0], code
        assert numpy.allclose(row.weights[0].numpy(), printed[1], atol=5e-4), code  # printed with three decimals
        ids = tokenizer(code)
        there = numpy.array(printed[0]).reshape(-1) >= 0
        assert ids["input_ids"] == numpy.where(there, numpy.array(printed[0]).reshape(-1), tokenizer.pad_token_id).tolist()
        assert ids["attention_mask"] == there.astype(int).tolist()
    check_missing(model, tokenizer)
    check_spelling(sys.modules[type(tokenizer).__module__].CodeIndex)


def check_spelling(index):
    """Whole names go first, and of what is between letters and digits only blanks, dots and dashes do not count."""
    codes = index(["LAB:1/2", "LAB:12", "A:B:1", "B:1", "LAB:3.4"])
    wanted = {"LAB:1/2": 0, "lab:1/2": 0, "1/2": 0, "lab:1-2": 1, "1 2": 1, "B:1": 3, "b:1": 3, "A:B:1": 2, "lab:34": 4, "3.4": 4}
    assert {name: codes.row(name) for name in wanted} == wanted
    assert codes.row("lab:3/4", missing="absent") == -1


def check_missing(model, tokenizer):
    for ask in (model.lookup, tokenizer):
        try:
            ask(["ICD10CM:E11.9", "ICD10CM:E11.99"])
        except LookupError as error:
            assert "ICD10CM:E11.99 is not in the table; spelled most like it: " in str(error) and "ICD10CM:E11.9" in str(error)
        else:
            raise AssertionError("no error of a code that is not there")
        try:
            ask("ICD10CM:E11.99", missing="zero")
        except ValueError as error:
            assert 'expected "error" or "absent"' in str(error)
        else:
            raise AssertionError("no error of a choice that is not there")
        for several, codes in (("77-7", "HCPCS:7.77, CPT:77.7"), ("7.77", None)):
            try:
                ask(several, missing="absent")
                assert not codes
            except LookupError as error:
                assert codes and f"{several} means several codes: {codes}; name one of them" in str(error), error
    row = model.lookup("ICD10CM:E11.99", missing="absent")
    assert (row.tokens == -1).all() and (row.weights == 0).all() and (row.embeddings == 0).all()
    assert sum(tokenizer("ICD10CM:E11.99", missing="absent")["attention_mask"]) == 0


with tempfile.TemporaryDirectory() as folder:
    hf = os.path.join(folder, "hf")
    with open(f"{folder}/several.tsv", "w", encoding="utf-8") as file:
        file.write(SEVERAL)
    for job in (("prepare",), ("encode",), ("train",), ("tokenize",), ("export", "hf", hf)):
        status, _, err = medtok(folder, *job)
        assert status == 0, err
    # The same tokens, the graph's vectors shorter.
    weighed = os.path.join(folder, "weighed")
    for job in (("tokenize", "--set", "model.graph_weight=0.7"), ("export", "hf", weighed)):
        status, _, err = medtok(folder, *job, "--set", f"files.table={folder}/weighed.h5")
        assert status == 0, err
    with h5py.File(f"{folder}/table.h5") as table, h5py.File(f"{folder}/weighed.h5") as other:
        names = check_files(folder, hf, table)
        assert check_files(folder, weighed, other) == names and (table["embedding"][:] != other["embedding"][:]).any()
        check_card(folder, hf, table)
        check_probes(folder, hf, table)
        check_folder(folder, hf)
        check_transformers(folder, ((weighed, other), (hf, table)), names)
print("all good")
