#!/usr/bin/env bash
# The whole way of the CUDA backend through the program, on the emulation of CUDA on the CPU (kernels/tests/emulation): training and
# tokens are those of the CPU backend, on one rank and on two, and so are the answers of a language model. It is no test of a GPU.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -x "${MEDTOK_EMULATED:-}" ] || skip "this build has no emulation of CUDA"

medtok prepare 2>/dev/null && medtok encode 2>/dev/null || fail "prepare and encode"
emulated() { "$MPIRUN" -n "$1" "$MEDTOK_EMULATED" "$2" --config "$work/small.yaml" --set run.device=cuda "${@:3}"; }
numbers() { sed 's/.*"loss": \([^,]*\),.*"gradient_norm": \([^,]*\),.*/\1 \2/' "$1"; }
small="--set train.batch=48 --set train.steps=4 --set quantizer.revive_after=2"
# same CPU CUDA STEPS TOLERANCE: losses and gradient norms of two metrics files, apart by less than that share.
same() {
    paste <(numbers "$1") <(numbers "$2") | awk -v n="$3" -v tolerance="$4" '
        function off(a, b) { return (a > b ? a - b : b - a) > tolerance * (a > 0 ? a : -a) }
        off($1, $3) || off($2, $4) {bad++} END {exit !(NR == n && !bad)}' ||
        fail "$2 is not $1: $(paste <(numbers "$1") <(numbers "$2"))"
}
medtok_ranks 1 train $small --set run.device=cpu --set files.checkpoint=cpu.h5 2>/dev/null || fail "training on the CPU"
for ranks in 1 2; do
    emulated $ranks train $small --set files.checkpoint=cuda$ranks.h5 2>log || fail "training on $ranks rank(s): $(cat log)"
    grep -q 'device cuda' log || fail "not on the device: $(cat log)"
    same cpu.jsonl cuda$ranks.jsonl 4 2e-4 # sums of a few hundred float32 terms in another order; four steps
done
gpu='0000:01:00[.]0' # the emulation's; a real one, by MEDTOK_EMULATED=build/medtok, has its own
[[ $MEDTOK_EMULATED == *emulated* ]] || gpu='[0-9a-f:]+[.][0-7]'
[ "$(grep -c 'gradients are summed' log)" -eq 1 ] && grep -qE "warning: gradients are summed by MPI, .*: rank 1: it shares the GPU $gpu of .* with rank 0$" log ||
    fail "two ranks on one GPU, and NCCL: $(cat log)"

# The update is recorded in its second step, here one of the warm-up, and played from then on: the codebook moves behind it.
ema="--set quantizer.update=ema --set quantizer.ema_decay=0.5 --set quantizer.warmup=2 --set train.steps=6"
medtok train $small $ema --set run.device=cpu --set files.checkpoint=cpu_ema.h5 2>/dev/null || fail "moving averages on the CPU"
emulated 1 train $small $ema --set files.checkpoint=cuda_ema.h5 2>log || fail "moving averages: $(cat log)"
same cpu_ema.jsonl cuda_ema.jsonl 6 2e-4

# Features in float32 stay on the device as they are; those before were halves. Tokens are of residuals, or sparse coding.
medtok encode --set text.precision=fp32 --set files.text=wide.h5 2>/dev/null || fail "encode in float32"
for assign in residual sparse; do
    wide="--set files.text=wide.h5 --set train.steps=3 --set quantizer.assign=$assign"
    medtok train $small $wide --set run.device=cpu --set files.checkpoint=cpu_$assign.h5 2>/dev/null || fail "training with $assign on the CPU"
    emulated 1 train $small $wide --set files.checkpoint=cuda_$assign.h5 2>log || fail "training with $assign: $(cat log)"
    same cpu_$assign.jsonl cuda_$assign.jsonl 3 2e-4
done

