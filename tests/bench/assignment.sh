#!/usr/bin/env bash
# Top-5 assignment of 100,000 vectors to a codebook of 21,000 x 64, beside FAISS's exhaustive search (IndexFlatIP), on the same
# vectors and threads, in turns; and the largest sgemm of the same runs. Writes a markdown table to standard output.
# usage: assignment.sh [VECTORS [ROWS]]; needs FAISS and NumPy (python3-faiss, or faiss-cpu from PyPI: PYTHON=VENV/bin/python).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need faiss
need numpy
"$python" tests/bench/assignment.py "$work" --vectors "${1:-100000}" --rows "${2:-21000}" --rounds "$rounds" \
    --threads "${THREADS:-$(nproc)}"
