#!/usr/bin/env bash
# A training that goes wrong stops with one message that names step, loss term and codes, and leaves no checkpoint: too high a
# rate, a NaN in the features, and a feature that is finite but too large.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

medtok prepare 2>log && medtok encode --set text.precision=fp32 2>>log || fail "prepare and encode: $(cat log)"
terms='(codebook|specific|shared|align|orthogonal)[a-z_]*'
files="--set files.checkpoint=bad.h5 --set train.checkpoint_every=0"
# Where losses compare directions, as by default, the lengths of the vectors tell.
lengths='codebook_[a-z_]* compares vectors of length [0-9.e+]+, beyond train.max_length'
expect_error 1 "step [2-9]: $lengths .* first: [A-Z]+[A-Z0-9]*:.* and [0-9]+ more" medtok train $files --set train.rate=1e3
expect_error 1 "rank [0-9]: step [2-9]: $lengths" medtok_ranks 2 train $files --set train.rate=1e3
# Where they compare the vectors themselves, the losses do.
train="$files --set quantizer.loss_space=raw --set train.schedule=constant --set train.warmup=0 --set train.max_length=0"

expect_error 1 "step [2-9]: $terms is .*(train.max_loss \(1e\+06\)|nan|inf); lower train.rate.* first: [A-Z]+[A-Z0-9]*:.* and [0-9]+ more" medtok train $train --set train.rate=1e3
expect_error 1 "rank [0-9]: step [2-9]: $terms is " medtok_ranks 2 train $train --set train.rate=1e3
# Diverged long before a float32 overflows: only the bound sees it.
expect_error 1 "step [2-9]: codebook_graph is [0-9.e+]+, beyond train.max_loss" medtok train $train --set train.rate=1
medtok train $train --set train.rate=1 --set train.steps=4 --set train.max_loss=0 --set files.checkpoint=unbounded.h5 2>log || fail "without the bound: $(cat log)"
expect_error 1 "step [2-9]: (the gradient's norm is inf \(largest loss term: $terms|$terms is (-?nan|inf))" medtok train $train --set train.rate=1e3 --set train.max_loss=0

# The row of the whole text of one code, and its index in the file
code=$(awk -F'\t' '$2 == "E11.9" {print NR - 2; exit}' "$SAMPLE/codes.tsv")
value() { h5dump -d "$1" -s "$2" -c 1 text.h5 | sed -n 's/^ *([0-9]*): \([0-9]*\).*/\1/p' | head -n 1; }
row=$(value token_row "$(value token_offsets "$code")")
plant() { # value 3 of that row in bad-text.h5
    "$(dirname "$MEDTOK")/tests/plant_feature" text.h5 bad-text.h5 "$row" 3 "$1" || fail "planting $1"
}
train="$train --set files.text=bad-text.h5"
plant nan
expect_error 1 'a feature of ICD10CM:E11\.9 is NaN or infinite \(value 3 of token 0\)' medtok train $train
plant 3e38 # finite, so that reading lets it pass
expect_error 1 "rank [0-9]: step 1: $terms is .* first: ICD10CM:E11\.9, " medtok_ranks 2 train $train --set train.batch=710
plant 16777216 # every loss is finite, but beyond the bound
expect_error 1 "step 1: $terms is [0-9.e+]+, beyond .* first: ICD10CM:E11\.9, " medtok_ranks 2 train $train --set train.batch=710
[ -z "$(ls | grep '^bad\..*h5')" ] || fail "a failed training left $(ls | grep '^bad\..*h5')"
finish
