"""A made-up code table and knowledge graph with planted clusters, for tests/bench/partition.sh.

    clustered_graph.py CODES NODES CLUSTERS FOLDER      # FOLDER/codes.tsv, FOLDER/kg.csv

Nodes fall into clusters of uneven size (Zipf's law). An edge joins two nodes of a cluster, or, one in ten, any two; ends are drawn with a heavy
tail, so that a cluster has hubs, and one in a thousand nodes is a hub of the whole graph. Half of the codes list one node, each node about as
often as it has edges; a code's subgraph is grown from it."""
import os
import sys

import numpy as np

n_codes, n_nodes, n_clusters, folder = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
rng = np.random.default_rng(1)
size = 1 / np.arange(1, n_clusters + 1) ** 0.5
first = np.concatenate([[0], np.cumsum(size / size.sum() * n_nodes)]).astype(int)
first[-1] = n_nodes
cluster = np.searchsorted(first, np.arange(n_nodes), side="right") - 1


def within(c):
    """Nodes of clusters c, the first ones of a cluster more often."""
    return first[c] + ((first[c + 1] - first[c]) * rng.random(len(c)) ** 3).astype(int)


n_edges = 10 * n_nodes
source = np.concatenate([np.arange(n_nodes), rng.integers(0, n_nodes, n_edges)])
target = within(cluster[source])
far = rng.random(len(source)) < 0.1
target[far] = np.where(rng.random(far.sum()) < 0.5, rng.integers(0, n_nodes, far.sum()), rng.integers(0, n_nodes // 1000 + 1, far.sum()) * 997 % n_nodes)
name = rng.permutation(n_nodes)  # numbers tell nothing
pairs = np.unique(np.stack([np.minimum(source, target), np.maximum(source, target)], 1)[source != target], axis=0)
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, "kg.csv"), "w") as f:
    f.write("relation,display_relation,x_index,x_id,x_type,x_name,x_source,y_index,y_id,y_type,y_name,y_source\n")
    for a, b in np.concatenate([pairs, pairs[:, ::-1]]):
        x, y = name[a], name[b]
        f.write(f"made_up,made up,{x},{x},gene,n{x},MADE,{y},{y},gene,n{y},MADE\n")
listed = name[within(cluster[rng.integers(0, n_nodes, n_codes)])]
has = rng.random(n_codes) < 0.5
with open(os.path.join(folder, "codes.tsv"), "w") as f:
    f.write("system\tcode\tdescription\tnodes\n")
    for i in range(n_codes):
        f.write(f"MADE\tc{i}\tmade up {i}\t{listed[i] if has[i] else ''}\n")
