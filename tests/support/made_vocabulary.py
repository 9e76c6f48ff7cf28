"""Holds the files of a made-up vocabulary (`medtok synth`, synth.make=vocabulary) to the published counts, and to what is said of them.

usage: made_vocabulary.py FOLDER SCALE; plain files. Standard library alone, so that the largest scales take minutes.
"""
import collections
import csv
import sys

FOLDER, SCALE = sys.argv[1], float(sys.argv[2])
# MedTok's table: arXiv 2502.04397. PrimeKG's nodes and rows: doi:10.7910/DVN/IXA7BM.
CODES = {"SNOMED": 303325, "ICD10CM": 81184, "RxNorm": 81151, "ICD10PCS": 61644, "NDC": 54560, "ICD9CM": 18365, "CPT": 10602, "ATC": 6659}
NODES = {"biological_process": 28642, "gene/protein": 27671, "disease": 17080, "effect/phenotype": 15311, "anatomy": 14035, "molecular_function": 11169,
         "drug": 7957, "cellular_component": 4176, "pathway": 2516, "exposure": 818}
ROWS = {"anatomy_protein_present": 3036406, "drug_drug": 2672628, "protein_protein": 642150, "disease_phenotype_positive": 300634,
        "bioprocess_protein": 289610, "cellcomp_protein": 166804, "disease_protein": 160822, "molfunc_protein": 139060, "drug_effect": 129568,
        "bioprocess_bioprocess": 105772, "pathway_protein": 85292, "disease_disease": 64388, "contraindication": 61350, "drug_protein": 51306,
        "anatomy_protein_absent": 39774, "phenotype_phenotype": 37472, "anatomy_anatomy": 28064, "molfunc_molfunc": 27148, "indication": 18776,
        "cellcomp_cellcomp": 9690, "phenotype_protein": 6660, "off-label use": 5136, "pathway_pathway": 5070, "exposure_disease": 4608,
        "exposure_exposure": 4140, "exposure_bioprocess": 3250, "exposure_protein": 2424, "disease_phenotype_negative": 2386, "exposure_molfunc": 90,
        "exposure_cellcomp": 20}
DENSE = {"drug_drug", "anatomy_protein_present", "exposure_exposure"}  # at small scales they have as many as there is room for


