#!/usr/bin/env bash
# `medtok encode` with a language model beside transformers and onnxruntime: the same texts, model and cores, in one run.
# usage: text_encoder.sh MODEL_FOLDER [CODES.tsv.gz]; PYTHON names an interpreter with torch, transformers, onnxruntime, onnx.
# Takes 10,000 descriptions, every 32nd of the table. Our figure counts computing, converting and writing the file.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
model=$1
codes=${2:-../shared/data/vocabulary/codes.tsv.gz}
medtok=${MEDTOK:-build/medtok}
threads=${THREADS:-$(nproc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
zcat "$codes" | cut -f3 | tail -n +2 | awk 'NR % 32 == 1 && n++ < 10000' >"$work/texts"
{ printf 'system\tcode\tdescription\tnodes\n'; awk '{printf "X\tc%d\t%s\t\n", NR, $0}' "$work/texts"; } >"$work/codes.tsv"
"$medtok" prepare --set files.codes="$work/codes.tsv" --set files.graph=tests/sample/kg.csv --set files.vocabulary="$work/v.h5" 2>/dev/null
"${PYTHON:-python3}" tests/bench/text_encoder_peers.py "$model" "$work/texts" "$threads" 2>/dev/null | grep -E 'texts|GFLOP'
for compute in fp32 bf16; do
    for ranks in 1 "$threads"; do
        for try in 1 2; do
            rm -f "$work/t.h5"
            mpirun --allow-run-as-root --bind-to none -n "$ranks" "$medtok" encode --set files.vocabulary="$work/v.h5" --set files.text="$work/t.h5" \
                --set text.encoder=bert --set text.model="$model" --set text.compute=$compute --set run.threads=$((threads / ranks)) 2>&1 |
                sed -nE 's/.*encode: ([0-9]+) tokens in .*\(([0-9.e+]+) tokens.*/\2/p'
        done | sort -g | tail -n 1 | awk -v c=$compute -v r="$ranks" -v t=$((threads / ranks)) -v n="$(wc -l <"$work/texts")" \
            '{printf "medtok encode, %s, %d rank(s) x %d thread(s): %.0f tokens/s\n", c, r, t, $1}'
    done
done
