#!/usr/bin/env bash
# Training speed on one GPU beside PyTorch on the same GPU (peer_torch_cuda.py: the same mathematics, data on the device), in turns.
# Exit code 77 where there is no CUDA device. Writes a markdown table to standard output.
# usage: peer_cuda.sh [CODES.tsv.gz KG.csv.gz]; needs PyTorch with CUDA. BATCH: codes of a step, 1024; COMPUTE: fp32, tf32 or bf16, of
# both; PEER_ARGS: e.g. --compile.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
    echo "skipped: no CUDA device" >&2
    exit 77
fi
need torch
"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || {
    echo "skipped: PyTorch sees no CUDA device" >&2
    exit 77
}
codes=${1:-../shared/data/vocabulary/codes.tsv.gz}
graph=${2:-../shared/data/graph/kg.csv.gz}
training_files "$codes" "$graph"
"$python" tests/bench/training_speed.py "$work" tests/bench/peer_torch_cuda.py "$codes" "$graph" --backend cuda \
    --batch "${BATCH:-1024}" --rounds "$rounds" --compute "${COMPUTE:-fp32}" --tokens "$mean_tokens" 24 \
    --peer-args "--device cuda --compute ${COMPUTE:-fp32} --steps 50 ${PEER_ARGS:-}"
