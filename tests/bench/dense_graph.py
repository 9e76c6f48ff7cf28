#!/usr/bin/env python3
"""A denser knowledge graph for results/tokens.md: made edges within the subgraphs of codes.

usage: dense_graph.py VOCABULARY.h5 KG.csv[.gz] EDGES_PER_NODE OUT.csv    (needs h5py, numpy, pandas)

Each code with at least eight nodes gets EDGES_PER_NODE edges for each of its nodes, between two nodes of its own drawn by chance (seed
0), in both directions. results/tokens.md: 7 of the 14,378 codes' graph, 300,460 edges more; `prepare` then finds 721 edges a code.
"""
import sys

import h5py
import numpy as np
import pandas as pd

vocabulary, graph, per_node, out = sys.argv[1:]
rng = np.random.default_rng(0)
edges = pd.read_csv(graph, dtype=str)
columns = [[f"{side}_{what}" for what in ("index", "id", "type", "name", "source")] for side in "xy"]
nodes = {int(row[0]): tuple(row) for side in columns for row in edges[side].drop_duplicates().itertuples(index=False)}
with h5py.File(vocabulary) as f:
    offsets, listed = f["node_offsets"][:], f["nodes"][:]
pairs = set()
for first, end in zip(offsets, offsets[1:]):
    own = listed[first:end]
    if len(own) >= 8:
        pairs.update((int(min(p)), int(max(p))) for p in rng.choice(own, (int(float(per_node) * len(own)), 2)) if p[0] != p[1])
made = []
for a, b in sorted(pairs):
    if a in nodes and b in nodes:
        for x, y in (nodes[a], nodes[b]), (nodes[b], nodes[a]):
            made.append((f"{x[2]}_{y[2]}".replace("/", "_"), "made") + x + y)
pd.concat([edges, pd.DataFrame(made, columns=edges.columns)]).to_csv(out, index=False)
print(f"{len(pairs)} edges made: {out}")