def rows(name):
    with open(f"{FOLDER}/{name}.csv", newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def near(found, published, slack):
    return abs(found - published * SCALE) <= slack


# ---- codes ----
codes = {(r["system"], r["code"]): r for r in rows("codes")}
counts = collections.Counter(system for system, _ in codes)
assert set(counts) == set(CODES) and all(near(counts[s], n, 0.5) for s, n in CODES.items()), counts
assert sum(1 for _ in rows("codes")) == len(codes), "a code stands twice"
texts = [r["description"] for r in codes.values()]
assert len(set(texts)) == len(texts), "two codes have one description"
words = sum(len(t.split()) for t in texts) / len(texts)
assert 12 < words < 18, f"{words} words a description"  # some 24 tokens of BERT's WordPiece


def text_words(code):
    return set(codes[code]["description"].replace(",", "").split())


pairs = [((r["from_system"], r["from_code"]), (r["to_system"], r["to_code"])) for r in rows("parents")]
above = dict(pairs)
assert len(above) == len(pairs), "a code has two parents"
for child, parent in pairs:
    assert child[0] == parent[0] and text_words(parent) <= text_words(child), (child, parent)
    steps = 0
    while child in above:
        child, steps = above[child], steps + 1
        assert steps < 6, "parents go around"
for system in ("SNOMED", "RxNorm", "CPT"):  # their strings tell no parent; few codes have none
    n = sum(1 for code in codes if code[0] == system and code not in above)
    assert 0 < n < 0.15 * counts[system], (system, n)
for system, code in codes:  # parents that strings tell: E11.65 has the words of E11.6
    parent = (system, code[:-1].rstrip("."))
    if system in ("ICD10CM", "ICD9CM") and parent in codes:
        assert text_words(parent) <= text_words((system, code)), code

# ---- graph ----
kinds, relations, degree, edges, n_rows = {}, collections.Counter(), collections.Counter(), set(), 0
for r in rows("kg"):
    x, y = int(r["x_index"]), int(r["y_index"])
    assert kinds.setdefault(x, (r["x_type"], r["x_id"], r["x_name"])) == (r["x_type"], r["x_id"], r["x_name"]), r
    assert x != y, r
    relations[r["relation"]] += 1
    degree[x] += 1
    edges.add((r["relation"], r["display_relation"], x, y))
    n_rows += 1
assert len(edges) == n_rows, "a row stands twice"
assert all((relation, shown, y, x) in edges for relation, shown, x, y in edges), "an edge has one direction"
nodes = collections.Counter(kind for kind, _, _ in kinds.values())
assert sorted(kinds) == list(range(len(kinds))), "a node has no edge"
assert set(nodes) == set(NODES) and all(near(nodes[k], n, 0.5) or nodes[k] == 8 for k, n in NODES.items()), nodes
assert set(relations) == set(ROWS), relations
for relation, n in ROWS.items():  # pairs of rows; drug_protein has four parts
    if relation in DENSE and SCALE < 1:
        assert 0.1 * n * SCALE < relations[relation] < n * SCALE + 1, (relation, relations[relation])
    else:
        assert near(relations[relation], n, 4 if relation == "drug_protein" else 2), (relation, relations[relation])
by_degree = sorted(degree.values(), reverse=True)
most, median = sum(by_degree[: len(by_degree) // 100]) / n_rows, by_degree[len(by_degree) // 2]
assert most > 0.05 and by_degree[0] > 10 * median, f"hubs: the first hundredth has {most}, {by_degree[0]} beside a median of {median}"

# ---- what is planted: nodes that two codes list tell equivalents, edges tell topics ----
listed = {code: frozenset(map(int, r["nodes"].split(";"))) for code, r in codes.items() if r["nodes"]}
assert 0.95 < len(listed) / len(codes) < 0.99
by_node = collections.defaultdict(list)
for code, its in listed.items():
    for node in its:
        by_node[node].append(code)
right = collections.defaultdict(set)
for r in rows("equivalents"):
    right[(r["from_system"], r["from_code"]), r["to_system"]].add((r["to_system"], r["to_code"]))
assert len(right) > 0.1 * len(codes)
found, asked, by_chance = 0, 0, 0.0
for (code, to), answers in right.items():
    assert all(a in codes for a in answers)
    if code not in listed or not any(a in listed for a in answers):
        continue
    shared = collections.Counter(other for node in listed[code] for other in by_node[node] if other[0] == to)
    best = max(shared, key=lambda other: (shared[other] / len(listed[code] | listed[other]), other))
    asked, found = asked + 1, found + (best in answers)
    by_chance += len(answers) / counts[to]
assert found / asked > 0.9 > 10 * by_chance / asked, f"equivalents that node lists find: {found / asked}, by chance {by_chance / asked}"

topic = {(r["system"], r["code"]): r["group"] for r in rows("classes")}
assert set(topic) == set(codes)
n_topics = len(set(topic.values()))
of_node = {}
for code, its in listed.items():
    for node in its:
        of_node[node] = topic[code]  # all codes of a node are of its topic
for code, its in listed.items():
    assert all(of_node[node] == topic[code] for node in its), code
known = [(of_node[x], of_node[y]) for _, _, x, y in edges if x in of_node and y in of_node]
same = sum(a == b for a, b in known) / len(known)
assert same > 2 / n_topics, f"edges within a topic: {same} of {n_topics} topics"
print(f"{words:.1f} words, hubs {most:.3f}, {by_degree[0]} beside {median}, equivalents {found / asked:.3f} (chance {by_chance / asked:.4f}), edges within a topic {same:.3f}")
