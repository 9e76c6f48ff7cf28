#!/usr/bin/env bash
# qa-train and qa from the shell, on a small random model: questions whose answer only the vector of their code tells are answered with the
# vectors, and at chance without; ranks do not matter; an adapter says what it was trained as; what cannot be is refused.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

model=model
cp -r "$ROOT/tests/golden/llama/smollm2" model && chmod -R u+w model
sed -i 's/"max_position_embeddings": 256/"max_position_embeddings": 1024/' model/config.json # rotary positions have no table
for job in prepare encode train tokenize; do medtok $job >log 2>&1 || fail "$job: $(cat log)"; done

# The right letter is the number of the question's code modulo 4, and the code is drawn (Park and Miller's generator): stem and options say nothing.
# Codes are 37 apart: neighbours, which are siblings, may have the same tokens.
questions() { # FROM TO, CODES from which to draw
    awk -F'\t' -v from="$1" -v to="$2" -v n="$3" 'NR % 37 == 2 { code[++codes] = $2; system_of[codes] = $1 }
        END { draw = 4711 + from; for (i = from; i < to; i++) { for (turn = 0; turn < 5; turn++) draw = draw * 16807 % 2147483647; k = int(draw / 2147483647 * n) + 1
            printf "{\"id\": \"%d\", \"stem\": \"Which, in case %d?\", \"options\": [\"w\", \"x\", \"y\", \"z\"], \"answer\": \"%s\", \"codes\": [[\"%s\", \"%s\"]]}\n",
                i, i, substr("ABCD", k % 4 + 1, 1), system_of[k], code[k] } }' "$SAMPLE/codes.tsv"
}
questions 0 256 16 >learn.jsonl
questions 256 320 10 >test.jsonl # fewer codes: a code has the same vector in every file
settings=(files.table=table.h5 qa.model="$model" qa.questions=learn.jsonl qa.batch=16 qa.steps=80 qa.warmup=5 qa.rate=0.02 qa.rank=4 qa.alpha=8
    qa.dropout=0 qa.log_every=100 qa.checkpoint_every=0 run.threads=1 run.device=cpu)
learn() { # NAME PREFIX RANKS, settings
    "$MPIRUN" -n "$3" "$MEDTOK" qa-train --set "${settings[@]}" qa.prefix="$2" qa.checkpoint="$1.h5" qa.metrics="$1.metrics.jsonl" qa.adapter="$1" "${@:4}" \
        >log 2>&1 || fail "qa-train $1: $(cat log)"
}
answer() { # NAME PREFIX, settings
    "$MEDTOK" qa --set files.table=table.h5 qa.model="$model" qa.questions=test.jsonl run.threads=1 run.device=cpu qa.prefix="$2" qa.adapter="$1" \
        qa.rotations=0 qa.report="$1.json" "${@:3}" >out 2>log || fail "qa $1: $(cat log)"
}
right() { grep -o '"right": [0-9]*' "$1" | sed 1q | grep -o '[0-9]*'; }

learn vectors vectors 1 'qa.tests=[test.jsonl]'
answer vectors vectors qa.rotations=1
grep -q same_option_in_all_orders vectors.json || fail "no orders in the report"
[ "$(right vectors.json)" -ge 61 ] || fail "with the vectors $(right vectors.json) of 64 are right: $(cat out)"
for prefix in none null; do # 16 of 64 by chance, within three standard deviations of 3.5
    learn $prefix $prefix 1
    answer $prefix $prefix qa.against=vectors.json
    [ "$(right $prefix.json)" -ge 6 ] && [ "$(right $prefix.json)" -le 26 ] || fail "$prefix: $(right $prefix.json) of 64 are right, where 16 are chance: $(cat out)"
    [ "$(grep -o '"right_there_alone": [0-9]*' $prefix.json | grep -o '[0-9]*$')" -ge 35 ] || fail "the comparison of $prefix: $(cat out)"
    grep -q '"mcnemar_exact_p": [0-9.]*e-[01][0-9]' $prefix.json || fail "no small p: $(cat out)"
done
for prefix in random shuffled; do # they tell the codes apart as well, if a code has one vector in both files; the seed is the adapter's
    learn $prefix $prefix 1
    answer $prefix $prefix run.seed=99
    [ "$(right $prefix.json)" -ge 61 ] || fail "$prefix: $(right $prefix.json) of 64 are right: $(cat out)"
    grep -q "\"prefix\": \"$prefix\"" $prefix.json && grep -q '"adapter_seed": 0,' $prefix.json || fail "arm and seed of $prefix are not in its report"
done

# all arms beside each other
"$MEDTOK" qa-compare --set 'qa_compare.reports=[vectors.json, none.json, null.json, random.json, shuffled.json]' qa_compare.report=arms.json run.threads=1 >arms.md 2>log ||
    fail "qa-compare: $(cat log)"
grep -q '^- MedTok over LoRA alone, these runs: +[4-9][0-9].[0-9] points (95 %: +.*), McNemar p < .0001: these runs differ. A difference of' arms.md || fail "the gain over LoRA alone: $(cat arms.md)"
grep -q '^- MedTok over shuffled vectors, these runs: .*, McNemar p = [1.][0-9.]*: these runs are not told apart' arms.md || fail "vectors that tell as much: $(cat arms.md)"

