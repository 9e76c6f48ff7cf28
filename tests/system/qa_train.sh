#!/usr/bin/env bash
# qa-train and qa from the shell, on a small random model: questions whose answer only the vector of their code tells are answered with the
# vectors, and at chance without; ranks do not matter; what cannot be is refused.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

model=$ROOT/tests/golden/llama/smollm2
for job in prepare encode train tokenize; do medtok $job >log 2>&1 || fail "$job: $(cat log)"; done

# The right letter is the number of the question's code modulo 4; stem and options say nothing.
questions() { # FROM TO
    awk -F'\t' -v from="$1" -v to="$2" 'NR > 1 && n < 32 { n++; code[n] = $2; system_of[n] = $1 }
        END { for (i = from; i < to; i++) { k = i % n + 1
            printf "{\"id\": \"%d\", \"stem\": \"Which, in case %d?\", \"options\": [\"w\", \"x\", \"y\", \"z\"], \"answer\": \"%s\", \"codes\": [[\"%s\", \"%s\"]]}\n",
                i, i, substr("ABCD", k % 4 + 1, 1), system_of[k], code[k] } }' "$SAMPLE/codes.tsv"
}
questions 0 256 >learn.jsonl
questions 256 320 >test.jsonl
settings=(files.table=table.h5 qa.model="$model" qa.questions=learn.jsonl qa.batch=16 qa.steps=120 qa.warmup=5 qa.rate=0.02 qa.rank=4 qa.alpha=8
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
learn plain none 1 qa.steps=20
answer plain none qa.against=vectors.json
[ "$(right plain.json)" -le 28 ] || fail "without them $(right plain.json) of 64 are right, where 16 are chance: $(cat out)"
grep -q '"right_here_alone": 0\|"right_there_alone": [34][0-9]' plain.json && grep -q 'mcnemar_exact_p' plain.json || fail "the comparison: $(cat out)"

# the same losses on one and on two ranks, but for rounding
for ranks in 1 2; do learn ranks$ranks vectors $ranks qa.steps=4; done
losses() { grep -o '"cross_entropy": [0-9.e-]*' "$1.metrics.jsonl" | cut -d' ' -f2 | cut -c1-6; }
[ "$(losses ranks1 | wc -l)" -eq 4 ] && [ "$(losses ranks1)" = "$(losses ranks2)" ] || fail "losses of one rank, $(losses ranks1), and of two, $(losses ranks2)"

# ---- refusals ----
expect_error 1 'have the stem of one in learn.jsonl' "$MEDTOK" qa-train --set "${settings[@]}" 'qa.tests=[learn.jsonl]' qa.checkpoint=leak.h5
expect_error 2 'qa.prefix needs the adapter' "$MEDTOK" qa --set qa.model="$model" qa.questions=test.jsonl qa.prefix=null
expect_error 2 'qa.targets: q is none of' "$MEDTOK" qa-train --set "${settings[@]}" 'qa.targets=[q]' qa.checkpoint=t.h5
expect_error 1 '1 tensors, but 3 were expected' bash -c "
    '$MEDTOK' qa-train --set ${settings[*]@Q} qa.steps=1 qa.prefix=null qa.checkpoint=null.h5 qa.metrics=null.jsonl qa.adapter=null >/dev/null 2>&1
    '$MEDTOK' qa --set files.table=table.h5 qa.model='$model' qa.questions=test.jsonl qa.prefix=vectors qa.adapter=null qa.report=n.json run.device=cpu"
finish