# Tokens of one checkpoint: the same, but for near ties.
medtok tokenize --set run.device=cpu --set files.checkpoint=cpu.h5 --set files.table=cpu_table.h5 2>/dev/null || fail "tokenize on the CPU"
emulated 1 tokenize --set files.checkpoint=cpu.h5 --set files.table=cuda_table.h5 2>log || fail "tokenize: $(cat log)"
h5dump -d tokens -o cpu.txt -y cpu_table.h5 >/dev/null
h5dump -d tokens -o cuda.txt -y cuda_table.h5 >/dev/null
paste <(tr -cs '0-9-' '\n' <cpu.txt) <(tr -cs '0-9-' '\n' <cuda.txt) | awk '$1 != $2 {n++} END {exit !(NR > 10000 && n < 0.002 * NR)}' ||
    fail "other tokens"
h5diff -q -d 1e-3 cpu_table.h5 cuda_table.h5 embedding || echo "some embeddings differ by near ties"

# The text encoder.
encoder="--set text.encoder=bert --set text.model=$ROOT/tests/golden/text/bf16-shards --set text.max_tokens=40"
head -n 41 "$SAMPLE/codes.tsv" >few.tsv
medtok prepare --set files.codes=few.tsv --set files.vocabulary=few.h5 2>/dev/null || fail "prepare a few codes"
medtok encode $encoder --set text.precision=fp32 --set run.device=cpu --set files.vocabulary=few.h5 --set files.text=cpu_text.h5 2>/dev/null || fail "encode"
emulated 1 encode $encoder --set text.precision=fp32 --set files.vocabulary=few.h5 --set files.text=cuda_text.h5 2>log || fail "encode: $(cat log)"
h5diff -r -d 1e-4 cpu_text.h5 cuda_text.h5 features >differences # the attribute with the checksum differs
grep -A 1 '^dataset' differences | grep -q '^0 differences' || fail "other features: $(head differences)"

# A language model learns to answer, with vectors of codes before the questions, and answers.
cp -r "$ROOT/tests/golden/llama/smollm2" model && chmod -R u+w model && sed -i 's/"max_position_embeddings": 256/"max_position_embeddings": 1024/' model/config.json
awk -F'\t' 'NR > 1 && NR < 8 { printf "{\"id\": \"%d\", \"stem\": \"Case %d?\", \"options\": [\"x\", \"y\", \"z\"], \"answer\": \"%s\", \"codes\": [[\"%s\", \"%s\"]]}\n",
    NR, NR, substr("ABC", NR % 3 + 1, 1), $1, $2 }' "$SAMPLE/codes.tsv" >questions.jsonl
for device in cpu cuda; do
    program=$MEDTOK
    [ $device = cpu ] || program=$MEDTOK_EMULATED
    qa=(qa.model=model qa.questions=questions.jsonl qa.prefix=vectors files.table=cpu_table.h5 qa.adapter=adapter_$device run.device=$device run.threads=1)
    "$program" qa-train --set "${qa[@]}" qa.batch=3 qa.steps=2 qa.warmup=1 qa.rate=1e-3 qa.checkpoint=qa_$device.h5 qa.metrics=qa_$device.jsonl 2>log || fail "qa-train on $device: $(cat log)"
    grep -q "device $device" log || fail "not on $device: $(cat log)"
    "$program" qa --set "${qa[@]}" qa.rotations=0 qa.report=qa_$device.json >out 2>log || fail "qa on $device: $(cat log)"
done
same qa_cpu.jsonl qa_cuda.jsonl 2 2e-4
scores() { grep '"scores"' "$1" | tr -d '[],' | cut -d: -f2; }
paste -d' ' <(scores qa_cpu.json) <(scores qa_cuda.json) | awk '{ for (i = 1; i <= 3; i++) bad += ($i - $(i + 3)) ^ 2 > 1e-6 * $i ^ 2 } END { exit bad || NR != 6 || NF != 6 }' ||
    fail "other scores: $(paste <(scores qa_cpu.json) <(scores qa_cuda.json))"
finish