# ---- the codes' descriptions in words ----
vocabulary=(files.vocabulary=vocabulary.h5 files.table=none.h5)
learn descriptions descriptions 1 "${vocabulary[@]}" qa.steps=4
answer descriptions descriptions "${vocabulary[@]}"
grep -q '"prefix": "descriptions"' descriptions.json && grep -q '"questions_with_descriptions_left_out": ' descriptions.json || fail "the report of descriptions"
for prefix in descriptions none; do
    "$MEDTOK" qa --set "${vocabulary[@]}" qa.model=model qa.questions=test.jsonl run.threads=1 run.device=cpu qa.prefix=$prefix qa.report=zero.$prefix.json >out 2>log ||
        fail "$prefix without an adapter: $(cat log)"
done
cmp -s <(grep '"scores"' zero.descriptions.json) <(grep '"scores"' zero.none.json) && fail "descriptions change no score"
head -n 100 "$SAMPLE/codes.tsv" >few.tsv
medtok prepare --set files.codes=few.tsv files.vocabulary=few.h5 2>log || fail "prepare: $(cat log)"

# on three ranks the same answers
"$MPIRUN" -n 3 "$MEDTOK" qa --set files.table=table.h5 qa.model=model qa.questions=test.jsonl run.threads=1 run.device=cpu qa.prefix=vectors qa.adapter=vectors \
    qa.report=three.json >out 2>log || fail "qa on three ranks: $(cat log)"
same() { diff <(grep "$1" three.json) <(grep "$1" vectors.json) || fail "$1 is another on three ranks than on one"; }
same '"chosen"'
same '"right"'
scores() { grep '"scores"' "$1" | tr -d '[],' | cut -d: -f2; }
paste -d' ' <(scores three.json) <(scores vectors.json) | awk '{ for (i = 1; i <= 4; i++) bad += ($i - $(i + 4)) ^ 2 > 1e-8 * $i ^ 2 } END { exit bad || NR != 64 || NF != 8 }' ||
    fail "other scores on three ranks than on one"

# the same losses on one and on two ranks, but for rounding
for ranks in 1 2; do learn ranks$ranks vectors $ranks qa.steps=4; done
losses() { grep -o '"cross_entropy": [0-9.e-]*' "$1.metrics.jsonl" | cut -d' ' -f2; }
paste <(losses ranks1) <(losses ranks2) | awk '{ d = $1 - $2; n += NF == 2 && d * d < 1e-8 * $1 * $1 } END { exit !(n == 4 && NR == 4) }' ||
    fail "losses of one rank, $(losses ranks1), and of two, $(losses ranks2)"

# ---- a finished training ----
mv vectors before
learn vectors vectors 1
grep -q 'vectors.h5 is up to date' log && grep -q 'wrote the adapter' log || fail "the adapter of a finished training: $(cat log)"
for file in adapter_config.json adapter_model.safetensors prefix.safetensors medtok_adapter.json; do cmp -s before/$file vectors/$file || fail "another $file from the checkpoint"; done
learn vectors vectors 1
grep -q 'wrote the adapter' log && fail "an adapter that is there was written again"
learn none none 1 qa.steps=1 qa.checkpoint=again.h5 # over its own adapter, which has no prefix
answer vectors vectors qa.questions=learn.jsonl
grep -q 'learned from the stems of 256 of its questions' log || fail "no word of questions that were learned from: $(cat log)"

# ---- refusals ----
expect_error 1 'have the stem of one in learn.jsonl' "$MEDTOK" qa-train --set "${settings[@]}" 'qa.tests=[learn.jsonl]' qa.checkpoint=leak.h5
expect_error 1 'have the stem of one in learn.jsonl' "$MEDTOK" qa-train --set "${settings[@]}" 'qa.tests=[learn.jsonl]' qa.prefix=vectors qa.checkpoint=vectors.h5
ask=("$MEDTOK" qa --set files.table=table.h5 qa.model=model qa.questions=test.jsonl run.device=cpu qa.report=n.json)
expect_error 1 'qa.prefix is none, but the adapter vectors was trained with vectors: set qa.prefix=vectors' "${ask[@]}" qa.adapter=vectors
expect_error 1 'was trained with qa.codes=8 qa.mean=0' "${ask[@]}" qa.adapter=vectors qa.prefix=vectors qa.mean=1
expect_error 1 'more than the 1024 positions of model: set qa.max_tokens=1016 or less' "${ask[@]}" qa.adapter=vectors qa.prefix=vectors qa.max_tokens=1020
expect_error 1 'was trained with another vocabulary than files.vocabulary, few.h5' "${ask[@]}" qa.adapter=descriptions qa.prefix=descriptions files.vocabulary=few.h5
cp -r model other && printf '\001' | dd of=other/model.safetensors bs=1 seek=40000 conv=notrunc status=none
expect_error 1 'was trained on another model than qa.model, other' "${ask[@]}" qa.adapter=vectors qa.prefix=vectors qa.model=other
printf '\377\377\377\177' | dd of=other/model.safetensors bs=1 seek=40000 conv=notrunc status=none # not a number
sed -i 's/"vocab_size": 249/"vocab_size": 200/' model/config.json
expect_error 1 'has token [0-9]*, but vocab_size|is \[249, ' "${ask[@]}"
sed -i 's/"vocab_size": 200/"vocab_size": 249/' model/config.json
expect_error 2 'qa.prefix needs the adapter' "$MEDTOK" qa --set qa.model="$model" qa.questions=test.jsonl qa.prefix=null
expect_error 2 'qa.targets: q is none of' "$MEDTOK" qa-train --set "${settings[@]}" 'qa.targets=[q]' qa.checkpoint=t.h5
finish
