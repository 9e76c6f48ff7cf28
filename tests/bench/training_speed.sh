#!/usr/bin/env bash
# Training speed beside the PyTorch peer (the same mathematics, written well, text features random), in turns on the same cores:
# codes that have a graph, 21,000 x 64 codebook, two ranks of one core against two PyTorch threads. The peer's texts are all of
# one length: the mean of ours, and its own default of 24. Writes a markdown table to standard output.
# usage: training_speed.sh [CODES.tsv.gz KG.csv.gz PEER.py]; needs PyTorch (python3-torch). BATCH: codes of a step, 1024.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need torch
codes=${1:-../shared/data/vocabulary/codes.tsv.gz}
graph=${2:-../shared/data/graph/kg.csv.gz}
training_files "$codes" "$graph"
"$python" tests/bench/training_speed.py "$work" "${3:-../shared/tools/peer_torch.py}" "$codes" "$graph" --backend cpu \
    --batch "${BATCH:-1024}" --rounds "$rounds" --ranks "${RANKS:-2}" --tokens "$mean_tokens" 24
