#!/usr/bin/env bash
# text.mode: online computes what the cached features are. Without dropout the training is that of cached fp32 features; with the
# model's dropout it does not depend on the number of ranks and resumes exactly; tokens are those of cached features.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cp -r "$ROOT/tests/golden/text/plain" model
chmod -R u+w model
cp -r model still
sed -i -E 's/(dropout_prob": )[0-9.]+/\10.0/' still/config.json
settings="--set text.encoder=bert --set text.max_tokens=40 --set text.precision=fp32 --set train.batch=64 --set train.steps=12
--set train.log_every=1000 --set quantizer.size=300 --set train.checkpoint_every=5"
online="$settings --set text.mode=online"
medtok prepare 2>log || fail "prepare: $(cat log)"
medtok_ranks 2 encode $settings --set text.model=still 2>log || fail "encode: $(cat log)"

# Numbers of two metrics files, side by side, to a relative tolerance.
same_metrics() {
    awk -v tolerance="$3" 'FNR == NR { line[FNR] = $0; next } { n = split(line[FNR], a, /[ ,}]+/); m = split($0, b, /[ ,}]+/)
        if (n != m) { print "line " FNR; exit 1 }
        for (i = 1; i <= n; i++) { d = a[i] - b[i]; s = a[i] < 0 ? -a[i] : a[i]
            if ((d < 0 ? -d : d) > tolerance * (1 + s)) { print "line " FNR ": " a[i - 1] " " a[i] " and " b[i]; exit 1 } } }
        END { if (FNR != length(line)) { print "lines: " FNR; exit 1 } }' "$1" "$2"
}

medtok train $settings --set text.dropout=0 --set files.checkpoint=cached.h5 2>log || fail "cached: $(cat log)"
medtok train $online --set text.model=still --set files.checkpoint=still.h5 2>log || fail "online: $(cat log)"
# The same sums in another order, over 12 steps of Adam
same_metrics cached.jsonl still.jsonl 1e-3 || fail "online without dropout is not cached"
medtok tokenize --set files.checkpoint=cached.h5 --set files.table=cached.table.h5 2>log || fail "tokenize: $(cat log)"
medtok tokenize --set files.checkpoint=still.h5 --set files.table=still.table.h5 --set text.model=still 2>log || fail "tokenize: $(cat log)"
tokens=$(h5dump -d tokens cached.table.h5 | grep -c '^ *([0-9]')
differ=$(h5diff cached.table.h5 still.table.h5 tokens | sed -n 's/^\([0-9]*\) differences.*/\1/p')
[ "${differ:-0}" -le $((tokens / 50)) ] || fail "$differ tokens of the online model are not those of cached features" # near ties may turn
for ranks in 1 2 3; do
    medtok_ranks $ranks train $online --set text.model=model --set files.checkpoint=noisy.$ranks.h5 2>log || fail "online, $ranks ranks: $(cat log)"
    same_metrics noisy.1.jsonl noisy.$ranks.jsonl 1e-3 || fail "online training depends on the ranks ($ranks)"
done
same_metrics noisy.1.jsonl still.jsonl 1e-3 >/dev/null && fail "the model's dropout changes nothing"

# text.pool: the mean over the tokens stands where [CLS] stood, computed in each step or before all.
pooled="--set text.pool=mean --set text.dropout=0 --set train.steps=2"
medtok_ranks 1 encode $settings $pooled --set text.model=still --set files.text=pooled.text.h5 2>log || fail "encode, mean: $(cat log)"
h5dump -a first_is_mean pooled.text.h5 | grep -q '(0): 1' && h5dump -a first_is_mean text.h5 | grep -q '(0): 0' ||
    fail "the features do not say what stands first"
medtok train $settings $pooled --set files.text=pooled.text.h5 --set files.checkpoint=pooled.h5 2>log || fail "cached means: $(cat log)"
medtok train $online $pooled --set text.model=still --set files.checkpoint=pooled.online.h5 2>log || fail "online means: $(cat log)"
same_metrics pooled.jsonl pooled.online.jsonl 1e-3 || fail "means online are not those cached"
head -n 2 cached.jsonl >first.jsonl && same_metrics pooled.jsonl first.jsonl 1e-3 >/dev/null && fail "text.pool changes nothing"

# Stopped and resumed
long="$online --set text.model=model --set train.steps=60 --set train.log_every=1"
medtok train $long --set files.checkpoint=whole.h5 2>log || fail "undisturbed: $(cat log)"
"$MEDTOK" train --config small.yaml $long --set files.checkpoint=stopped.h5 2>log &
job=$!
for _ in $(seq 200); do [ -s stopped.jsonl ] && break; sleep 0.02; done
kill -USR1 $job
wait $job
[ $? -eq 75 ] || fail "after SIGUSR1 not 75: $(cat log)"
medtok train $long --set files.checkpoint=stopped.h5 2>log || fail "resuming: $(cat log)"
grep -q 'resumed from' log || fail "did not resume: $(cat log)"
cmp whole.jsonl stopped.jsonl || fail "a resumed run is another run"

medtok_ranks 2 tokenize --set text.model=model --set files.checkpoint=noisy.1.h5 --set files.table=online.2.h5 2>log || fail "tokenize online: $(cat log)"
medtok tokenize --set text.model=model --set files.checkpoint=noisy.1.h5 --set files.table=online.1.h5 2>log || fail "tokenize online: $(cat log)"
h5diff -q online.1.h5 online.2.h5 tokens || fail "online tables depend on the ranks"
medtok verify --set files.table=online.1.h5 >log 2>&1 || fail "verify: $(cat log)"

# The defaults, which begin with cached features where there are any.
as_users_train
medtok train $online --set text.model=still --set train.steps=2 --set files.checkpoint=users.h5 2>log || fail "online, defaults: $(cat log)"
[ "$(grep -c 'is random: with text.mode: online' log)" -eq 2 ] && grep -aq 'text.pool: mean' users.h5 || fail "online: not a word that defaults give way: $(cat log)"

# What must be refused
expect_error 2 'text.model must name' medtok train --set text.mode=online
expect_error 1 'was trained with another model-config' medtok tokenize --set text.model=still --set files.checkpoint=noisy.1.h5 --set files.table=other.h5
expect_error 2 'text.model must name' medtok tokenize --set files.checkpoint=noisy.1.h5 --set files.table=other.h5
expect_error 2 'positions' medtok train $online --set text.model=model --set text.max_tokens=65
finish
